"""What pipelines make of dates; in a module of its own, which a pickled pipeline names."""

from __future__ import annotations

from typing import Any

import pandas as pd

TODAY = "2026-01-01"


def loan_dates(frame: Any) -> Any:
    """Return the days since a loan was opened, and the month."""
    opened = pd.to_datetime(frame["opened_on"])
    return pd.DataFrame({"days": (pd.Timestamp(TODAY) - opened).dt.days, "month": opened.dt.month})


def wide_days(frame: Any) -> Any:
    """Return the days since each date."""
    return pd.DataFrame({name: (pd.Timestamp(TODAY) - pd.to_datetime(frame[name])).dt.days for name in frame})
