"""Runs a pipeline to its end, in a thread: inside Beam, what a signal raises may be lost or leave Beam waiting."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import Future
from typing import Any

import apache_beam as beam

from model_etl.errors import Interrupted


def run_pipeline(pipeline: beam.Pipeline) -> None:
    """Run a pipeline and wait until it ends.

    Raises:
        Interrupted: if a signal comes; a pipeline that runs elsewhere is cancelled, one in this process is abandoned.
        Exception: any exception of Beam.
    """
    started: Future[Any] = Future()
    ended: Future[None] = Future()

    def run() -> None:
        try:
            started.set_result(pipeline.run())
            started.result().wait_until_finish()
            ended.set_result(None)
        except BaseException as exc:  # noqa: BLE001  raised in the calling thread
            ended.set_exception(exc)

    threading.Thread(target=run, daemon=True, name="pipeline").start()
    try:
        ended.result()
    except Interrupted:
        if started.done():
            with contextlib.suppress(Exception):  # not every runner can cancel
                started.result().cancel()
        raise
