"""Makes up loans for the model to learn from. No real person or loan is behind them."""

import numpy as np
import pandas as pd

from loans_model.features import REFERENCE

PURPOSES = ["car", "education", "furniture", "repairs", "travel"]
EMPLOYMENTS = ["employee", "self-employed", "civil servant", "none"]
MISSING_SHARES = {"income": 0.06, "credit_score": 0.1, "employment": 0.05, "customer_since": 0.08}
FIRST_DAYS = 20 * 365
"""Customers are of at most twenty years' standing."""


def make_loans(count: int, seed: int) -> tuple[pd.DataFrame, pd.Series]:
    """Return applications and their outcomes; the same seed gives the same ones."""
    # RandomState, as numpy promises never to change its stream; that of default_rng may change.
    random = np.random.RandomState(seed)
    days = pd.to_timedelta(random.randint(0, FIRST_DAYS, count), unit="D")
    loans = pd.DataFrame(
        {
            "loan_id": [f"{seed}-{number:05d}" for number in range(1, count + 1)],
            "age": random.randint(18, 80, count),
            "income": np.round(random.lognormal(10.5, 0.5, count), 2),
            "amount": np.round(random.lognormal(8.8, 0.8, count), 2),
            "months": random.choice([6, 12, 24, 48, 96], count),
            "credit_score": random.randint(300, 851, count),
            "purpose": random.choice(PURPOSES, count),
            "employment": random.choice(EMPLOYMENTS, count),
            "customer_since": REFERENCE - days,
        }
    )
    risk = (
        1.5 * loans["amount"] / loans["income"]
        + (600 - loans["credit_score"]) / 120
        - days.days / FIRST_DAYS
        + (loans["employment"] == "none")
        + 0.6 * (loans["purpose"] == "travel")
    )
    defaults = random.uniform(size=count) < 1 / (1 + np.exp(-risk))
    for column, share in MISSING_SHARES.items():
        loans[column] = loans[column].mask(random.uniform(size=count) < share)
    return loans, pd.Series(np.where(defaults, "default", "repaid"))
