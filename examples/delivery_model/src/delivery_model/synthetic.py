"""Makes up deliveries for the model to learn from. No real delivery, customer or courier is behind them."""

from dataclasses import dataclass

import numpy as np

from delivery_model.schemas import Vehicle

CITY_MINUTES = {
    "Genève": 1.5,
    "København": -2.0,
    "Kraków": 0.5,
    "Łódź": -1.0,
    "München": 3.0,
    "Reykjavík": -4.0,
    "Zürich": 2.0,
    "東京": 5.0,
}
"""Minutes that a city adds; the many small towns add none."""

SMALL_TOWNS = tuple(f"Town {number}" for number in range(1, 61))
SMALL_TOWN_SHARE = 0.15
RAINY_SHARE = 0.4
RAIN_MEASURED_SHARE = 0.85
WORD_SHARE = 0.15
EXPRESS_SHARE = 0.2

MEAN_RAIN_MM = 4.0
MEAN_FURTHER_ITEMS = 2.5

VEHICLE_MINUTES = {"bike": 2.0, "car": 5.0, "van": 9.0}
VEHICLE_MINUTES_PER_KM = {"bike": 3.6, "car": 1.9, "van": 2.2}
VEHICLE_MEAN_KM = {"bike": 3.0, "car": 9.0, "van": 14.0}
MAX_KM = 60.0
NOTE_MINUTES = {"urgent": -3.0, "fragile": 3.5, "stairs": 4.5}
BASE_MINUTES = 14.0
MINUTES_PER_ITEM = 0.9
MINUTES_PER_MM_RAIN = 0.7
EXPRESS_MINUTES = -6.0
NOISE_MINUTES = 4.0
MIN_MINUTES = 2.0


@dataclass(frozen=True)
class Delivery:
    """A made-up delivery: the model's input fields, and the minutes it took."""

    distance_km: float
    items: int
    city: str
    vehicle: Vehicle
    rain_mm: float | None
    note: str | None
    express: bool
    minutes: float


def make_deliveries(count: int, seed: int) -> list[Delivery]:
    """Make up ``count`` deliveries; the same seed gives the same ones."""
    # RandomState, as numpy promises never to change its stream; that of default_rng may change.
    random = np.random.RandomState(seed)
    return [_make_delivery(random) for _ in range(count)]


def _make_delivery(random: np.random.RandomState) -> Delivery:
    vehicles: tuple[Vehicle, ...] = ("bike", "car", "van")
    vehicle = vehicles[random.randint(len(vehicles))]
    distance_km = round(min(MAX_KM, 0.3 + random.exponential(VEHICLE_MEAN_KM[vehicle])), 2)
    items = 1 + int(random.poisson(MEAN_FURTHER_ITEMS))
    towns = SMALL_TOWNS if random.uniform() < SMALL_TOWN_SHARE else tuple(CITY_MINUTES)
    city = towns[random.randint(len(towns))]
    rain_mm = round(random.exponential(MEAN_RAIN_MM), 1) if random.uniform() < RAINY_SHARE else 0.0
    rain_measured = random.uniform() < RAIN_MEASURED_SHARE
    words = [word for word in NOTE_MINUTES if random.uniform() < WORD_SHARE]
    express = bool(random.uniform() < EXPRESS_SHARE)
    minutes = (
        BASE_MINUTES
        + VEHICLE_MINUTES[vehicle]
        + VEHICLE_MINUTES_PER_KM[vehicle] * distance_km
        + MINUTES_PER_ITEM * items
        + CITY_MINUTES.get(city, 0.0)
        + MINUTES_PER_MM_RAIN * rain_mm
        + sum(NOTE_MINUTES[word] for word in words)
        + EXPRESS_MINUTES * express
        + random.normal(0.0, NOISE_MINUTES)
    )
    return Delivery(
        distance_km=distance_km,
        items=items,
        city=city,
        vehicle=vehicle,
        rain_mm=rain_mm if rain_measured else None,
        note=f"Please note: {', '.join(words)}!" if words else None,
        express=express,
        minutes=round(max(MIN_MINUTES, minutes), 1),
    )
