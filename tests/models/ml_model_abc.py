"""The older generation's base class, with the attributes that its articles describe; the package is not on PyPI."""

from abc import ABC, abstractmethod


class MLModel(ABC):
    """A model with two version numbers, `schema.Schema` objects, and dicts in and out."""

    display_name: str
    qualified_name: str
    description: str
    major_version: int
    minor_version: int

    @abstractmethod
    def predict(self, data: dict) -> dict:
        """Predict one record."""


class MLModelSchemaValidationException(Exception):
    """A model does not accept its input."""
