"""Our own steps in a plain loop, in one thread and without Bonobo; files are staged, synced and renamed as in a run.

python benchmarks/loop.py MODEL INPUT OUTPUT [LOG]
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Protocol, TypeVar, cast

Result = TypeVar("Result")


class Caller(Protocol):
    """Calls something on account of a step."""

    def __call__(self, step: str, call: Callable[..., Result], *arguments: Any) -> Result:
        """Return what it returns."""


def directly(step: str, call: Callable[..., Result], *arguments: Any) -> Result:  # noqa: ARG001  others measure
    """Call something."""
    return call(*arguments)


def score(model: str, source: str, output: str, log: str | None = None, call: Caller = directly) -> int:
    """Score a clean file.

    Args:
        model: `package.module:ClassName`.
        source: the input.
        output: for the predictions.
        log: for the prediction log, or None for none.
        call: calls each step; another one measures.

    Returns:
        How many records there were.

    Raises:
        ValueError: if a record was rejected: then this is not what a run does.
    """
    from model_etl.evidence.prediction_log import PredictionLog  # noqa: PLC0415
    from model_etl.formats import format_for  # noqa: PLC0415  who measures imports this module for all else
    from model_etl.formats.output_layout import Layout  # noqa: PLC0415
    from model_etl.publishing.publication import Publication  # noqa: PLC0415
    from model_etl.records.batch import Batch, Source  # noqa: PLC0415
    from model_etl.scoring.model_loading import load_model  # noqa: PLC0415
    from model_etl.scoring.model_step import MLModelTransformer  # noqa: PLC0415
    from model_etl.services import locate  # noqa: PLC0415

    location = locate(source)
    identity = location.identity()
    file_format, _ = format_for(source, None, "--input_format")
    out_form, _ = format_for(output, None, "--output_format")
    records = 0
    with Publication() as publication, ExitStack() as files:
        stages = [publication.stage(locate(name), private=name == log) for name in (log, output) if name]
        loaded = load_model(model)
        predict = MLModelTransformer(model=loaded, internals=bool(log)).predict
        events = PredictionLog("model_etl", loaded.name, loaded.version)
        file = files.enter_context(location.fs.openbin(location.path, "r"))
        *log_files, out = (files.enter_context(stage.fs.openbin(stage.path, "w")) for stage in stages)
        writer = out_form.writer(out, Layout(loaded.output.fields(), loaded.input.fields()))
        batches: Iterator[Batch] = file_format.read(
            file, Source(source, identity, file_format.name), loaded.input.fields()
        )
        nothing = cast("Batch | None", None)
        while (batch := call("read, split into lines", next, batches, nothing)) is not None:
            scored = call("predict, check, encode", predict, call("decode and check", loaded.input.decode_batch, batch))
            if scored.rejected:
                raise ValueError(f"{len(scored.rejected)} records were rejected")
            for log_file in log_files:
                call("write the log", log_file.write, call("make the log's events", events.encode, scored))
            call("write the output", writer.write, scored)
            records += len(scored)
        writer.finish()
        files.close()
        for stage in stages:
            call("fsync, rename", stage.prepare)
        for stage in stages:
            call("fsync, rename", stage.publish)
    return records


if __name__ == "__main__":
    from model_etl.runtime.garbage_collection import freeze_before_exit

    model_, source_, output_, *log_ = sys.argv[1:]
    score(model_, source_, output_, log_[0] if log_ else None)
    freeze_before_exit()  # as the command does
