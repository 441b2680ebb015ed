"""Models that are files of a library (ONNX, scikit-learn, XGBoost, LightGBM, MLflow) as ordinary models.

`load_artefact` builds an object with the attributes of MLModel and `predict_frame`, so that nothing else needs to know
where a model comes from. A kind of artefact is a module here and a line in `kinds.KINDS`.
"""
