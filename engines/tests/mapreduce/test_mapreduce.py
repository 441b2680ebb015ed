"""The MapReduce job on mrjob's own runners; test_mapreduce_hadoop.py runs it on Hadoop."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from acceptance import ENVIRONMENT, MODEL, ROOT, RULES, SCORING, Results, lines_of, single_machine, write_input
from mrjob.conf import load_opts_from_mrjob_confs
from mrjob.runner import _runner_class

from model_etl.engines.mapreduce.results import JobResults
from model_etl.engines.mapreduce.task import is_last_attempt
from model_etl.errors import ModelEtlError

IRIS = "iris_model.iris_predict:IrisModel"
DELIVERY = "delivery_model.predict:DeliveryTimeModel"
BAD = [b'{"sepal_length": 5.0, "sepal_width"', b'{"sepal_length": "long"}', b"[1, 2]", b"caf\xe9"]


def run(
    *arguments: object,
    code: int = 0,
    command: Sequence[str] = ("-m", "model_etl.engines.mapreduce"),
    cwd: Path = ROOT,
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """Run the command, and check its exit code."""
    done = subprocess.run(
        [sys.executable, *command, *map(str, arguments)],
        env={**ENVIRONMENT, **environment}, cwd=cwd, capture_output=True, check=False, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done


def results_of(folder: Path) -> Results:
    """Return the results that a run published."""
    names = ("out.json", "out.log.ldjson", "out.rejects.ldjson")
    return Results.of(*(lines_of([folder / name]) for name in names))


def counts_of(expected: Results) -> Counter[str]:
    """Count the records of a prediction log by outcome, class and rules, as the second job does."""
    groups: Counter[str] = Counter()
    for event in map(json.loads, expected.events.elements()):
        outcome = event["type"].rpartition(".")[2].replace("completed", "written")
        rules = [(answer["rule"], answer["answer"]) for answer in event["data"].get("rules", ())]
        told = event["data"]["error"]["stage"] if outcome == "rejected" else event["data"].get("output")
        groups[json.dumps([outcome, told, rules])] += 1
    return groups


def counts_in(text: str) -> dict[str, int]:
    """Return the counts that the second job wrote."""
    counts = {}
    for group in map(json.loads, text.splitlines()):
        stage_or_prediction = group["stage"] if "stage" in group else group["prediction"]
        counts[json.dumps([group["outcome"], stage_or_prediction, list(group["rules"].items())])] = group["count"]
    return counts


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    """Return an input in which four of six lines are rejected."""
    good = (ROOT / "data" / "input.json").read_bytes().splitlines()[:2]
    path = tmp_path / "bad.json"
    path.write_bytes(b"\n".join([good[0], *BAD, good[1]]) + b"\n")
    return path


@pytest.mark.parametrize("runner", ["inline", "local"])
def test_acceptance(accepted: tuple[Path, Results], tmp_path: Path, runner: str) -> None:
    """A large file that many tasks share gives the predictions, events and rejects of the single-machine run."""
    path, expected = accepted
    output = tmp_path / "out.json"
    options = ["--output", output, "--split_bytes", 1_000_000, "--max_errors", "10%", *SCORING]
    done = run("-r", runner, "-v", path, *options)
    assert results_of(tmp_path) == expected
    outcomes = expected.outcomes()
    told = dict(re.findall(r"^  (\S+(?:: \S+)?) +([\d,]+)$", done.stderr, re.MULTILINE))
    assert told["read"] == "100,000"
    assert told["written"] == f"{outcomes['completed']:,}"
    assert told["rejected"] == f"{outcomes['rejected']:,}"
    assert sum(int(told[f"withheld: {rule}"].replace(",", "")) for rule in RULES) == outcomes["withheld"]


def test_many_inputs(tmp_path: Path) -> None:
    """A folder with files of several formats is scored in one run, with the events of the single-machine run."""
    folder = tmp_path / "in"
    folder.mkdir()
    write_input(folder / "a.json", 3000)
    subprocess.run(["gzip", "-k", folder / "a.json"], check=True)
    rows = [json.loads(line) for line in (ROOT / "data" / "input.json").read_bytes().splitlines()]
    table = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
    (folder / "b, c#.csv").write_text("\n".join(table))
    expected = single_machine(str(folder), tmp_path)
    options = ["--output", tmp_path / "out.json", "--split_bytes", 50_000, "--max_errors", "10%", *SCORING]
    run("-r", "local", folder, *options)
    assert results_of(tmp_path) == expected
    assert sum(expected.predictions.values()) > 5000


def test_original(bad: Path) -> None:
    """The command of the original still works, and counts malformed lines as rejects."""
    name = ["--model_qualified_name", "iris_model", "--model", IRIS]
    done = run("-r", "inline", *name, bad, "--max_errors", 4, command=["engines/mapreduce/job.py"])
    pairs = [line.split("\t") for line in done.stdout.splitlines() if line.startswith("{")]
    first = json.loads((ROOT / "data" / "input.json").read_text().splitlines()[0])
    assert [json.loads(pairs[0][0]), json.loads(pairs[0][1])] == [first, {"species": "setosa"}]
    rejects = [json.loads(line.partition("\t")[2]) for line in done.stdout.splitlines() if line.startswith("reject\t")]
    assert len(pairs) == 2
    assert sorted(reject["position"] for reject in rejects) == [2, 3, 4, 5]
    for counter in ("read=6", "written=2", "rejected=4", "rejected: parse=3", "rejected: input_schema=1"):
        assert f"\t{counter}\n" in done.stderr


def test_rejects_count_without_an_output_file(bad: Path) -> None:
    """Without --output, more rejects than are tolerated end the job with exit code 65; their lines are printed."""
    done = run("-r", "inline", "--model", IRIS, bad, code=65)
    assert "4 of 6 records were rejected, 0 are tolerated" in done.stderr
    assert sum(line.startswith("reject\t") for line in done.stdout.splitlines()) == 4


def test_null_for_rejects(bad: Path, tmp_path: Path) -> None:
    """With --null_for_rejects each rejected record is printed with null, as by the original."""
    done = run("-r", "inline", "--model", IRIS, bad, "--max_errors", 4, "--null_for_rejects")
    pairs = dict(line.rsplit("\t", 1) for line in done.stdout.splitlines())
    assert sorted(pairs.values()).count("null") == 4
    assert len(pairs) == 6
    assert pairs['{"sepal_length": "long"}'] == "null"
    refused = run("--model", IRIS, bad, "--null_for_rejects", "--output", tmp_path / "out.json", code=2)
    assert "exclude each other" in refused.stderr


@pytest.mark.parametrize("name", ["in.json", "in.csv"])
def test_the_first_records(tmp_path: Path, name: str) -> None:
    """--limit reads the first records of the inputs, whatever their format, and the report counts them."""
    header, record = "id,sepal_length,sepal_width,petal_length,petal_width\n", "{},6.3,3.3,6.0,2.5\n"
    if name == "in.json":
        header, record = "", '{{"id":{},"sepal_length":6.3,"sepal_width":3.3,"petal_length":6.0,"petal_width":2.5}}\n'
    for number in range(3):
        text = header + "".join(record.format(number * 10 + index) for index in range(10))
        (tmp_path / f"{number}{name}").write_text(text)
    output, report = tmp_path / "out.jsonl", tmp_path / "report.json"
    options = ["-r", "inline", "--model", IRIS, "--keep", "id", "--output", output, "--report", report]
    run(*options, "--limit", 14, *sorted(tmp_path.glob(f"*{name}")))
    assert sorted(int(json.loads(line)["id"]) for line in lines_of([output])) == list(range(14))
    described = json.loads(report.read_text())
    assert (described["status"], described["counts"]["read"]) == ("published", 14)
    assert described["files"]["output"]["bytes"] == output.stat().st_size


def test_a_dry_run_publishes_nothing(bad: Path, tmp_path: Path) -> None:
    """--dry_run scores all records and writes only the report, which has the counts."""
    report = tmp_path / "report.json"
    options = ["-r", "inline", "--model", IRIS, "--output", tmp_path / "out.json", "--report", report, "--dry_run"]
    run(*options, "--max_errors", 4, bad)
    described = json.loads(report.read_text())
    assert (described["status"], described["counts"]["rejected"]) == ("dry_run", 4)
    assert {path.name for path in tmp_path.iterdir()} == {"bad.json", "report.json"}


def test_counts(accepted: tuple[Path, Results], tmp_path: Path) -> None:
    """The second job counts the records of the single-machine run by class and by the answers of the rules."""
    path, expected = accepted
    output = tmp_path / "counts.json"
    options = [path, "--split_bytes", 1_000_000, "--max_errors", "10%", *SCORING]
    run("--count", "-r", "local", "--output", output, *options)
    assert counts_in(output.read_text()) == counts_of(expected)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["counts.json"]


def test_counts_of_fractions() -> None:
    """Predictions with fractions are counted by their other fields: a fraction is not a class."""
    path = ROOT / "examples/delivery_model/data/deliveries.csv"
    done = run("-q", "--model", DELIVERY, path, command=["engines/mapreduce/counting.py"])
    groups = [json.loads(line) for line in done.stdout.splitlines()]
    assert {tuple(group["prediction"]) for group in groups} == {("comment",)}
    with path.open(newline="", encoding="utf-8") as file:
        assert sum(group["count"] for group in groups) == sum(1 for _ in csv.DictReader(file))


def test_models_by_name(tmp_path: Path) -> None:
    """The qualified name selects one of several models in a settings file."""
    config = tmp_path / "models.toml"
    config.write_text(f'model = "{IRIS}, mapreduce_models:Talking"\n')
    known = ["--config", config, "data/input.json", "--output", tmp_path / "out.json"]
    run("--model_qualified_name", "talking_iris", *known)
    event = json.loads((tmp_path / "out.log.ldjson").read_text().splitlines()[1])
    assert event["source"] == "/model_etl/talking_iris/2.1.0"
    message = run(*known, code=78).stderr
    assert "there are 2 models: iris_model (iris_model.iris_predict:IrisModel), talking_iris" in message
    message = run("--model_qualified_name", "iris", *known, code=78).stderr
    assert "no model has the qualified name 'iris'; known: iris_model" in message


@pytest.mark.parametrize("runner", ["inline", "local"])
def test_prints(runner: str) -> None:
    """Text that a model prints, even from C, does not get into the results."""
    arguments = ["-q", "-r", runner, "--model", "mapreduce_models:Talking", "data/input.json"]
    done = run(*arguments, command=["engines/mapreduce/job.py"])
    assert len(done.stdout.splitlines()) == len((ROOT / "data" / "input.json").read_text().splitlines())
    assert "predicting" not in done.stdout
    assert "deep in C" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--model", IRIS, "--output", "out.json"], 2, "there is no input file"),
        (["--model", IRIS, "no.json", "--output", "out.json"], 66, "cannot read no.json: there is no such file"),
        (["in.json", "--output", "out.json"], 78, "--model is not given"),
        (["-r", "spark", "--model", IRIS, "in.json", "--output", "out.json"], 2, "the job cannot run on spark"),
        (["--model", "nowhere:Model", "in.json", "--output", "out.json"], 69, "cannot load the model nowhere:Model"),
        (["--model", MODEL, "--rules", "a:B", "in.json", "--output", "out.json"], 78, "cannot load the rule a:B"),
        (["--model", MODEL, "in.json", "--output", "missing/out.json"], 73, "its folder does not exist"),
        (["--model", MODEL, "in.json", "--output", "out.csv"], 2, "the job writes JSON Lines, not csv"),
        (["--model", MODEL, "in.json", "--output", "in.json"], 2, "input and output are the same file"),
        (["--model", MODEL, "in.json", "./in.json", "--output", "out.json"], 2, "is named twice"),
        (["--model", MODEL, "in.json", "--output", "old.json", "--if_exists", "fail"], 73, "old.json exists already"),
        (["--model", MODEL, "in.json", "--output", "out.json", "--join", "--keep", "id"], 78, "exclude each other"),
        (["--model", "acceptance_model:Echo", "id.json", "--output", "out.json"], 78, "both have a field 'id'"),
        (["--model", MODEL, "empty.json", "--output", "out.json", "--on_empty", "fail"], 65, "has no records"),
        (["--model", MODEL, "hdfs:///in.json", "--output", "out.json"], 74, "there is no `hadoop` command"),
        (["-r", "hadoop", "--model", MODEL, "in.json", "--output", "out.json"], 78, "the runner hadoop cannot run"),
    ],
)  # fmt: skip
def test_failures(tmp_path: Path, arguments: list[str], code: int, message: str) -> None:
    """A mistake ends the job with its exit code and one message, and the earlier output stays."""
    shutil.copy(ROOT / "data" / "input.json", tmp_path / "in.json")
    write_input(tmp_path / "id.json", 10)
    (tmp_path / "empty.json").touch()
    (tmp_path / "old.json").write_text("old")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    done = run(*arguments, code=code, cwd=tmp_path, PATH="/nowhere", HADOOP_HOME="")
    assert message in done.stderr
    assert done.stderr.startswith("model-etl: error: ")
    assert "Traceback" not in done.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_help_is_in_groups() -> None:
    """The everyday options of a run come first, the job's own and mrjob's last."""
    shown = run("--help").stdout
    titles = [
        shown.index(f"\n{title}") for title in ("everyday options:", "Files:", "Evidence:", "The job:", "mrjob (")
    ]
    assert titles == sorted(titles)
    assert "everyday options:" not in run("--help", "-r", "local").stdout


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--modle=secret", "unrecognized arguments: --modle (did you mean --model?)"),
        ("--split_bytes=many", "argument --split_bytes: 'many' is not a whole number"),
    ],
)
def test_mistyped_options(argument: str, message: str) -> None:
    """A mistyped option or value is a usage error with a hint, not a traceback of mrjob."""
    done = run(argument, "in.json", code=2)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr


def test_too_many_rejects(bad: Path, tmp_path: Path) -> None:
    """If more records are rejected than are tolerated, only the rejects are published, and the earlier output stays."""
    output = tmp_path / "out.json"
    output.write_text("old")
    done = run("-r", "local", "--model", MODEL, bad, "--output", output, "--max_errors", 3, code=65)
    assert "4 of 6 records were rejected, 3 are tolerated; nothing was published" in done.stderr
    assert "record 2 of" in done.stderr
    assert output.read_text() == "old"
    assert len((tmp_path / "out.rejects.ldjson").read_text().splitlines()) == 4
    assert not (tmp_path / "out.log.ldjson").exists()
    run("-r", "local", "--model", MODEL, bad, "--output", output, "--max_errors", 4)
    assert len(output.read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("Elsewhere", "cannot load the model mapreduce_models:Elsewhere: OSError: libgomp.so.1"),
        ("Dying", "a task of the job died: Step 1 of 1 failed"),
    ],
)
def test_trouble_on_workers(tmp_path: Path, model: str, message: str) -> None:
    """A model that fails or dies only on a worker ends the job with the cause, and nothing is published."""
    output = tmp_path / "out.json"
    done = run("-r", "local", "--model", f"mapreduce_models:{model}", "data/input.json", "--output", output, code=69)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert "nothing was published" in done.stderr
    assert not list(tmp_path.iterdir())


def test_stopped(tmp_path: Path) -> None:
    """A signal ends the job and its tasks, and no file is left behind."""
    (tmp_path / "tmp").mkdir()
    command = ["-m", "model_etl.engines.mapreduce", "-r", "local", "--model", "mapreduce_models:Slow"]
    environment = {**ENVIRONMENT, "TMPDIR": str(tmp_path / "tmp")}
    process = subprocess.Popen(
        [sys.executable, *command, "data/input.json", "--output", tmp_path / "out.json"],
        env=environment, cwd=ROOT, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not list(tmp_path.glob("tmp/*/*/step/000/mapper/*/stderr")):
        assert process.poll() is None
        time.sleep(0.1)
    time.sleep(1)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=20)[1].startswith("model-etl: error: stopped by SIGTERM; nothing was published")
    assert process.returncode == 143
    assert [path.name for path in tmp_path.iterdir()] == ["tmp"]
    assert not list((tmp_path / "tmp").iterdir())
    time.sleep(0.5)
    assert str(tmp_path) not in "".join(_environments())


def _environments() -> Iterator[str]:
    for folder in os.listdir("/proc"):
        if folder.isdecimal():
            try:
                with open(f"/proc/{folder}/environ", "rb") as file:
                    yield os.fsdecode(file.read())
            except OSError:
                continue


def test_python_too_new(tmp_path: Path) -> None:
    """A Python version that mrjob does not support is reported in one message."""
    (tmp_path / "pipes.py").write_text("raise ModuleNotFoundError(\"No module named 'pipes'\")")
    path = f"{tmp_path}{os.pathsep}{ENVIRONMENT['PYTHONPATH']}"
    jobs = (["engines/mapreduce/job.py"], ["engines/mapreduce/counting.py"])
    for command in (["-m", "model_etl.engines.mapreduce"], *jobs):
        done = run("--model", IRIS, "data/input.json", code=78, command=command, PYTHONPATH=path)
        assert done.stderr.startswith("model-etl: error: mrjob cannot be imported by Python 3.")


@pytest.mark.parametrize("runner", ["inline", "local", "hadoop", "emr"])
def test_example_settings(runner: str) -> None:
    """The example file of mrjob's settings holds only settings that the runner knows."""
    (_, settings), *_ = load_opts_from_mrjob_confs(runner, [str(ROOT / "engines" / "mapreduce" / "mrjob.conf")])
    assert set(settings) <= _runner_class(runner).OPT_NAMES


@pytest.mark.parametrize(
    ("attempt", "limit", "last"),
    [
        ("attempt_1795202441522_0001_m_000000_0", "4", False),
        ("attempt_1795202441522_0001_m_000000_3", "4", True),
        ("attempt_1795202441522_0001_m_000000_0", "1", True),
        ("attempt_local1234_0001_m_000000_0", "4", True),
        ("attempt_job.me.20261120.185215.000000_mapper_00000_0", None, True),
    ],
)
def test_last_attempt(attempt: str, limit: str | None, last: bool) -> None:
    """A task reports the cause of its failure in its last attempt."""
    environment = {"mapreduce_task_attempt_id": attempt, **({"mapreduce_map_maxattempts": limit} if limit else {})}
    assert is_last_attempt(environment) is last


@pytest.mark.parametrize(
    ("lines", "counters", "message"),
    [
        ([b'tally\t{"task":0,"counts":{"written":1}}'], {}, "1 of 2 tasks"),
        ([b'tally\t{"task":0,"counts":{"written":1}}'] * 2, {}, "2 of 2 tasks"),
        ([b'tally\t{"task":0,"counts":{"written":1}}', b'tally\t{"task":1,"counts":{}}'], {}, "0 lines of output"),
        ([b'tally\t{"task":0,"counts":{}}', b'tally\t{"task":1,"counts":{}}'], {"read": 7}, "the counters {'read': 7}"),
    ],
)
def test_lost(lines: list[bytes], counters: Mapping[str, int], message: str) -> None:
    """Results that a task lost or reported twice are detected."""
    results = JobResults({})
    results.route_lines(lines)
    with pytest.raises(ModelEtlError, match=re.escape(message)):
        results.check(2, counters, logged=False, counting=False)
