"""An artefact as an ordinary model: the attributes of MLModel, schemas, `predict` and `predict_frame`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from model_etl.artefacts.fields import FieldSpec, schema_class
from model_etl.artefacts.file import ArtefactFile
from model_etl.artefacts.predictor import Predictor
from model_etl.errors import ConfigurationError
from model_etl.frames.frame_builder import FrameBuilder

_VERSION_DIGITS = 16
"""How many digits of the SHA-256 are the version of an artefact, which is part of each event of the log."""
_TYPE_NAMES = {str: "string", int: "integer", float: "number", bool: "boolean"}


class ArtefactModel:
    """A model of the current generation whose schemas and predictions come from an artefact.

    Args:
        scheme: of the artefact's name, for the description.
        artefact: the file.
        predictor: the loaded artefact.
        fields: the fields of the records.
        outputs: what it returns: "prediction", "probability".
        closed: whether records with other fields are refused.

    Attributes:
        artefact: what identifies the artefact, for evidence.

    Raises:
        ConfigurationError: if it has no such output.
    """

    def __init__(
        self,
        scheme: str,
        artefact: ArtefactFile,
        predictor: Predictor,
        fields: Sequence[FieldSpec],
        outputs: Sequence[str],
        *,
        closed: bool = False,
    ) -> None:
        stem = artefact.path.resolve().name
        stem = stem.partition(".")[0] or stem
        self.display_name = stem
        self.qualified_name = re.sub(r"[^A-Za-z0-9_.-]+", "_", stem)
        self.description = f"A model of {predictor.library}, from {artefact.reference}."
        self.version = artefact.sha256[:_VERSION_DIGITS]
        self.package_version = predictor.library
        self.artefact: Mapping[str, Any] = {
            "kind": scheme,
            "library": predictor.library,
            "bytes": artefact.size,
            "sha256": artefact.sha256,
        }
        self._predict = predictor.predict
        self._probability = "probability" in outputs
        self._with_prediction = "prediction" in outputs
        self._classes = tuple(map(str, predictor.classes)) if self._probability else ()
        self._names = [field.name for field in fields]
        self._read = [field.name for field in fields if not field.unread]
        self.frame = predictor.frame
        self.input_schema = schema_class("Input", fields, closed=closed)
        self.output_schema = schema_class("Output", self._output_fields(artefact, predictor))
        self._builder = FrameBuilder(self.input_schema, self.frame)

    def _output_fields(self, artefact: ArtefactFile, predictor: Predictor) -> list[FieldSpec]:
        fields = []
        if self._with_prediction:
            fields.append(FieldSpec("prediction", _TYPE_NAMES[predictor.prediction]))
        if self._probability and not predictor.classes:
            raise ConfigurationError(
                f"--outputs asks for probabilities, but {artefact.reference} has none: {predictor.no_probability}",
                "Leave probability out of --outputs.",
            )
        return [*fields, *(FieldSpec(f"probability_{name}", "number") for name in self._classes)]

    def predict(self, data: Any) -> Any:
        """Predict one record, an instance of the input schema."""
        answer = self.predict_frame(self._builder.of_records([data]))
        return {name: getattr(column[0], "item", lambda value=column[0]: value)() for name, column in answer.items()}

    def predict_frame(self, frame: Any) -> Mapping[str, Any]:
        """Predict a frame of records."""
        if hasattr(frame, "rename_columns"):
            frame = frame.rename_columns(self._names)
        else:
            frame.columns = self._names  # fields whose names are not identifiers have others in the class
        if len(self._read) < len(self._names):
            frame = frame.select(self._read) if hasattr(frame, "rename_columns") else frame[self._read]
        prediction, probabilities = self._predict(frame, self._probability)
        answer = {"prediction": prediction} if self._with_prediction else {}
        for number, name in enumerate(self._classes):
            answer[f"probability_{name}"] = probabilities[:, number]
        return answer
