"""The model class: a pipeline of scikit-learn over a data frame of pandas."""

import hashlib
import io
import warnings
from pathlib import Path

import joblib
import pandas as pd
from ml_base import MLModel
from model_etl.frames import to_frame
from sklearn.exceptions import InconsistentVersionWarning

from loans_model import __version__
from loans_model.features import COLUMNS
from loans_model.schemas import LoanInput, LoanOutput

PIPELINE_FILE = Path(__file__).with_name("pipeline.joblib")
"""The fitted pipeline, as ``loans_model.train`` writes it. Loading it runs code: it must be your own."""


class LoanModel(MLModel):
    """Predicts whether a loan is repaid.

    Raises:
        FileNotFoundError: the pipeline has not been trained.
        InconsistentVersionWarning: another version of scikit-learn has trained it.
    """

    display_name = "Loan default"
    qualified_name = "loans_model"
    description = "Predicts whether a loan is repaid, and the probability that it is not."
    version = __version__
    input_schema = LoanInput
    output_schema = LoanOutput
    frame = "pandas"

    def __init__(self, file: Path = PIPELINE_FILE) -> None:
        try:
            content = file.read_bytes()
        except FileNotFoundError:
            raise FileNotFoundError(f"{file} is missing: `python -m loans_model.train` writes it") from None
        # The log then tells which pipeline made a prediction, though all have the package's version.
        self.version = f"{__version__}+{hashlib.sha256(content).hexdigest()[:8]}"
        with warnings.catch_warnings():
            warnings.simplefilter("error", InconsistentVersionWarning)
            self._pipeline = joblib.load(io.BytesIO(content))
        self._default = list(self._pipeline.classes_).index("default")

    def predict(self, data: LoanInput) -> LoanOutput:
        """Predict one loan."""
        return LoanOutput(**self.predict_frame(to_frame([data])).iloc[0])

    def predict_frame(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Predict each row of a frame with the columns of the input schema."""
        return pd.DataFrame(
            {
                "outcome": self._pipeline.predict(frame[COLUMNS]),
                "probability": self._pipeline.predict_proba(frame[COLUMNS])[:, self._default],
            }
        )
