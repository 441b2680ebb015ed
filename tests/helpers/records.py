"""Inputs of the failing models, and the files of an earlier run."""

from __future__ import annotations

THREE = b'{"x":1}\n{"x":2}\n{"x":3}\n'
MIXED = b'{"x":1}\nx\n{"x":3}\n'
"""Two records around a line that is not JSON."""
BAD = {"first": b'{"x":-1}\n{"x":2}\n{"x":3}\n', "middle": b'{"x":1}\n{"x":-2}\n{"x":3}\n', "last": THREE + b'{"x":-4}'}
"""The model fails at the negative record, at the position of the same name in POSITION."""
POSITION = {"first": 1, "middle": 2, "last": 4}
LARGE = b'{"x": 1.0}\n' * 110_000
"""Three batches; more than a block of the reader: reads of 4 bytes, two blocks, a rest and nothing."""
MIDDLE = 600_000
"""An offset in LARGE."""
EARLIER = {"out.json": b"earlier\n", "out.log.ldjson": b"earlier log\n"}
EARLIER_REJECTS = {**EARLIER, "out.rejects.ldjson": b"earlier rejects\n"}
