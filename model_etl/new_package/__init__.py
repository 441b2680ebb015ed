"""`model-etl init`: write the package of a model of your own."""
