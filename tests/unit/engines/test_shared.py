"""What all engines share: the pieces of inputs, the scorer, the options, and the line between them and the rest."""

from __future__ import annotations

import io
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from helpers.command import MODELS, ROOT
from helpers.imports import imported, modules
from hypothesis import given, settings
from hypothesis import strategies as st

from model_etl.columns.source_columns import TableDocuments
from model_etl.engines.shared.options import engine_parser, merge_engine_settings, scorer_settings
from model_etl.engines.shared.pieces import InputPiece, cut_input, number_pieces
from model_etl.engines.shared.scoring import ScorerSettings
from model_etl.engines.shared.unsupported_options import UNSUPPORTED
from model_etl.errors import ConfigurationError, DataError
from model_etl.formats.json_lines import LDJSON
from model_etl.records.batch import Batch, Source
from model_etl.settings.options import OPTIONS

FAST = "generations:Fast"
ENGINES = {"beam": "apache_beam", "kafka": "aiokafka", "mapreduce": "mrjob"}


@pytest.fixture(autouse=True)
def models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the tests' models be found."""
    monkeypatch.syspath_prepend(str(MODELS))


def told(batch: Batch) -> list[tuple[int, int, bytes]]:
    """Give place and text of each record of a batch, rejected or not."""
    alive = list(zip(batch.positions, batch.offsets, batch.texts, strict=True))
    return sorted(alive + [(r.position, r.offset, r.text) for r in batch.rejected])


line = st.one_of(
    st.sampled_from([b"{}", b"", b"  ", b"\r", b'{"a": 1}\r', b"\xff", b"\xef\xbb\xbf{}", b"PAR1", b"x" * 9000]),
    st.binary(max_size=40).map(lambda text: text.replace(b"\n", b" ")),
)


@settings(deadline=None)
@given(lines=st.lists(line, max_size=30), end=st.sampled_from([b"", b"\n"]), at_most=st.integers(1, 200))
def test_pieces_hold_every_record_once(lines: list[bytes], end: bytes, at_most: int) -> None:
    """Wherever an input is cut, its pieces together give each record's number, offset and text as the whole does."""
    content = b"{}\n" + b"\n".join(lines) + end
    whole = [
        record for b in LDJSON.read(io.BytesIO(content), Source("in.json", "0", "ldjson"), {}) for record in told(b)
    ]
    pieces = cut_input("in.json", "0", len(content), None, at_most)
    counted = [(piece, piece.count(io.BytesIO(content))) for piece in reversed(pieces)]
    read = [told(batch) for piece in number_pieces(counted) for batch in piece.read(io.BytesIO(content), {})]
    assert [record for batch in read for record in batch] == whole


@pytest.mark.parametrize("name", ["in.csv", "in.parquet", "in.json.gz", "in.json.zst"])
def test_only_plain_lines_are_cut(name: str) -> None:
    """A format that cannot be read from its middle stays whole, however large it is."""
    assert cut_input(name, "0", 1 << 40, None, 1 << 20) == [InputPiece(name, "0")]


def test_a_piece_without_a_size_is_whole() -> None:
    """An input whose size nobody knows is not cut."""
    assert cut_input("in.json", "0", None, None, 1) == [InputPiece("in.json", "0")]


def test_the_first_piece_finds_out_that_it_is_no_text() -> None:
    """A file of another kind is refused as on one machine, not taken apart into rejects."""
    first = cut_input("in.json", "0", 100, None, 10)[0]
    with pytest.raises(DataError, match="Parquet"):
        list(first.read(io.BytesIO(b"PAR1\x15\x04" + b"\n" * 94), {}))


def test_the_scorer_gives_four_results() -> None:
    """Predictions, events, rejects and the number of withheld ones come out of one call, and add up."""
    scoring = ScorerSettings(FAST, ("business:NoGiants",), join=True)
    scorer = scoring.scorer()
    text = b'{"x": 1}\n{"x": 99}\n{}\n'
    (batch,) = LDJSON.read(io.BytesIO(text), Source("in", "0" * 32, "ldjson"), scorer.facts.inputs)
    scored = scorer(batch)
    assert list(scored.predictions) == [b'{"x": 1,"y":2.0}']
    assert [json.loads(event)["type"].rpartition(".")[2] for event in scored.events.splitlines()] == [
        "completed", "withheld", "rejected",
    ]  # fmt: skip
    assert json.loads(scored.rejects)["position"] == 3
    assert scored.counts == {"written": 1, "rejected": 1, "withheld": 1}
    started = json.loads(scorer.started("r1", {"keep": ()}))
    assert (started["id"], started["data"]["model"]["qualified_name"]) == ("r1", scorer.facts.name)


def test_a_model_of_frames_gets_large_batches_of_columns() -> None:
    """A worker reads CSV as one machine does: by columns, for few calls of the model."""
    facts = ScorerSettings("frame_models:ByFrame").scorer().facts
    data = b"age,purpose,income\n" + b"33,car,1000.5\n" * 20_000
    assert len(list(InputPiece("in.csv", "0").read(io.BytesIO(data), facts.inputs))) > 1
    (batch,) = InputPiece("in.csv", "0").read(io.BytesIO(data), facts.inputs, (), facts.batch_settings)
    assert isinstance(batch.documents, TableDocuments)


def test_without_a_log_there_are_no_events() -> None:
    """ScorerSettings without a log give no events, and the same predictions."""
    scorer = ScorerSettings(FAST, log=False).scorer()
    (batch,) = LDJSON.read(io.BytesIO(b'{"x": 1}'), Source("in", "0" * 32, "ldjson"), scorer.facts.inputs)
    scored = scorer(batch)
    assert (scored.events, list(scored.predictions)) == (b"", [b'{"y":2.0}'])


def test_settings_travel_and_the_model_does_not() -> None:
    """What is sent to workers is some hundred bytes: names, never a model."""
    assert len(pickle.dumps(ScorerSettings("iris_model.iris_predict:IrisModel", ("business:NoGiants",)))) < 500


def test_options_come_from_flags_the_environment_and_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines take the options of a run by the same names, from the same places, in the same order."""
    file = tmp_path / "job.toml"
    file.write_text('model = "a:A"\njob = "from-file"\nkeep = ["id"]\n')
    monkeypatch.setenv("MODEL_ETL_JOB", "from-environment")
    options = engine_parser("engines.any", "Test.", OPTIONS.values(), (), {}).parse_args(
        ["--config", str(file), "--rules", "b:B", "--rules", "c:C"]
    )
    assert scorer_settings(merge_engine_settings("Beam", options)) == ScorerSettings(
        "a:A", ("b:B", "c:C"), job="from-environment", keep=("id",)
    )


def test_each_option_of_a_run_is_decided_for_each_engine() -> None:
    """The table of options that engines refuse has an entry for each option of a run, and no other."""
    assert set(UNSUPPORTED) == set(OPTIONS)


@pytest.mark.parametrize(
    ("values", "message"), [({}, "--model"), ({"model": "a:A", "join": True, "keep": ("b",)}, "--keep")]
)
def test_options_that_make_no_sense(values: dict[str, Any], message: str) -> None:
    """A missing model, or options that exclude each other, are refused before any work."""
    with pytest.raises(ConfigurationError, match=message):
        scorer_settings(values)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "engines").glob("*.py")) + sorted((ROOT / "engines").glob("[!t]*/*.py")), ids=str
)
def test_engines_know_no_bonobo_and_not_each_other(path: Path) -> None:
    """An adapter imports its own engine only, and nothing of Bonobo; what all share imports no engine."""
    own = ENGINES.get(path.parent.name)
    names = {name.split(".")[0] for name in imported(path)}
    assert not names & {"bonobo", *(set(ENGINES.values()) - {own})}
    others = {name.split(".")[2] for name in imported(path) if name.startswith("model_etl.engines.")} & set(ENGINES)
    assert others <= {path.parent.name}


def test_nothing_of_one_machine_knows_the_engines() -> None:
    """model_etl, graphs and services import no engine, so that they can be installed without one."""
    for _, path in modules():
        found = imported(path)
        assert not any(name.startswith("model_etl.engines") for name in found), path
        assert not {name.split(".")[0] for name in found} & set(ENGINES.values()), path


def test_what_engines_share_runs_without_bonobo() -> None:
    """Scoring, splitting and finding inputs work where importing bonobo fails, as it does beside Beam."""
    program = """
import sys
sys.modules.update(dict.fromkeys(("bonobo", "mondrian"), None))
import model_etl.engines.shared.options, model_etl.engines.shared.pieces
from model_etl.services.local import locate
from model_etl.engines.shared.scoring import ScorerSettings
print(ScorerSettings("iris_model.iris_predict:IrisModel").scorer().facts.name, locate("a").name)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=False, text=True)
    assert done.stdout == "iris_model a\n", done.stderr


def test_a_missing_bonobo_is_said_in_a_sentence() -> None:
    """`model-etl run` in an engine's environment names what is missing and how to get it, without a traceback."""
    program = """
import sys
sys.modules["bonobo"] = None
from model_etl.cli.main import main
sys.exit(main(["-i", "a.json", "-o", "b.json", "-m", "a:A"]))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=False, text=True)
    assert done.returncode == 78
    assert "bonobo is not installed" in done.stderr
    assert "Traceback" not in done.stderr
