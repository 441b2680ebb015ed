"""Rules that fail in every way a rule can. A record with a negative x is the one that they fail at."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from model_etl.rules import ALLOW, BusinessRule, Decision, replace


class Good(BusinessRule):
    """Works; the others are made of it."""

    def decide(self, record: Any, prediction: Any) -> Any:
        """Decide."""
        return self.fail() if record["x"] < 0 else ALLOW

    def fail(self) -> Any:
        """Do what this rule does wrong."""
        return ALLOW


class NoRule:
    """Has no decide."""


class WrongWhen(Good):
    """Comes at no known moment."""

    when: Any = "never"


class RaisesInInit(Good):
    """Cannot be constructed."""

    def __init__(self) -> None:
        raise RuntimeError("no list of provinces")


class ExitsInInit(Good):
    """Wants to end the process, as a success."""

    def __init__(self) -> None:
        sys.exit(0)


class Raises(Good):
    """Raises."""

    def fail(self) -> Any:
        """See the class."""
        raise KeyError("province")


class RaisesBefore(Raises):
    """Raises before the model."""

    when = "before_model"


class Exits(Good):
    """Wants to end the process, as a success."""

    def fail(self) -> Any:
        """See the class."""
        sys.exit(0)


class ReturnsNone(Good):
    """Returns nothing."""

    def fail(self) -> Any:
        """See the class."""


class ReturnsBool(Good):
    """Returns what other rule engines take."""

    def fail(self) -> Any:
        """See the class."""
        return True


class RubbishVerdict(Good):
    """Returns a verdict that does not exist."""

    def fail(self) -> Any:
        """See the class."""
        return Decision("perhaps")  # type: ignore[arg-type]


class RubbishMessages(Good):
    """Returns messages that are no text."""

    def fail(self) -> Any:
        """See the class."""
        return Decision("allow", (1,))  # type: ignore[arg-type]


class ReplacesBefore(Good):
    """Replaces what there is not yet."""

    when = "before_model"

    def fail(self) -> Any:
        """See the class."""
        return replace({"y": 1.0})


class ReplacesBadly(Good):
    """Replaces by what the output schema refuses."""

    def fail(self) -> Any:
        """See the class."""
        return replace({"y": "wide"})


class ReplacesByNaN(Good):
    """Replaces by what JSON lacks."""

    def fail(self) -> Any:
        """See the class."""
        return replace({"y": float("nan")})


class ReplacesByNothing(Good):
    """Replaces by nothing."""

    def fail(self) -> Any:
        """See the class."""
        return Decision("replace")


class Slow(Good):
    """Takes its time for each record."""

    def decide(self, record: Any, prediction: Any) -> Any:
        """Decide."""
        Path("hanging").touch()
        time.sleep(0.01)
        return ALLOW
