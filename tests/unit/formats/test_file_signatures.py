"""A file that is not what its name says is refused with 65 and named, whatever the model requires."""

from __future__ import annotations

import gzip
import io
import re
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.command import Etl
from helpers.reading import documents, records

from model_etl.errors import DataError
from model_etl.schema.fields import Field, Fields

MODEL = ("-m", "nightly_models:Lenient")
CSV = "age,income\n30,1000\n40,2000\n"


def _zip(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "<x/>")
    return file.getvalue()


def _parquet() -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"age": [30.0]}), file)
    return file.getvalue()


KINDS: dict[str, tuple[bytes, str]] = {
    "page": (b"<!DOCTYPE html>\n<html><body>Log in</body></html>\n", "an HTML page"),
    "page with a byte-order mark": (b"\xef\xbb\xbf\n <HTML>\n", "an HTML page"),
    "answer of a server": (b'<?xml version="1.0"?>\n<Error/>', "an XML document"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1\n", "a pointer of Git LFS"),
    "UTF-16": (CSV.encode("utf-16"), "in UTF-16"),
    "UTF-16, little end first": (CSV.encode("utf-16-le"), "in UTF-16"),
    "UTF-16, big end first": (CSV.encode("utf-16-be"), "in UTF-16"),
    "UTF-32": (CSV.encode("utf-32"), "in UTF-32"),
    "UTF-32, little end first": (CSV.encode("utf-32-le"), "in UTF-32"),
    "UTF-32, big end first": (CSV.encode("utf-32-be"), "in UTF-32"),
    "spreadsheet": (_zip("[Content_Types].xml", "xl/workbook.xml"), "a spreadsheet of Excel"),
    "archive": (_zip("data.csv"), "a ZIP archive"),
    "document": (b"%PDF-1.7\n%\xe2\xe3\n", "a PDF document"),
    "gzip": (gzip.compress(CSV.encode()), "compressed with gzip"),
    "zstd": (b"\x28\xb5\x2f\xfd\x04\x00", "compressed with zstd"),
    "Parquet": (_parquet(), "a Parquet file"),
    "zeros": (bytes(5000), "bytes of zero"),
}
AS_CSV: dict[str, tuple[bytes, str]] = {
    "JSON Lines": (b'{"age":30,"income":1000}\n', "it is JSON Lines"),
    "indented JSON": (b'{\n  "age": 30\n}\n', "it is JSON Lines"),
    "JSON array": (b'[\n  {"age": 30}\n]\n', "it is a JSON array"),
    "semicolons": (CSV.replace(",", ";").encode(), "semicolons between them"),
    "bars": (CSV.replace(",", "|").encode(), "bars between them"),
    "tabs": (CSV.replace(",", "\t").encode(), "--input_format tsv"),
    "capitals": (b"Age,Income\n30,1000\n", "It has 'Age', not 'age'"),
    "no first row": (b"30,1000\n40,2000\n", "Its first row looks like a record"),
    "other table": (b"sku,price\n1,2\n", "none of its columns ('sku', 'price') is a field of the model"),
    "old line ends": (CSV.replace("\n", "\r").encode(), "carriage return alone"),
}


@pytest.mark.parametrize("form", ["csv", "tsv", "ldjson", "json", "parquet"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_another_kind_is_named(kind: str, form: str) -> None:
    """In each format."""
    data, words = KINDS[kind]
    if (kind, form) == ("Parquet", "parquet"):
        return
    with pytest.raises(DataError, match=re.escape(words)) as caught:
        records(form, data)
    assert caught.value.remedy


@pytest.mark.parametrize("kind", AS_CSV)
def test_a_table_that_is_not_the_models_is_refused(etl: Etl, kind: str) -> None:
    """Exit code 65 and nothing published, although each record would be valid."""
    data, words = AS_CSV[kind]
    etl.write("in.csv", data.decode())
    done = etl("run", *MODEL, "-i", "in.csv", "-o", "out.json", "--max_errors", "100%")
    assert done.code == 65
    assert words in done.err
    assert etl.files() == {"in.csv"}


def test_text_that_is_named_parquet_is_named(etl: Etl) -> None:
    """The remedy is the format."""
    etl.write("in.parquet", CSV)
    done = etl("run", *MODEL, "-i", "in.parquet", "-o", "out.json")
    assert done.code == 65
    assert "it is text" in done.err


def test_a_parquet_file_without_a_field_of_the_model_is_refused(etl: Etl) -> None:
    """As a CSV file is."""
    pq.write_table(pa.table({"Age": [30.0]}), etl.folder / "in.parquet")
    done = etl("run", *MODEL, "-i", "in.parquet", "-o", "out.json")
    assert done.code == 65
    assert "none of its columns ('Age') is a field of the model" in done.err


@pytest.mark.parametrize("name", ["PAR1", "PK", "ORC", "Obj", "BZh", "{a}", "[a]", "%PDF", "version", "<a>"])
def test_a_column_may_have_any_name(name: str) -> None:
    """Letters alone do not make a file one of another kind."""
    assert documents("csv", f"{name},b\n1,2\n".encode()) == [f'{{"{name}":"1","b":"2"}}'.encode()]


def test_a_model_that_reads_all_columns_takes_each_table() -> None:
    """Only a model that ignores other fields would predict the same for each record."""
    fields = Fields({"age": Field("number", required=False)})
    fields.others = "read"
    assert len(records("csv", b"a,b\n1,2\n", fields)) == 1
    fields.others = "ignored"
    with pytest.raises(DataError, match="is a field of the model"):
        records("csv", b"a,b\n1,2\n", fields)
