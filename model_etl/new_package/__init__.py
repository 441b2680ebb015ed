"""`model-etl init`: write the package of a model of one's own."""
