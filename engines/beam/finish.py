"""Runs a pipeline to its end, in a thread: what a signal raises inside Beam may be lost there, or leave it waiting."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import Future
from typing import Any

import apache_beam as beam

from model_etl.errors import Interrupted


def finish(pipeline: beam.Pipeline) -> None:
    """Run a pipeline and wait for its end.

    Raises:
        Interrupted: if a signal comes; what runs elsewhere is then cancelled, what runs here is left to itself.
        Exception: whatever Beam raises.
    """
    started: Future[Any] = Future()
    ended: Future[None] = Future()

    def run() -> None:
        try:
            started.set_result(pipeline.run())
            started.result().wait_until_finish()
            ended.set_result(None)
        except BaseException as exc:  # noqa: BLE001  handed on
            ended.set_exception(exc)

    threading.Thread(target=run, daemon=True, name="pipeline").start()
    try:
        ended.result()
    except Interrupted:
        if started.done():
            with contextlib.suppress(Exception):  # not every runner can
                started.result().cancel()
        raise
