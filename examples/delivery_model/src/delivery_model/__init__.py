"""Predicts how long a delivery takes; the model class is ``delivery_model.predict:DeliveryTimeModel``.

The model is an example: the data it learnt from are synthetic, made by ``delivery_model.synthetic``.
"""

# Nothing is imported here, so that the version can be read without loading numpy or the model.
__version__ = "1.0.0"
