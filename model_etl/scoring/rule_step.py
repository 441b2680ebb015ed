"""BusinessRuleTransformer: the step that applies one business rule to a batch."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import get_args

import msgspec

from model_etl.errors import (
    RUN_ENDING_EXCEPTIONS,
    ConfigurationError,
    Interrupted,
    ModelTimedOut,
    RecordError,
    UsageError,
    describe_exception,
    encodable,
)
from model_etl.records.batch import Answer, Batch, Decision, Verdict, Withheld
from model_etl.records.strict_json import decode_document
from model_etl.rules import BusinessRule, Prediction
from model_etl.runtime.home_thread import in_home_thread
from model_etl.scoring.faults import FirstBatch, describe_frames, is_interrupt, position_of, run_ending_exceptions
from model_etl.scoring.model import Model
from model_etl.scoring.model_loading import load_class


class BusinessRuleTransformer:
    """The step that applies one rule to a batch; a plain callable, and a node of a Bonobo graph.

    Args:
        rule: a `BusinessRule`, or any object with the same attributes.
        name: the rule's name in the prediction log.
        model: the model whose predictions the rule sees.
        judged: whether a first batch that fails as a whole is a fault of the rule; see `FirstBatch`.
    """

    def __init__(self, rule: BusinessRule, name: str, model: Model, *, judged: bool = False) -> None:
        self.rule = rule
        self.name = name
        self.model = model
        self._code = f"the rule {name}"
        self._first_batch = FirstBatch(self._code, judged=judged)
        self.before_model: bool = getattr(rule, "when", "after_model") == "before_model"

    def __call__(self, data: Batch) -> Iterator[Batch]:
        """Yield the batch with the rule's decisions applied."""
        yield in_home_thread(self.apply, data, lambda: f"{self._code}, at {data.record_range}")

    def apply(self, batch: Batch) -> Batch:
        """Return the batch with the rule's decisions applied: withheld records and failures leave it.

        A record for which the rule fails becomes a rejection of stage "rule".
        """
        with run_ending_exceptions(self._code, batch):
            decided = self._decide_all(batch)
        ruled = batch.replace(answers=decided.answers)
        rejected = [ruled.rejection(index, error) for index, error in decided.failed.items()]
        withheld = _withheld(ruled, decided.withheld)
        if batch.outputs:
            ruled = ruled.replace(outputs=decided.outputs)
        return _select_others(ruled, {*decided.withheld, *decided.failed}).replace(
            rejected=(*batch.rejected, *rejected), withheld=(*batch.withheld, *withheld)
        )

    def _decide_all(self, batch: Batch) -> _Decided:
        decided = _Decided(outputs=list(batch.outputs), answers=[], withheld=[], failed={})
        for index, document in enumerate(batch.documents):
            output = batch.outputs[index] if batch.outputs else None
            earlier = batch.answers[index] if batch.answers else ()
            try:
                decision = self._decide(document, output)
                replaced = None
                if decision.verdict == "replace":
                    decided.outputs[index] = self.model.output.encode(decision.output, "rule")
                    replaced = output
            except RecordError as exc:
                decided.failed[index] = exc
                self._first_batch.accuse(exc, exc.__cause__ or exc, batch)
                decided.answers.append(earlier)
                continue
            if self._first_batch.open:
                self._first_batch.acquit()
            decided.answers.append((*earlier, Answer(self.name, decision, replaced)))
            if decision.verdict == "withhold":
                decided.withheld.append(index)
        return decided

    def _decide(self, document: bytes, output: bytes | None) -> Decision:
        prediction = None
        if output is not None:
            prediction = Prediction(msgspec.json.decode(output), self.model.name, self.model.version)
        try:
            decision = self.rule.decide(decode_document(document), prediction)
        except RUN_ENDING_EXCEPTIONS:
            raise
        except BaseException as exc:
            if is_interrupt(exc):
                raise
            raise RecordError("rule", type(exc).__name__, f"{self.name}: {exc}", position_of(exc)) from exc
        problem = _problem(decision, prediction)
        if problem:
            raise RecordError("rule", "InvalidDecision", f"{self.name}: {problem}")
        if type(decision) is not Decision:  # the run, which may be another process, need not know the rule's own class
            return Decision(decision.verdict, decision.messages, decision.output)
        return decision


@dataclass(frozen=True)
class _Decided:
    """The decisions on all records of a batch.

    Attributes:
        outputs: the outputs, some of them replaced; empty before the model.
        answers: for each record, the answers of all rules so far.
        withheld: indices of the records that the rule withholds.
        failed: the errors of the records for which the rule failed, by index.
    """

    outputs: list[bytes]
    answers: list[tuple[Answer, ...]]
    withheld: list[int]
    failed: dict[int, RecordError]


def _withheld(batch: Batch, indices: Sequence[int]) -> list[Withheld]:
    return [
        Withheld(
            source=batch.source,
            position=batch.positions[index],
            offset=batch.offsets[index],
            document=batch.documents[index],
            output=batch.outputs[index] if batch.outputs else None,
            internals=batch.internals[index] if batch.internals else None,
            answers=batch.answers[index],
        )
        for index in indices
    ]


def _select_others(batch: Batch, excluded: Collection[int]) -> Batch:
    if not excluded:
        return batch
    return batch.select([index not in excluded for index in range(len(batch))])


def _problem(decision: object, prediction: Prediction | None) -> str | None:
    """Return what is wrong with a decision, or None: a rule is any object and may return anything."""
    if not isinstance(decision, Decision):
        return f"decide() returned {type(decision).__name__}, not a Decision"
    if decision.verdict not in get_args(Verdict):
        return f"the verdict is {decision.verdict!r}, not one of {', '.join(get_args(Verdict))}"
    if not all(isinstance(message, str) for message in decision.messages):
        return "the messages of a decision must be strings"
    if any(message != encodable(message) for message in decision.messages):
        return "a message contains characters that UTF-8 cannot encode (lone surrogates)"
    if decision.verdict == "replace" and prediction is None:
        return "a rule before the model has no output to replace"
    return None


def load_rule(reference: str, model: Model, *, judged: bool = False) -> BusinessRuleTransformer:
    """Import and construct a rule.

    Args:
        reference: `package.module:ClassName`.
        model: the model whose predictions the rule sees.
        judged: whether a first batch that fails as a whole is a fault of the rule.

    Raises:
        UsageError: if the reference is malformed.
        ConfigurationError: if the rule cannot be loaded or is not a business rule.
    """
    try:
        rule = load_class(reference)()
    except UsageError:
        raise
    except (Interrupted, ModelTimedOut):
        raise
    except BaseException as exc:
        if is_interrupt(exc):
            raise
        raise ConfigurationError(
            f"cannot load the rule {reference}: {describe_exception(exc)}{describe_frames(exc)}",
            "Check the name passed to --rules, and that its package is installed.",
        ) from exc
    when = getattr(rule, "when", "after_model")
    if not callable(getattr(rule, "decide", None)) or when not in ("before_model", "after_model"):
        raise ConfigurationError(
            f"{reference} is not a business rule",
            'It needs a method decide(record, prediction), and `when` must be "before_model" or "after_model".',
        )
    return BusinessRuleTransformer(rule, reference, model, judged=judged)
