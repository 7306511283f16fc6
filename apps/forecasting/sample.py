"""The project's own series: trends, seasons, shifts of level and random walks, made by a seed."""

import numpy as np
import pandas as pd

SEASONS = (1, 4, 5, 7, 12, 24, 30, 48, 52, 96, 168)
_VARIED = 3000
_WALKS = 0.25


def sample_table(steps: int = 1200, seed: int = 1) -> pd.DataFrame:
    """A table of four hourly series in columns of their own: `time`, `trend`, `season`, `shift`, `walk`."""
    rng, time = np.random.default_rng(seed), np.arange(steps)
    day = np.sin(2 * np.pi * time / 24)
    columns = {
        "time": pd.date_range("2024-01-01", periods=steps, freq="h"),
        "trend": 20 + 0.02 * time + 3 * day + rng.normal(0, 0.5, steps),
        "season": 50 + 8 * day + 4 * np.cos(2 * np.pi * time / 168) + rng.normal(0, 1, steps),
        "shift": np.where(time % 400 < 200, 10.0, 14.0) + day + rng.normal(0, 0.4, steps),
        "walk": 100 + np.cumsum(rng.normal(0, 1, steps)),
    }
    return pd.DataFrame(columns).round(dict.fromkeys(list(columns)[1:], 3))


def monthly_table(steps: int = 84, seed: int = 1) -> pd.DataFrame:
    """A table of two monthly series below each other, `shop`, `month`, `sales`: one grows in seasons, one wanders."""
    rng, time = np.random.default_rng(seed), np.arange(steps)
    months = pd.date_range("2017-01-01", periods=steps, freq="MS").strftime("%b %Y")
    season = 1 + 0.25 * np.sin(2 * np.pi * (time + 8) / 12) + 0.1 * (time % 12 == 11)
    ice = (200 + 2.5 * time) * season * np.exp(rng.normal(0, 0.04, steps))
    books = 150 + np.cumsum(rng.normal(0, 6, steps))
    parts = [
        pd.DataFrame({"shop": name, "month": months, "sales": values.round(1)})
        for name, values in (("ice cream", ice), ("books", books))
    ]
    return pd.concat(parts, ignore_index=True)


def price_table(days: int = 520, seed: int = 1) -> pd.DataFrame:
    """A table of prices of three made-up stocks on business days, `date`, `anvil`, `bellows`, `crane`.

    Walks of the logarithm with a share of the market's own moves in each: nothing in them foretells the next step.
    """
    rng = np.random.default_rng(seed)
    market = rng.standard_t(5, days) * 0.007
    columns = {"date": pd.bdate_range("2023-01-02", periods=days)}
    for name, start, share, own in (("anvil", 48, 0.8, 0.008), ("bellows", 131, 1.1, 0.013), ("crane", 22, 1.4, 0.02)):
        moves = 0.0003 + share * market + rng.normal(0, own, days)
        columns[name] = start * np.exp(np.cumsum(moves))
    return pd.DataFrame(columns).round(dict.fromkeys(list(columns)[1:], 2))


def varied_series(count: int = _VARIED, seed: int = 1) -> list[tuple[np.ndarray, int]]:
    """Series of many kinds with their seasons, of 300 to 2,000 steps, float64 `(time,)` each.

    Each is a sum of a trend, seasons, a random walk, short-lived deviations, shifts of level and noise, each of a
    strength drawn at random; some are multiplied out, as prices and counts grow. A quarter are walks of prices.
    """
    rng = np.random.default_rng(seed)
    return [_varied(rng) for _ in range(count)]


def _varied(rng: np.random.Generator) -> tuple[np.ndarray, int]:
    steps = int(np.exp(rng.uniform(np.log(300), np.log(2000))))
    season, time = int(rng.choice(SEASONS)), np.arange(steps)
    if rng.random() < _WALKS:
        return _price(rng, steps), season
    weights = rng.dirichlet(np.full(5, 0.5))
    parts = (
        _trend(rng, time),
        _season(rng, time, season) if season > 1 else np.zeros(steps),
        np.cumsum(_steps(rng, steps)) / np.sqrt(steps),
        _passing(rng, steps),
        _shifts(rng, steps),
    )
    values = sum(weight * part for weight, part in zip(weights, parts, strict=True))
    values = values + rng.choice([0.01, 0.05, 0.2]) * np.std(values) * _steps(rng, steps)
    if rng.random() < 0.3:
        values = np.exp(rng.uniform(0.3, 1.0) * values / max(np.std(values), 1e-9))
    values = values * 10.0 ** rng.uniform(-1, 3) + 10.0 ** rng.uniform(-1, 3) * rng.choice([-1, 1])
    return values, season


def _price(rng: np.random.Generator, steps: int) -> np.ndarray:
    """A random walk of the logarithm with a slight drift: whatever season it is told to have, it has none."""
    # Over all steps it moves by a few times its size, and not by millions of times.
    size = np.exp(rng.uniform(np.log(0.1), np.log(1.5))) / np.sqrt(steps)
    return 10.0 ** rng.uniform(0, 3) * np.exp(np.cumsum(size * (rng.normal(0.02, 0.05) + _steps(rng, steps))))


def _trend(rng: np.random.Generator, time: np.ndarray) -> np.ndarray:
    """A line, damped or bent at up to two places."""
    slopes = np.zeros(len(time)) + rng.normal()
    for place in rng.integers(0, len(time), rng.integers(0, 3)):
        slopes[place:] = rng.normal()
    return np.cumsum(slopes) * 3 / len(time)


def _season(rng: np.random.Generator, time: np.ndarray, season: int) -> np.ndarray:
    """A few harmonics whose strength may grow, and for hours and the like a slower season on top."""
    harmonics = np.arange(1, min(season // 2, rng.integers(1, 7)) + 1)
    angles = 2 * np.pi * np.outer(time / season, harmonics) + rng.uniform(0, 2 * np.pi, len(harmonics))
    wave = np.sin(angles) @ (rng.normal(size=len(harmonics)) / harmonics**0.5)
    if rng.random() < 0.4:
        wave = wave + rng.normal() * np.sin(2 * np.pi * time / (season * 7) + rng.uniform(0, 6))
    return wave * (1 + rng.uniform(-0.5, 1) * time / len(time))


def _steps(rng: np.random.Generator, steps: int) -> np.ndarray:
    """Noise of unit size, sometimes with heavy tails, sometimes calm and wild by turns."""
    noise = rng.normal(size=steps) if rng.random() < 0.6 else rng.standard_t(4, steps) / np.sqrt(2)
    if rng.random() < 0.3:
        noise = noise * np.exp(0.7 * np.sin(2 * np.pi * np.arange(steps) / rng.uniform(30, 300)))
    return noise


def _passing(rng: np.random.Generator, steps: int) -> np.ndarray:
    """Deviations that fade: an autoregression of first order."""
    from scipy.signal import lfilter

    memory = rng.uniform(0.3, 0.97)
    return lfilter([np.sqrt(1 - memory**2)], [1, -memory], rng.normal(size=steps))


def _shifts(rng: np.random.Generator, steps: int) -> np.ndarray:
    level = np.zeros(steps)
    for place in rng.integers(0, steps, rng.integers(1, 4)):
        level[place:] += rng.normal()
    return level
