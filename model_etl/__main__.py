"""``python -m model_etl``: the same as the installed ``model-etl`` command."""

import sys

from model_etl.cli import main

if __name__ == "__main__":
    sys.exit(main())
