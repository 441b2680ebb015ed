"""What a user says about an artefact beside its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from model_etl.artefacts.names import PICKLES, ArtefactName
from model_etl.errors import ConfigurationError

Output = Literal["prediction", "probability"]


@dataclass(frozen=True)
class ArtefactOptions:
    """What a user says about an artefact; small and picklable.

    Attributes:
        trust: types that a skops file may contain, beside those that skops trusts.
        trust_pickle: the SHA-256 of a file whose code may run when it is loaded, or None.
        schema: path of a JSON Schema of the records, or None.
        outputs: what the model returns: "prediction", "probability".
        fetched: path of the local copy of an artefact that lies elsewhere, or None.
    """

    trust: tuple[str, ...] = ()
    trust_pickle: str | None = None
    schema: str | None = None
    outputs: tuple[str, ...] = ("prediction",)
    fetched: str | None = None

    def check(self, name: ArtefactName | None, reference: str) -> None:
        """Check that the options have a meaning for a model.

        Args:
            name: of the artefact, or None for a class.
            reference: the model as the user named it.

        Raises:
            ConfigurationError: if one has none, because a restriction must not be ignored.
        """
        if name is None:
            defaults = ArtefactOptions()
            for option in ("schema", "trust", "trust_pickle", "outputs"):
                if getattr(self, option) != getattr(defaults, option):
                    raise ConfigurationError(
                        f"--{option} has no meaning for {reference}, which is a class and has schemas of its own",
                        f"Leave --{option} out, or name a file as model: docs/models.md.",
                    )
            return
        suffixes = (".skops", *PICKLES)
        if self.trust and (name.scheme not in ("sklearn", "mlflow") or name.location.lower().endswith(PICKLES)):
            raise ConfigurationError(
                f"--trust has no meaning for {reference}: it is for files of skops", "Leave --trust out."
            )
        runs_code = name.scheme == "mlflow" or (
            name.scheme == "sklearn" and not name.location.lower().endswith(".skops")
        )
        if self.trust_pickle and not runs_code:
            raise ConfigurationError(
                f"--trust_pickle has no meaning for {reference}: loading it runs no code", "Leave --trust_pickle out."
            )
        if name.scheme == "sklearn" and not name.location.lower().endswith(suffixes):
            raise ConfigurationError(
                f"{reference} is not a known file of scikit-learn: its suffix is not one of {', '.join(suffixes)}",
                "Rename it to what it is.",
            )
