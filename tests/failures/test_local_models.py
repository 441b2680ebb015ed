"""Models and business rules that cannot be loaded, raise, exit or return what they must not."""

from __future__ import annotations

from typing import Any

from case import REJECTS_FILE, Case, check, table
from helpers.records import BAD, POSITION
from local_place import LocalPlace, fails, succeeds

NO_MODEL = "cannot load the model"
DESCRIBE = "model-etl describe"


def model(name: str) -> dict[str, Any]:
    """Name the model of a case."""
    return {"model": name if ":" in name else f"failing_models:{name}"}


LOADING = [
    fails("no module", 69, NO_MODEL, "No module named 'nowhere'", "Install the package", **model("nowhere:Model")),
    fails("no class", 69, NO_MODEL, "has no attribute 'Nobody'", "class name", **model("Nobody")),
    fails("no colon", 2, "does not name a class", "package.module:ClassName", model="failing_models.Good"),
    fails("no MLModel", 69, "is not an MLModel: it lacks qualified_name", **model("NoModel")),
    fails("import raises", 69, NO_MODEL, "RuntimeError: no licence", DESCRIBE, **model("failing_in_import:Model")),
    fails("init raises", 69, NO_MODEL, "weights.bin", DESCRIBE, **model("RaisesInInit")),
    fails("version is None", 69, r"not an MLModel: it lacks version \(it is None\)", **model("VersionIsNone")),
    fails("init exits", 69, NO_MODEL, "SystemExit", DESCRIBE, **model("ExitsInInit")),
    fails(
        "another version",
        69,
        "has version 1.0.0, but 2.0.0 is expected",
        "--expect_version",
        arguments=("--expect_version", "2.0.0"),
    ),
]


@table(LOADING)
def test_a_model_that_cannot_be_loaded(case: Case, local: LocalPlace) -> None:
    """A run whose model cannot be loaded exits with 69, before it reads anything."""
    check(case, local)


RAISED = {
    "Raises": "predict: ValueError: x is out of range",
    "RaisesInBatch": "predict: ValueError: x is out of range",
    "RaisesOSError": r"predict: OSError: \[Errno 5\] Input/output error",
    "Panics": "predict: PanicException: index out of bounds",
    "PanicsInBatch": "predict: PanicException: index out of bounds",
    "IsCancelled": "predict: CancelledError",
    "Interrupts": "predict: KeyboardInterrupt",
    "Recurses": "predict: RecursionError: maximum recursion",
    "wrong_answers:ReturnsNone": "output_schema: ",
    "wrong_answers:ReturnsNaN": "output_schema: ",
    "wrong_answers:ReturnsInfinity": "output_schema: ",
    "wrong_answers:ReturnsText": "output_schema: ",
    "wrong_answers:ReturnsOther": "output_schema: ",
    "wrong_answers:ReturnsObject": "output_schema: ",
    "wrong_answers:ReturnsSet": "output_schema: ",
    "wrong_answers:ReturnsSurrogate": "output_schema: ",
    "wrong_answers:ReturnsItself": "output_schema: ",
    "RaisesInSchema": "input_schema: KeyError",
}
AT_EVERY_POSITION = {"Raises", "RaisesInBatch", "wrong_answers:ReturnsNaN"}
AT_FAULT = {
    "RaisesMemoryError": r"raised MemoryError at records 1 to 3 of in\.json",
    "Exits": r"raised SystemExit: 0 at records 1 to 3 of in\.json",
    "ExitsInBatch": r"raised SystemExit: 0 at records 1 to 3 of in\.json",
    "ExitsInSchema": r"the input schema of .* raised SystemExit: 0 at records 1 to 3 of in\.json",
}
WRONG_BATCH = {
    "wrong_answers:BatchTooShort": "the model returned 2 outputs for 3 records",
    "wrong_answers:BatchTooLong": "the model returned 4 outputs for 3 records",
    "wrong_answers:BatchNone": "the model returned NoneType",
    "wrong_answers:BatchDict": "the model returned dict",
}

PREDICTING = [
    *(
        fails(
            f"{name} at the {which} record",
            65,
            f"record {POSITION[which]} of in.json, {said}",
            "--max_errors",
            input=BAD[which],
            changed=REJECTS_FILE,
            **model(name),
        )
        for name, said in RAISED.items()
        for which in (BAD if name in AT_EVERY_POSITION else ("middle",))
    ),
    *(
        fails(f"{name} at the middle record", 69, said, input=BAD["middle"], **model(name))
        for name, said in AT_FAULT.items()
    ),
    *(fails(name, 69, f"records 1 to 3 of in.json: {said}", **model(name)) for name, said in WRONG_BATCH.items()),
    succeeds("a generator of outputs", **model("GoodGenerator")),
    *(
        succeeds(
            f"{name} beside data",
            input=BAD["middle"],
            output_file="-",
            changed=(),
            **model(name),
            stdout=b'{"y":1.0}\n{"y":1.0}\n{"y":3.0}\n',
        )
        for name in ("Prints", "PrintsInBatch")
    ),
    succeeds("leaves a thread", **model("LeavesThread")),
]


@table(PREDICTING)
def test_a_model_that_fails(case: Case, local: LocalPlace) -> None:
    """A record at which the model fails is a reject that names its position and what was raised."""
    check(case, local)


NO_RULE = "cannot load the rule failing_rules:"
DECIDED = {
    "Raises": "KeyError: failing_rules:Raises: 'province'",
    "RaisesBefore": "KeyError: failing_rules:RaisesBefore: 'province'",
    "ReturnsNone": "InvalidDecision: .*returned NoneType",
    "ReturnsBool": "InvalidDecision: .*returned bool",
    "RubbishVerdict": "InvalidDecision: .*perhaps",
    "RubbishMessages": "InvalidDecision: .*must be strings",
    "ReplacesBefore": "InvalidDecision: .*no output to replace",
    "ReplacesBadly": "ValidationError",
    "ReplacesByNaN": "",
    "ReplacesByNothing": "",
}


def rule(name: str) -> dict[str, Any]:
    """Name the rule of a case."""
    return {"arguments": ("--rules", f"failing_rules:{name}")}


RULES = [
    fails(
        "a rule that exits",
        69,
        r"the rule failing_rules:Exits raised SystemExit: 0 at records 1 to 3 of in\.json",
        input=BAD["middle"],
        **rule("Exits"),
    ),
    fails("no rule", 78, f"{NO_RULE}Nobody", "has no attribute", "--rules", **rule("Nobody")),
    fails("rule's init raises", 78, f"{NO_RULE}RaisesInInit: RuntimeError: no list", **rule("RaisesInInit")),
    fails("rule's init exits", 78, f"{NO_RULE}ExitsInInit: SystemExit", **rule("ExitsInInit")),
    fails("a class that is no rule", 78, "NoRule is not a business rule", "decide", **rule("NoRule")),
    fails("a rule for no moment", 78, "WrongWhen is not a business rule", "before_model", **rule("WrongWhen")),
    *(
        fails(
            f"rule {name} at the {which} record",
            65,
            f"record {POSITION[which]} of in.json, rule: {said}",
            input=BAD[which],
            changed=REJECTS_FILE,
            **rule(name),
        )
        for name, said in DECIDED.items()
        for which in (BAD if name == "Raises" else ("middle",))
    ),
]


@table(RULES)
def test_a_rule_that_fails(case: Case, local: LocalPlace) -> None:
    """A rule that cannot be loaded ends the run with 78; a record at which it fails is a reject."""
    check(case, local)
