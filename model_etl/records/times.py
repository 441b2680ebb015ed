"""Dates, times and durations as text, and back: whole numbers on one side, exact text on the other.

Python's own types end at the year 9999 and at microseconds; Parquet and numpy have longer and finer ones. The
text is ISO 8601, whose years beyond four digits have a sign (`+294247-01-10`).
"""

from __future__ import annotations

import re

UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9, "ps": 10**12, "fs": 10**15, "as": 10**18}
"""The parts of a second by the names of units in Arrow and numpy."""

_DAY_SECONDS = 86_400
_MOST_YEARS = 9999
FIRST_DAY, LAST_DAY = -719_162, 2_932_896
"""The days 0001-01-01 and 9999-12-31, counted from 1970-01-01: the range of dates in Python and in four digits."""


def date_text(days: int) -> str:
    """Return the date of a day, counted from 1970-01-01, in the proleptic Gregorian calendar."""
    era, day_of_era = divmod(days + 719_468, 146_097)  # eras of 400 years that start on March 1
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_from_march = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month_from_march + 2) // 5 + 1
    month = month_from_march + (3 if month_from_march < 10 else -9)  # noqa: PLR2004  March is 0, January 10
    year = year_of_era + era * 400 + (month <= 2)  # noqa: PLR2004
    sign = "+" if year > _MOST_YEARS else "-" if year < 0 else ""
    return f"{sign}{abs(year):04d}-{month:02d}-{day:02d}"


def timestamp_text(value: int, unit: str, *, utc: bool = False) -> str:
    """Return a point in time, counted in a unit from 1970-01-01, with all digits of the unit."""
    days, rest = divmod(value, _DAY_SECONDS * UNITS[unit])
    return f"{date_text(days)} {time_text(rest, unit)}{'Z' if utc else ''}"


def time_text(value: int, unit: str) -> str:
    """Return a time of day, counted in a unit from midnight; beyond a day the hours go on, before it is a sign."""
    seconds, fraction = divmod(abs(value), UNITS[unit])
    digits = f".{fraction:0{len(str(UNITS[unit])) - 1}d}" if unit != "s" else ""
    sign = "-" if value < 0 else ""
    return f"{sign}{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{digits}"


def duration_text(value: int, unit: str) -> str:
    """Return a duration in days and seconds, as ISO 8601 writes it: `P1DT0.5S`."""
    seconds, fraction = divmod(abs(value), UNITS[unit])
    days, seconds = divmod(seconds, _DAY_SECONDS)
    digits = f".{fraction:0{len(str(UNITS[unit])) - 1}d}".rstrip("0").rstrip(".")
    time = f"T{seconds}{digits}S" if seconds or fraction else ""
    day = f"{days}D" if days or not time else ""
    return f"{'-' if value < 0 else ''}P{day}{time}"


_DATE = r"(?P<year>[+-]?[0-9]{4,12})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})"
_TIME = r"(?P<sign>-?)(?P<hour>[0-9]{2,16}):(?P<minute>[0-5][0-9])(?::(?P<second>[0-5][0-9])(?:\.(?P<digits>[0-9]+))?)?"
_OFFSET = r"(?P<offset>Z|[+-][0-9]{2}:?[0-9]{2})?"
_DATE_PATTERN = re.compile(_DATE)
_TIME_PATTERN = re.compile(_TIME)
_TIMESTAMP_PATTERN = re.compile(f"{_DATE}(?:[ T]{_TIME})?{_OFFSET}")
_DURATION_PATTERN = re.compile(
    r"(?P<sign>-?)P(?:(?P<days>[0-9]+)D)?(?:T(?P<seconds>[0-9]+)(?:\.(?P<digits>[0-9]+))?S)?"
)


def parse_date(text: str) -> int:
    """Return the day of a date; the reverse of `date_text`.

    Raises:
        ValueError: if the text is not a date.
    """
    found = _matched(_DATE_PATTERN, text, "a date")
    return _days(found, text)


def parse_timestamp(text: str, unit: str, *, zone: bool = False) -> int:
    """Return a point in time in a unit; the reverse of `timestamp_text`, and of Arrow's text with an offset.

    Raises:
        ValueError: if the text is not a time, has more digits than the unit, or has an offset although the column has
            no zone, or lacks it although the column has a zone.
    """
    found = _matched(_TIMESTAMP_PATTERN, text, "a date and time")
    offset = found["offset"]
    if bool(offset) is not zone or found["sign"]:
        raise ValueError(f"{text!r} {'lacks' if zone else 'has'} an offset from UTC")
    seconds = _days(found, text) * _DAY_SECONDS
    if offset and offset != "Z":
        minutes = int(offset[1:3]) * 60 + int(offset[-2:])
        seconds -= minutes * 60 * (-1 if offset[0] == "-" else 1)
    return seconds * UNITS[unit] + (_clock(found, text, unit) if found["hour"] else 0)


def parse_time(text: str, unit: str) -> int:
    """Return a time of day in a unit; the reverse of `time_text`.

    Raises:
        ValueError: if the text is not a time, or has more digits than the unit.
    """
    found = _matched(_TIME_PATTERN, text, "a time")
    return _clock(found, text, unit) * (-1 if found["sign"] else 1)


def parse_duration(text: str, unit: str) -> int:
    """Return a duration in a unit; the reverse of `duration_text`.

    Raises:
        ValueError: if the text is not a duration of days and seconds, or has more digits than the unit.
    """
    found = _matched(_DURATION_PATTERN, text, "a duration of days and seconds")
    if found["days"] is None and found["seconds"] is None:
        raise ValueError(f"{text!r} is not a duration of days and seconds")
    seconds = int(found["days"] or 0) * _DAY_SECONDS + int(found["seconds"] or 0)
    value = seconds * UNITS[unit] + _fraction(found["digits"], text, unit)
    return -value if found["sign"] else value


def _matched(pattern: re.Pattern[str], text: str, noun: str) -> re.Match[str]:
    found = pattern.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"{text!r} is not {noun}")
    return found


def _days(found: re.Match[str], text: str) -> int:
    year, month, day = int(found["year"]), int(found["month"]), int(found["day"])
    shifted = year - (month <= 2)  # noqa: PLR2004  years that start on March 1
    era, year_of_era = divmod(shifted, 400)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    days = era * 146_097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719_468
    if not date_text(days).endswith(f"-{month:02d}-{day:02d}"):
        raise ValueError(f"{text!r} is not a date of the calendar")  # such as February 30
    return days


def _clock(found: re.Match[str], text: str, unit: str) -> int:
    seconds = int(found["hour"]) * 3600 + int(found["minute"]) * 60 + int(found["second"] or 0)
    return seconds * UNITS[unit] + _fraction(found["digits"], text, unit)


def _fraction(digits: str | None, text: str, unit: str) -> int:
    width = len(str(UNITS[unit])) - 1
    given = (digits or "").rstrip("0")
    if len(given) > width:
        raise ValueError(f"{text!r} has more digits than the unit {unit} holds")
    return int(given.ljust(width, "0") or 0)
