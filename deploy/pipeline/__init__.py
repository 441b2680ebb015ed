"""The steps of the nightly pipeline beyond `model-etl run`: prepare, train, evaluate, publish; and example data.

Each is a command, `python -m pipeline.prepare` for one, with the exit codes of model-etl.
"""
