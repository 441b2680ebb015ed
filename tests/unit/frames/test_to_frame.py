"""Frames have the types of the schema, whatever the values are."""

from __future__ import annotations

import datetime
import decimal
import enum
import io
import uuid
from typing import Annotated, Any, Literal, Optional

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, create_model

from model_etl.frames import to_frame
from model_etl.schema.codecs import InputSchema


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Size(enum.IntEnum):
    SMALL = 1
    LARGE = 2


TEXT = "str" if int(pd.__version__.partition(".")[0]) >= 3 else "object"
TYPES: dict[Any, tuple[str, str]] = {
    float: ("float64", "float64"),
    int: ("int64", "float64"),
    Annotated[int, Field(ge=0)]: ("int64", "float64"),
    bool: ("bool", "object"),
    str: (TEXT, TEXT),
    Annotated[str, Field(min_length=1), AfterValidator(str.strip)]: (TEXT, TEXT),
    Literal["a", "b"]: (TEXT, TEXT),
    Literal[1, 2]: ("int64", "float64"),
    Colour: (TEXT, TEXT),
    Size: ("int64", "float64"),
    uuid.UUID: (TEXT, TEXT),
    bytes: ("object", "object"),
    decimal.Decimal: ("object", "object"),
    datetime.date: ("datetime64", "datetime64"),
    datetime.datetime: ("datetime64", "datetime64"),
    AwareDatetime: ("datetime64[UTC]", "datetime64[UTC]"),
    datetime.timedelta: ("timedelta64", "timedelta64"),
    datetime.time: ("object", "object"),
    list[int]: ("object", "object"),
    int | str: ("object", "object"),
}
"""The type of a column, required and optional, by the annotation of its field."""
FORMATS = ["pandas", "pandas_nullable", "polars", "pyarrow"]
ARROW = [a for a, (_, optional) in TYPES.items() if optional != "object" or a in (bool, bytes, datetime.time)]
TIMES = st.datetimes(datetime.datetime(1700, 1, 1), datetime.datetime(2200, 1, 1))  # noqa: DTZ001
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    float: st.floats(allow_nan=False),
    int | str: st.integers() | st.text(),
    list[int]: st.lists(st.integers()),
    int: st.integers(-(2**53), 2**53),
    bytes: st.binary(),
    datetime.date: st.dates(datetime.date(1700, 1, 1), datetime.date(2200, 1, 1)),
    datetime.datetime: TIMES,
    AwareDatetime: TIMES.map(lambda t: t.replace(tzinfo=datetime.timezone.utc)),
    decimal.Decimal: st.decimals(allow_nan=False, allow_infinity=False),
    datetime.timedelta: st.timedeltas(datetime.timedelta(-10_000), datetime.timedelta(10_000)),
}


def values_of(annotation: Any) -> st.SearchStrategy[Any]:
    """Give values of a type that its column holds."""
    if annotation in VALUES:
        return VALUES[annotation]
    if getattr(annotation, "__metadata__", ()):
        return st.integers(0, 99) if annotation.__origin__ is int else st.text(min_size=1)
    return st.from_type(annotation)


def dtype_name(frame: Any, name: str) -> str:
    """Give the type of a column of a pandas frame, without what differs from pandas to pandas."""
    dtype = str(frame[name].dtype)
    text = str(pd.Series(["text"]).dtype)
    unit = str(pd.to_datetime(pd.Series(["2000-01-01"])).dtype).partition("[")[2]
    return (
        "str" if dtype == text and text != "object" else dtype.replace(f"[{unit}", "").replace(f"[{unit[:-1]}, ", "[")
    )


def schema_of(annotations: list[Any]) -> Any:
    """Give a schema with two fields for each type: one of it, and one that may be missing."""
    fields: dict[str, Any] = {}
    for number, annotation in enumerate(annotations):
        fields |= {f"required{number}": (annotation, ...), f"optional{number}": (Optional[annotation], None)}  # noqa: UP045
    return create_model("Record", **fields)


@pytest.mark.parametrize("annotation", TYPES, ids=str)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_column_has_the_type_of_its_field(annotation: Any, data: st.DataObject) -> None:
    """One record, many, and records whose optional value is always missing give columns of the same type."""
    schema = schema_of([annotation])
    required = values_of(annotation)
    many = data.draw(st.lists(st.builds(dict, required0=required, optional0=st.none() | required), min_size=2))
    none = [{"required0": record["required0"]} for record in many]
    for rows in (many[:1], many, none, none[:1], []):
        frame = to_frame(rows, schema)
        assert (dtype_name(frame, "required0"), dtype_name(frame, "optional0")) == TYPES[annotation]
        assert list(frame.index) == list(range(len(rows)))
        assert frame["optional0"].isna().tolist() == [row.get("optional0") is None for row in rows]


@pytest.mark.parametrize("frame", FORMATS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_frames_of_any_records_have_one_schema(frame: str, data: st.DataObject) -> None:
    """A part of a frame is the frame of these records, in each library."""
    schema = schema_of(ARROW)
    row = {f"required{n}": values_of(a) for n, a in enumerate(ARROW)}
    row |= {f"optional{n}": st.none() | values_of(a) for n, a in enumerate(ARROW)}
    rows = [
        schema.model_construct(**r) for r in data.draw(st.lists(st.fixed_dictionaries(row), min_size=2, max_size=4))
    ]
    whole, first = to_frame(rows, frame=frame), to_frame(rows[:1], frame=frame)
    if frame == "polars":
        assert whole[:1].equals(first)
        assert whole.schema == first.schema
    elif frame == "pyarrow":
        assert whole[:1].equals(first)
    else:
        pd.testing.assert_frame_equal(whole[:1], first)


def test_a_frame_is_that_which_read_csv_gives() -> None:
    """Types, missing values and all others are those of a file that the installed pandas reads."""

    class Row(BaseModel):
        number: float | None
        count: int
        score: int | None
        text: str | None
        flag: bool
        day: datetime.date | None

    text = "number,count,score,text,flag,day\n1.5,1,7,x,True,2024-02-29\n,2,,,False,\n"
    read = pd.read_csv(io.StringIO(text), parse_dates=["day"])
    rows = [
        Row(number=1.5, count=1, score=7, text="x", flag=True, day=datetime.date(2024, 2, 29)),
        Row(number=None, count=2, score=None, text=None, flag=False, day=None),
    ]
    pd.testing.assert_frame_equal(to_frame(rows), read)


def test_a_frame_belongs_to_the_model() -> None:
    """A model may change its frame in place."""
    frame = to_frame([{"required0": 1.5}, {"required0": 2.5}], schema_of([float]))
    frame.loc[frame["required0"] > 2, "required0"] = 0.0
    frame["optional0"].to_numpy()
    assert frame["required0"].tolist() == [1.5, 0.0]


@pytest.mark.parametrize(
    ("annotation", "value", "message"),
    [
        (int, 2**63, "required0 does not fit its column of int"),
        (datetime.datetime, datetime.datetime.now(datetime.timezone.utc), "declare it as pydantic.AwareDatetime"),
        (str, "\ud800", "required0 does not fit its column of text"),
        (Annotated[str, AfterValidator(len)], "abc", "required0 does not fit its column of text"),
        (Annotated[str, AfterValidator(lambda _: None)], "abc", "required0 is None, which the input schema does not"),
    ],
)
def test_a_value_that_does_not_fit_is_named(annotation: Any, value: Any, message: str) -> None:
    """A column never changes its type for a value."""
    schema = schema_of([annotation])
    record = schema.model_construct(required0=value) if value == "\ud800" else schema(required0=value)
    with pytest.raises(ValueError, match=message):
        to_frame([record])


def test_an_optional_integer_keeps_all_its_digits_or_is_refused() -> None:
    """A float with a hole does not hold 2**53 + 1; the nullable types of pandas do."""
    rows = [schema_of([int])(required0=1, optional0=2**53 + 1)]
    with pytest.raises(ValueError, match="optional0 is beyond 2"):
        to_frame(rows)
    assert to_frame(rows, frame="pandas_nullable")["optional0"].tolist() == [2**53 + 1]


def test_records_of_the_fast_decoder_know_their_schema() -> None:
    """`predict_batch` gets records of another type than the schema's; their frame is the same."""
    schema = schema_of([float, str])
    fast = InputSchema(schema, attributes=True)
    document = b'{"required0": 1, "required1": "x", "optional1": null}'
    assert fast._fast is not None
    pd.testing.assert_frame_equal(to_frame([fast._fast(document)]), to_frame([schema.model_validate_json(document)]))


def test_the_schema_must_be_known() -> None:
    """Mappings, and no records at all, need the schema's class."""
    for records in ([], [{"a": 1}]):
        with pytest.raises(ValueError, match="pass the pydantic class"):
            to_frame(records)
    with pytest.raises(ValueError, match="not one of pandas"):
        to_frame([], schema_of([int]), frame="spark")
