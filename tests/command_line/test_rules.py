"""Business rules, through the command line."""

from __future__ import annotations

from helpers.command import Etl


def test_a_rule_before_the_model_keeps_records_from_it(etl: Etl) -> None:
    """The model would fail on a withheld record, but never sees it; it is logged and counted, not published."""
    etl.write("in.json", [{"x": 1.0, "province": "ON"}, {"x": -1.0, "province": "QC"}, {"x": 3.0}])
    run = etl("-i", "in.json", "-o", "out.json", "-m", "generations:Duck", "--rules", "business:NotInQuebec", "-v")
    assert run.code == 0
    assert "3 read = 2 written + 0 rejected + 1 withheld" in run.err
    assert etl.lines("out.json") == [{"y": 2.0}, {"y": 6.0}]
    event = etl.lines("out.log.ldjson")[2]
    assert event["type"] == "model_etl.prediction.withheld"
    assert event["data"] == {
        "position": 2,
        "input": {"x": -1.0, "province": "QC"},
        "rules": [{"rule": "business:NotInQuebec", "answer": "withhold", "messages": ["no automated decisions in QC"]}],
    }


def test_rules_after_the_model_see_its_prediction_and_version(etl: Etl) -> None:
    """They may withhold it, replace it or let it pass; what was replaced stays in the log."""
    etl.write("in.json", [{"x": 1.0}, {"x": 30.0}, {"x": 60.0}])
    rules = ("--rules", "business:NoGiants", "--rules", "business:AtLeastTen")
    run = etl("-i", "in.json", "-o", "out.json", "-m", "generations:Fast", *rules)
    assert (run.code, run.err) == (0, "")
    assert etl.lines("out.json") == [{"y": 10.0}, {"y": 60.0}]
    one, two, three = (event["data"] for event in etl.lines("out.log.ldjson")[1:])
    assert one["output"] == {"y": 10.0}
    assert one["rules"] == [
        {"rule": "business:NoGiants", "answer": "allow", "messages": ["small enough"]},
        {
            "rule": "business:AtLeastTen",
            "answer": "replace",
            "messages": ["raised to the minimum"],
            "replaced": {"y": 2.0},
        },
    ]
    assert [rule["answer"] for rule in two["rules"]] == ["allow", "allow"]
    assert three["output"] == {"y": 120.0}
    assert three["internals"] == {"factor": 2, "x": 60.0}
    assert three["rules"][-1]["messages"] == ["120.0 of fast 3"]


def test_rules_run_before_or_after_the_model_by_their_own_word(etl: Etl) -> None:
    """The order of --rules does not move a rule across the model."""
    etl.write("in.json", [{"x": -1.0, "province": "QC"}, {"x": 100.0}, {"x": 2.0}])
    rules = ("--rules", "business:NoGiants", "--rules", "business:NotInQuebec")
    run = etl("-i", "in.json", "-o", "out.json", "-m", "generations:Duck", *rules)
    assert run.code == 0, run.err
    assert etl.lines("out.json") == [{"y": 4.0}]
