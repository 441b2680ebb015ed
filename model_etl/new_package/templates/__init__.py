"""The files of a new package, with placeholders."""
