"""Decorators of ml_base (`MLModelDecorator`) around a model.

A decorator forwards what it does not define to the model that it wraps. That is right for names and schemas. It would
be wrong for `predict_batch` and its kind, which would then go past a decorator that changes `predict` alone. So a
decorator has those of its own only, unless it changes nothing of predicting.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from model_etl.errors import RUN_ENDING_EXCEPTIONS, ModelUnavailable, UsageError, describe_exception
from model_etl.scoring.faults import describe_frames, is_interrupt
from model_etl.scoring.model import Model

Configurations = Mapping[str, Mapping[str, Any]]
"""The configurations of decorators by their references `package.module:Class`, in the order of wrapping."""

_SAME_BELOW = ("predict_columns", "predict_frame", "predict_batch_with_internals")
_BATCH_METHODS = ("predict_batch", *_SAME_BELOW)


def decorate(model: Any, reference: str, decorators: Configurations, load_class: Callable[[str], Any]) -> Any:
    """Return a model with decorators around it; the first is the innermost.

    Args:
        model: an instance of a model.
        reference: the model as the user named it.
        decorators: the decorators.
        load_class: imports the class that a reference names.

    Raises:
        UsageError: if the name of a decorator is malformed.
        ModelUnavailable: if a decorator cannot be loaded, or cannot wrap the model.
    """
    for name, configuration in decorators.items():
        try:
            model = _wrapped(model, reference, load_class(name), configuration)
        except (UsageError, *RUN_ENDING_EXCEPTIONS):
            raise
        except BaseException as exc:
            if is_interrupt(exc):
                raise
            raise ModelUnavailable(
                f"cannot wrap the model {reference} in the decorator {name}: {describe_exception(exc)}"
                f"{describe_frames(exc)}",
                _remedy_for(exc, name),
            ) from exc
    return model


def _wrapped(model: Any, reference: str, decorator_class: Any, configuration: Mapping[str, Any]) -> Any:
    from ml_base import MLModel, MLModelDecorator  # noqa: PLC0415  only decorators need it

    if not (isinstance(decorator_class, type) and issubclass(decorator_class, MLModelDecorator)):
        raise TypeError("it is not an MLModelDecorator of ml_base")
    parameter = inspect.signature(decorator_class).parameters.get("model")
    needs_model = parameter is not None and parameter.default is inspect.Parameter.empty
    decorator = decorator_class(**configuration, **({"model": model} if needs_model else {}))
    if isinstance(model, MLModel):
        decorator.set_model(model)
    else:  # an artefact, a model of the older generation or one that only has the attributes
        decorator.__dict__["_model"] = model
    base = set(MLModelDecorator.__mro__)
    own = {name for cls in type(decorator).__mro__ if cls not in base for name in vars(cls)}
    if own.isdisjoint(("predict", *_BATCH_METHODS)):
        return decorator
    hidden = {name for name in _BATCH_METHODS if name not in own}
    hidden |= {name for name in _SAME_BELOW if not callable(getattr(model, name, None))}
    decorator.__dict__.update(dict.fromkeys(hidden))
    if "predict_batch" in own and not callable(getattr(model, "predict_batch", None)):
        model.__dict__["predict_batch"] = _batch_method(model, reference)
    return decorator


def _batch_method(model: Any, reference: str) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """Return `predict_batch` for a model that lacks it, so that each decorator can call it."""
    wrapped = Model(model, reference)
    if wrapped.takes_batches:
        return lambda records: list(wrapped.predict_batch(records, internals=False)[0])
    return lambda records: [model.predict(record) for record in records]


def _remedy_for(exc: BaseException, name: str) -> str:
    if isinstance(exc, ModuleNotFoundError):
        return f"Install the package into the environment of {sys.executable}, or correct the name."
    if isinstance(exc, TypeError):
        return f'Check the configuration under [decorators."{name}"] in the --config file: it is passed by name.'
    return "Check the decorator and its configuration; docs/extending.md describes them."
