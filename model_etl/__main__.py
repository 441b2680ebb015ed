"""``python -m model_etl``: the same as the installed ``model-etl`` command."""

from model_etl.cli import command

if __name__ == "__main__":
    command()
