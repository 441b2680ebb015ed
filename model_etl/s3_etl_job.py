"""The script of the original for a bucket: the files are objects; all else is as in `etl_job.py`.

    python model_etl/s3_etl_job.py --input_file=input.json --output_file=output.json --bucket=data --key=... \
        --secret_key=... --endpoint_url=http://127.0.0.1:9000

It scores with the iris model by default, and takes all options of `model-etl run`.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    # Python puts the folder of a script on the path, where modules of model_etl would hide others (schema, for one).
    sys.path[0] = __file__.rpartition("/")[0].rpartition("/")[0] or "."
else:
    import model_etl.compat  # noqa: F401  after it, bonobo can be imported

from typing import Any

from model_etl.etl_job import IRIS, get_graph

__all__ = ["get_graph", "get_services"]


def get_services(**options: Any) -> dict[str, Any]:
    """Return the services to inject into the graph: a bucket.

    Args:
        options: `bucket`, and as far as needed `key`, `secret_key`, `endpoint_url` and the rest of what
            `model_etl.services.s3.location.get_services` takes.
    """
    from model_etl.services.s3.location import get_services as s3_services  # noqa: PLC0415  --help must not wait for it

    return s3_services(**options)


if __name__ == "__main__":
    from model_etl.__main__ import command

    command(defaults={"model": IRIS, "bucket": ""})
