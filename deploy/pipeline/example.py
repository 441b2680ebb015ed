"""Writes data to try the pipeline with: labelled flowers to train with, and the same without labels to score."""

from __future__ import annotations

import csv
import io
import json

from botocore.exceptions import BotoCoreError, ClientError
from iris_model.parameters import FEATURES
from sklearn.datasets import load_iris

from model_etl.errors import TryAgain
from model_etl.services.s3.access import Access, connect
from pipeline.command import print_result, run
from pipeline.files import locate_below_root, read_variable, write


def step() -> None:
    """Run the step that the module describes."""
    root = read_variable("PIPELINE_ROOT")
    if root.startswith("s3://"):
        _make_bucket(root.removeprefix("s3://").partition("/")[0])
    data = load_iris()
    rows = [
        dict(zip((*FEATURES, "species"), (*numbers, str(data.target_names[target])), strict=True))
        for numbers, target in zip(data.data.tolist(), data.target, strict=True)
    ]
    table = io.StringIO()
    writer = csv.DictWriter(table, (*FEATURES, "species"), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    lines = "".join(json.dumps({name: row[name] for name in FEATURES}) + "\n" for row in rows)
    for name, text, media_type in (
        ("training/iris.csv", table.getvalue(), "text/csv"),
        ("incoming/nightly.json", lines, "application/x-ndjson"),
    ):
        target = locate_below_root(name)
        write(target, text.encode(), media_type)
        print_result(f"{target.name}: {len(rows)} records")


def _make_bucket(name: str) -> None:
    client = connect(Access())
    try:
        if name not in [found["Name"] for found in client.list_buckets()["Buckets"]]:
            client.create_bucket(Bucket=name)
    except (BotoCoreError, ClientError) as exc:
        raise TryAgain(
            f"cannot make the bucket {name} at {client.meta.endpoint_url}: {exc}",
            "Is the server up, and the key right?",
        ) from exc


if __name__ == "__main__":
    run(step)
