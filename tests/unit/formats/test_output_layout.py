"""What a published record holds."""

from __future__ import annotations

import json

import pytest
from helpers.command import Etl
from hypothesis import given, settings
from hypothesis import strategies as st

from model_etl.errors import ConfigurationError
from model_etl.formats.output_layout import Layout
from model_etl.records.batch import Batch, Source
from model_etl.schema.fields import Field

NAMES = st.text(st.sampled_from('ab"\\é\n'), max_size=2)
VALUES = st.none() | st.integers() | st.text(st.sampled_from('a"},:'), max_size=3) | st.lists(st.integers(), max_size=2)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=4)


def batch(documents: list[bytes], outputs: list[bytes]) -> Batch:
    """Make a batch that was predicted."""
    count = len(documents)
    source = Source("in", "0" * 32, "ldjson")
    return Batch(source, range(1, count + 1), range(count), documents, documents, outputs=outputs)


@settings(max_examples=200, deadline=None)
@given(OBJECTS, OBJECTS, st.booleans(), st.booleans(), st.sampled_from([None, 1]))
def test_a_joined_record_is_both_or_an_error(record, output, known, ascii_only, indent):
    """The record, then its prediction, as one object; a name that both have is an error, however it is written."""
    outputs = dict.fromkeys(output, Field("json")) if known else {}
    document = json.dumps(record, ensure_ascii=ascii_only, indent=indent).replace("\n", " ").encode()
    given_batch = batch([document], [json.dumps(output).encode()])
    layout = Layout(outputs, {}, join=True)
    if set(record) & set(output):
        with pytest.raises(ConfigurationError, match="record 1 of in and its prediction both have a field"):
            layout.documents(given_batch)
    else:
        (joined,) = layout.documents(given_batch)
        assert json.loads(joined) == {**record, **output}
        assert not record or joined.startswith(document.rstrip()[:-1])


@settings(max_examples=200, deadline=None)
@given(OBJECTS, st.lists(NAMES, min_size=1, max_size=3, unique=True))
def test_kept_fields_come_first_and_are_null_where_they_lack(record, keep):
    """--keep gives the named fields in the order asked for, then the prediction."""
    given_batch = batch([json.dumps(record).encode()], [b'{"score":1}'])
    (line,) = Layout({"score": Field("number")}, {}, keep=tuple(keep)).documents(given_batch)
    assert list(json.loads(line).items()) == [*((name, record.get(name)) for name in keep), ("score", 1)]


def test_a_name_is_not_kept_twice_nor_against_the_prediction():
    """Both are known before anything is read."""
    with pytest.raises(ConfigurationError, match="names 'a' twice"):
        Layout({}, {}, keep=("a", "b", "a"))
    with pytest.raises(ConfigurationError, match="--keep score"):
        Layout({"score": Field("number")}, {}, keep=("score",))


def test_a_kept_name_that_an_undescribed_prediction_has_is_an_error():
    """A model whose schema does not name its fields is found out at the first record."""
    with pytest.raises(ConfigurationError, match="--keep: record 1"):
        Layout({}, {}, keep=("a",)).documents(batch([b'{"a":1}'], [b'{"a":2}']))


def test_a_collision_publishes_nothing(etl: Etl) -> None:
    """--join over a name that both have is a configuration error that names the record and the field."""
    etl.write("in.json", [{"id": "a", "amount": 1}, {"id": "b", "amount": 2, "score": 9}])
    done = etl("run", "--model", "format_models:Scorer", "-i", "in.json", "-o", "out.json", "--join")
    assert done.code == 78
    assert "record 2 of in.json and its prediction both have a field 'score'" in done.err
    assert "out.json" not in etl.files()


@pytest.mark.parametrize("model", ["Scorer", "LooseScorer"])
def test_records_are_joined_byte_for_byte(etl: Etl, model: str) -> None:
    """From JSON Lines to JSON Lines every digit and blank of a record stays, also of fields the model ignores."""
    records = [
        '{ "id":"007","amount": 1.10, "more": 12345678901234567890123 }',
        '{"id":"\\u00e9","amount":1E2,"d":0.1234567890123456789012,"u":"é"}',
    ]
    etl.write("in.json", "\r\n".join(["", *records, ""]))
    done = etl("run", "--model", f"format_models:{model}", "-i", "in.json", "-o", "out.json", "--join")
    assert (done.code, done.err) == (0, "")
    lines = (etl.folder / "out.json").read_text(encoding="utf-8").splitlines()
    assert [line.rpartition(',"score":')[0] + "}" for line in lines] == records


def test_kept_values_go_to_csv_digit_by_digit(etl: Etl) -> None:
    """From JSON Lines to CSV with --keep."""
    etl.write("in.json", '{"id":"007","amount":1.10,"n":12345678901234567890}\n{"id":"a,\\"b\\n","amount":2}\n')
    done = etl("run", "--model", "format_models:Scorer", "-i", "in.json", "-o", "out.csv", "--keep", "n,id,amount")
    assert (done.code, done.err) == (0, "")
    assert (etl.folder / "out.csv").read_bytes() == (
        b'n,id,amount,score\n12345678901234567890,007,1.10,1.1\n,"a,""b\n",2,2.0\n'
    )


@pytest.mark.parametrize("name", ["a", "ä", 'a"b', "a\\b", "a\nb"])
@pytest.mark.parametrize(
    ("value", "kept"),
    [("1e999", "1e999"), ('{"x": [1.0]}', '{"x": [1.0]}'), ('"\\u00e4"', '"\\u00e4"'), (None, "null")],
)
def test_a_kept_field_is_copied_as_it_is(name: str, value: str | None, kept: str) -> None:
    """The text of a value does not change, whatever the name of its field is; the last of two values counts."""
    quoted = json.dumps(name, ensure_ascii=False)
    members = f'{quoted}:0,{quoted}:{value},"other":[{{}}]' if value is not None else '"other":[{}]'
    document = f"{{{members}}}".encode()
    batch = Batch(Source("in", "0" * 32, "ldjson"), [1], [0], [document], [document], outputs=[b'{"y":2}'])
    layout = Layout({}, {}, keep=(name,))
    assert list(layout.documents(batch)) == [f'{{{quoted}:{kept},"y":2}}'.encode()]
