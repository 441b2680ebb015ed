"""The original's design as one command: stock Bonobo, a record a bag, `predict` called for each record.

    python benchmarks/original.py package.module:ClassName INPUT OUTPUT

Reader, writer and strategy are Bonobo 0.6.4's own; the transformer is the original's, for today's MLModel interface.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from typing import Any

import model_etl.compat  # noqa: F401  all that Bonobo needs on today's Python

import bonobo
from fs.osfs import OSFS


class Transformer:
    """Yields one prediction for one record."""

    def __init__(self, module_name: str, class_name: str) -> None:
        self.model = getattr(importlib.import_module(module_name), class_name)()

    def __call__(self, data: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Predict."""
        yield self.model.predict(self.model.input_schema(**data)).model_dump()


def main(reference: str, input_file: str, output_file: str) -> None:
    """Score a file."""
    module_name, _, class_name = reference.partition(":")
    graph = bonobo.Graph()
    graph.add_chain(
        bonobo.LdjsonReader(input_file, mode="r"),
        Transformer(module_name, class_name),
        bonobo.LdjsonWriter(output_file, mode="w"),
    )
    bonobo.settings.QUIET.set(True)
    bonobo.run(graph, services={"fs": OSFS("/"), "http": None})


if __name__ == "__main__":
    main(*sys.argv[1:])
