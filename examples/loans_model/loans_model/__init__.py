"""Predicts whether a loan is repaid; the model class is ``loans_model.model:LoanModel``.

The model is an example: the loans it learnt from are synthetic, made by ``loans_model.synthetic``.
"""

# Nothing is imported here, so that the version can be read without loading pandas or scikit-learn.
__version__ = "1.0.0"
