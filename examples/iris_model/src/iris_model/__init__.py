"""Predicts the species of an iris flower; the model class is ``iris_model.iris_predict:IrisModel``."""

# Nothing is imported here, so that the version can be read without loading numpy or the model.
__version__ = "1.0.0"
