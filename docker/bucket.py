"""Makes a bucket and puts files there, `bucket.py put BUCKET FILE ...`; prints an object, `bucket.py cat BUCKET KEY`.

For the example of compose.yaml. Keys and server come from the AWS_* variables.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from model_etl.services.s3.access import Access, connect


def put(bucket: str, *files: str) -> None:
    """Put files into a bucket, which is made if need be."""
    client = connect(Access())
    if bucket not in [found["Name"] for found in client.list_buckets()["Buckets"]]:
        client.create_bucket(Bucket=bucket)
    for file in files:
        client.upload_file(file, bucket, Path(file).name)


def cat(bucket: str, key: str) -> None:
    """Write an object to standard output."""
    shutil.copyfileobj(connect(Access()).get_object(Bucket=bucket, Key=key)["Body"], sys.stdout.buffer)


if __name__ == "__main__":
    {"put": put, "cat": cat}[sys.argv[1]](*sys.argv[2:])
