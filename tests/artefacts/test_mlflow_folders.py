"""A folder of MLflow predicts what pyfunc predicts, in the environment at hand, and only if its digest is trusted."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from helpers.artefacts import score
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from model_etl.artefacts.file import read_artefact
from model_etl.artefacts.options import ArtefactOptions
from model_etl.errors import ConfigurationError, ModelUnavailable
from model_etl.runtime.environment import install_command
from model_etl.scoring.model_loading import load_model

DATA = pd.DataFrame({"a": [1.0, 2, 3, 4], "n": [1, 2, 3, 4]})
LABELS = ["no", "yes", "no", "yes"]


def trusted(folder: Path) -> dict[str, Any]:
    """Return what trusts a folder."""
    return {"trust_pickle": read_artefact("m", str(folder), folder=True).sha256}


def test_no_folder_is_loaded_unless_it_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading it runs code: the digest is asked for first. Without mlflow, the message has its command."""
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(ModelUnavailable, match="the folder has no file MLmodel"):
        load_model(f"mlflow:{tmp_path}")
    (tmp_path / "MLmodel").write_text("flavors: {}")
    with pytest.raises(ConfigurationError, match="nothing was loaded") as raised:
        load_model(f"mlflow:{tmp_path}")
    assert re.search(r"--trust_pickle ([0-9a-f]{64})", raised.value.remedy)
    options = ArtefactOptions(**trusted(tmp_path))
    with pytest.raises(ModelUnavailable, match="mlflow is not installed") as missing:
        load_model(f"mlflow:{tmp_path}", artefact=options)
    assert missing.value.remedy == f"Install it: {install_command('model-etl[mlflow]')}"
    (tmp_path / "more.py").write_text("")
    with pytest.raises(ModelUnavailable, match="is not the file that is trusted"):
        load_model(f"mlflow:{tmp_path}", artefact=options)


@pytest.fixture(scope="module")
def mlflow() -> Any:
    """Return mlflow, which has an environment of its own: it brings forty packages."""
    pytest.importorskip("mlflow.sklearn", reason="mlflow is not installed: pip install mlflow-skinny skops")
    return pytest.importorskip("mlflow")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("serialization", ["cloudpickle", "skops"])
def test_a_folder_predicts_as_pyfunc_does(mlflow: Any, serialization: str, tmp_path: Path) -> None:
    """The signature has the columns and the types; what it refuses is a reject; another version is refused."""
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(DATA, LABELS)
    folder = tmp_path / "m"
    mlflow.sklearn.save_model(
        model,
        folder,
        signature=mlflow.models.infer_signature(DATA, model.predict(DATA)),
        pip_requirements=["scikit-learn"],
        serialization_format=serialization,
    )
    records = [*DATA.to_dict("records"), {"a": 1.5}, {"a": None, "n": 1}]
    outputs, rejects = score(f"mlflow:{folder}", records, **trusted(folder))
    assert [output["prediction"] for output in outputs] == mlflow.pyfunc.load_model(str(folder)).predict(DATA).tolist()
    assert [reason.split(":")[1] for reason in rejects] == [" n", " a"]
    described = (folder / "MLmodel").read_text()
    (folder / "MLmodel").write_text(re.sub("sklearn_version: .*", "sklearn_version: 0.9", described))
    with pytest.raises(ModelUnavailable, match=r"was made with scikit-learn 0\.9, and 1"):
        load_model(f"mlflow:{folder}", artefact=ArtefactOptions(**trusted(folder)))
    (folder / "MLmodel").write_text(re.sub(r"(?s)signature:.*params: null", "signature: null", described))
    with pytest.raises(ModelUnavailable, match="it has no signature with columns"):
        load_model(f"mlflow:{folder}", artefact=ArtefactOptions(**trusted(folder)))
