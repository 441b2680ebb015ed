"""Turns deliveries into the numbers that the regression weighs, in training and in prediction alike."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Protocol, get_args

import numpy as np
import numpy.typing as npt

from delivery_model.schemas import Vehicle

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.intp]
Booleans = npt.NDArray[np.bool_]

VEHICLES: tuple[str, ...] = get_args(Vehicle)
WORDS = ("fragile", "stairs", "urgent")
"""Words that count when a note holds them, in any case; the rest of a note is ignored."""

UNKNOWN_CITY = -1

_fields = attrgetter("distance_km", "items", "city", "vehicle", "rain_mm", "note", "express")
_vehicle_numbers = {vehicle: number for number, vehicle in enumerate(VEHICLES)}
_whole_word = {word: re.compile(rf"\b{word}\b").search for word in WORDS}
_word_bits: Integers = 1 << np.arange(len(WORDS), dtype=np.intp)


class DeliveryRecord(Protocol):
    """Anything with the input's fields as attributes, holding values that the input schema accepts."""

    @property
    def distance_km(self) -> float: ...
    @property
    def items(self) -> int: ...
    @property
    def city(self) -> str: ...
    @property
    def vehicle(self) -> Vehicle: ...
    @property
    def rain_mm(self) -> float | None: ...
    @property
    def note(self) -> str | None: ...
    @property
    def express(self) -> bool: ...


@dataclass(frozen=True)
class Features:
    """Features of ``n`` deliveries.

    Attributes:
        values: one row for each name in ``FeatureBuilder.names``, one column for each delivery.
        distance_km: length of each delivery's route in km.
        items: number of items of each delivery.
        city_numbers: place of each delivery's city in ``FeatureBuilder.cities``, or ``UNKNOWN_CITY``.
        rain_mm: rain of each delivery in mm, the mean where it was unknown.
        rain_unknown: whether it was.
    """

    values: Floats
    distance_km: Floats
    items: Floats
    city_numbers: Integers
    rain_mm: Floats
    rain_unknown: Booleans


class FeatureBuilder:
    """Computes features.

    Args:
        cities: the cities that have an effect of their own.
        rain_mm_mean: rain in mm that stands for unknown rain.
    """

    def __init__(self, cities: Sequence[str], rain_mm_mean: float) -> None:
        self.cities = tuple(cities)
        self.names = feature_names(cities)
        self._rain_mm_mean = rain_mm_mean
        self._city_numbers = {city_key(city): number for number, city in enumerate(cities)}

    def build(self, records: Sequence[DeliveryRecord]) -> Features:
        """Compute the features of at least one delivery."""
        distance_km, items, city, vehicle, rain_mm, note, express = zip(*map(_fields, records), strict=True)
        count = len(records)

        # Texts are looked into once each, however often they occur.
        number_of_city = {name: self._city_numbers.get(city_key(name), UNKNOWN_CITY) for name in set(city)}
        city_numbers = np.fromiter(map(number_of_city.__getitem__, city), dtype=np.intp, count=count)
        vehicle_numbers = np.fromiter(map(_vehicle_numbers.__getitem__, vehicle), dtype=np.intp, count=count)
        bits_of_note = {text: _found_words(text) for text in set(note)}
        note_bits = np.fromiter(map(bits_of_note.__getitem__, note), dtype=np.intp, count=count)

        rain: Floats = np.array(rain_mm, dtype=np.float64)  # None becomes NaN
        rain_unknown = np.isnan(rain)
        rain[rain_unknown] = self._rain_mm_mean

        distances: Floats = np.array(distance_km, dtype=np.float64)
        item_counts: Floats = np.array(items, dtype=np.float64)
        by_vehicle: Floats = np.equal.outer(np.arange(len(VEHICLES)), vehicle_numbers).astype(np.float64)
        values: Floats = np.vstack(
            [
                np.ones(count),
                np.equal.outer(np.arange(len(self.cities)), city_numbers),
                by_vehicle,
                by_vehicle * distances,
                item_counts,
                rain,
                np.array(express, dtype=np.float64),
                np.bitwise_and.outer(_word_bits, note_bits) != 0,
            ]
        )
        return Features(values, distances, item_counts, city_numbers, rain, rain_unknown)


def feature_names(cities: Sequence[str]) -> tuple[str, ...]:
    """Name the features in the order in which ``FeatureBuilder.build`` gives them."""
    return (
        "intercept",
        *(f"city={city}" for city in cities),
        *(f"vehicle={vehicle}" for vehicle in VEHICLES),
        *(f"distance_km*{vehicle}" for vehicle in VEHICLES),
        "items",
        "rain_mm",
        "express",
        *(f"note:{word}" for word in WORDS),
    )


def city_key(name: str) -> str:
    """Reduce the name of a city to what identifies it: not case, spacing or the way accents are encoded."""
    return " ".join(unicodedata.normalize("NFKC", name.casefold()).split())


def _found_words(note: str | None) -> int:
    """Return a number whose bit i is set if word i is in the note."""
    if not note:
        return 0
    text = note.casefold()
    # Looking for the letters first spares most notes the far slower search for a whole word.
    return sum(1 << bit for bit, word in enumerate(WORDS) if word in text and _whole_word[word](text))
