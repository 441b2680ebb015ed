"""The columns of the pipeline, and the step in it that scikit-learn does not have."""

import pandas as pd

NUMBERS = ["age", "income", "amount", "months", "credit_score"]
CATEGORIES = ["purpose", "employment"]
DATES = ["customer_since"]
COLUMNS = [*NUMBERS, *CATEGORIES, *DATES]

REFERENCE = pd.Timestamp("2026-01-01")
"""Fixed: counted from today, the prediction of a record would change from night to night."""


def years_before(dates: pd.DataFrame) -> pd.DataFrame:
    """Return the years from each date to the reference date; NaN for a missing date."""
    return dates.apply(lambda column: (REFERENCE - column).dt.days / 365.25)
