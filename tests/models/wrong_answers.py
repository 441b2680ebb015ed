"""Models that answer what they must not. A record with a negative x is the one that they fail at."""

from __future__ import annotations

from typing import Any

from failing_models import Good, GoodBatch, Out
from pydantic import BaseModel


class AnyOut(BaseModel):
    """Anything."""

    y: Any


class ReturnsNone(Good):
    """Returns nothing."""

    def fail(self) -> Any:
        """See the class."""


class ReturnsNaN(Good):
    """Returns what JSON lacks."""

    def fail(self) -> Any:
        """See the class."""
        return {"y": float("nan")}


class ReturnsInfinity(Good):
    """Returns what JSON lacks."""

    def fail(self) -> Any:
        """See the class."""
        return Out(y=float("inf"))


class ReturnsText(Good):
    """Returns what its output schema refuses."""

    def fail(self) -> Any:
        """See the class."""
        return {"y": "wide"}


class ReturnsOther(Good):
    """Returns what its output schema does not know."""

    def fail(self) -> Any:
        """See the class."""
        return {"z": 1.0}


class ReturnsObject(Good):
    """Returns an object of no known kind."""

    output_schema = AnyOut

    def fail(self) -> Any:
        """See the class."""
        return {"y": object()}


class ReturnsSet(ReturnsObject):
    """Returns a set."""

    def fail(self) -> Any:
        """See the class."""
        return {"y"}


class ReturnsSurrogate(ReturnsObject):
    """Returns a text that UTF-8 cannot hold."""

    def fail(self) -> Any:
        """See the class."""
        return {"y": "\ud800"}


class ReturnsItself(ReturnsObject):
    """Returns a list that holds itself."""

    def fail(self) -> Any:
        """See the class."""
        loop: list[Any] = []
        loop.append(loop)
        return {"y": loop}


class BatchTooShort(GoodBatch):
    """Returns fewer outputs than it was given records."""

    def predict_batch(self, records: Any) -> Any:
        """Predict many records."""
        return [{"y": 1.0}] * (len(records) - 1)


class BatchTooLong(GoodBatch):
    """Returns more outputs than it was given records."""

    def predict_batch(self, records: Any) -> Any:
        """Predict many records."""
        return [{"y": 1.0}] * (len(records) + 1)


class BatchNone(GoodBatch):
    """Returns nothing."""

    def predict_batch(self, records: Any) -> Any:
        """Predict many records."""


class BatchDict(GoodBatch):
    """Returns one dict."""

    def predict_batch(self, records: Any) -> Any:
        """Predict many records."""
        return {"y": [1.0] * len(records)}
