"""BusinessRuleTransformer: the step that applies one business rule to a batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import msgspec

from model_etl.errors import ConfigurationError, RecordError, UsageError, printable
from model_etl.records.batch import Answer, Batch, Decision, Verdict, Withheld
from model_etl.rules import Prediction
from model_etl.scoring.model import Model, describe_exception, load_class


class BusinessRuleTransformer:
    """The step that applies one rule to a batch; a plain callable that knows nothing of Bonobo.

    Args:
        rule: an object with `when` and `decide`.
        name: how the log names it.
        model: the model whose predictions it judges.
    """

    def __init__(self, rule: Any, name: str, model: Model) -> None:
        self.rule = rule
        self.name = name
        self.model = model
        self.before_model: bool = getattr(rule, "when", "after_model") == "before_model"

    def __call__(self, data: Batch) -> Iterator[Batch]:
        """Yield the batch without what the rule withholds, and with its answers."""
        yield self.apply(data)

    def apply(self, batch: Batch) -> Batch:
        """Ask the rule about each record; a record for which it fails becomes a rejection of stage "rule"."""
        failed: dict[int, RecordError] = {}
        outputs = list(batch.outputs)
        answers: list[tuple[Answer, ...]] = []
        held: list[int] = []
        for index, document in enumerate(batch.documents):
            earlier = batch.answers[index] if batch.answers else ()
            try:
                decision = self._decide(document, batch.outputs[index] if batch.outputs else None)
                replaced = None
                if decision.verdict == "replace":
                    replaced, outputs[index] = outputs[index], self.model.output.encode(decision.output, "rule")
            except RecordError as exc:
                failed[index] = exc
                answers.append(earlier)
                continue
            answers.append((*earlier, Answer(self.name, decision, replaced)))
            if decision.verdict == "withhold":
                held.append(index)
        ruled = batch.replace(answers=answers)
        withheld = [
            Withheld(
                source=batch.source,
                position=batch.positions[i],
                offset=batch.offsets[i],
                document=batch.documents[i],
                output=batch.outputs[i] if batch.outputs else None,
                internals=batch.internals[i] if batch.internals else None,
                answers=answers[i],
            )
            for i in held
        ]
        gone = {*held, *failed}
        kept = [i not in gone for i in range(len(batch))]
        rejected = [ruled.rejection(i, e) for i, e in failed.items()]
        result = ruled.replace(outputs=outputs if batch.outputs else ())
        return (result.select(kept) if gone else result).replace(
            rejected=(*batch.rejected, *rejected), withheld=(*batch.withheld, *withheld)
        )

    def _decide(self, document: bytes, output: bytes | None) -> Decision:
        prediction = None
        if output is not None:
            prediction = Prediction(msgspec.json.decode(output), self.model.name, self.model.version)
        try:
            decision = self.rule.decide(msgspec.json.decode(document), prediction)
        except (Exception, SystemExit) as exc:
            raise RecordError("rule", type(exc).__name__, f"{self.name}: {exc}") from exc
        problem = _problem(decision, prediction)
        if problem:
            raise RecordError("rule", "InvalidDecision", f"{self.name}: {problem}")
        return decision  # type: ignore[no-any-return]  # checked by _problem


def _problem(decision: Any, prediction: Prediction | None) -> str | None:
    if not isinstance(decision, Decision):
        return f"decide() returned {type(decision).__name__}, not a Decision"
    if decision.verdict not in get_args(Verdict):
        return f"the verdict is {decision.verdict!r}, not one of {', '.join(get_args(Verdict))}"
    if not all(isinstance(message, str) for message in decision.messages):
        return "the messages of a decision must be strings"
    if any(message != printable(message) for message in decision.messages):
        return "a message holds characters that are no text (lone surrogates)"
    if decision.verdict == "replace" and prediction is None:
        return "a rule before the model has no output to replace"
    return None


def load_rule(reference: str, model: Model) -> BusinessRuleTransformer:
    """Import and construct a rule.

    Raises:
        ConfigurationError: if it cannot be loaded or is no rule.
    """
    try:
        rule = load_class(reference)()
    except UsageError:
        raise
    except (Exception, SystemExit) as exc:
        raise ConfigurationError(
            f"cannot load the rule {reference}: {describe_exception(exc)}",
            "Check the name given to --rules, and that it is installed.",
        ) from exc
    when = getattr(rule, "when", "after_model")
    if not callable(getattr(rule, "decide", None)) or when not in ("before_model", "after_model"):
        raise ConfigurationError(
            f"{reference} is no business rule",
            'It needs a method decide(record, prediction), and `when` must be "before_model" or "after_model".',
        )
    return BusinessRuleTransformer(rule, reference, model)
