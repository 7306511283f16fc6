"""The sizes that the data decides where the user does not: look-back and segment."""

from apps.forecasting.config import ForecastingSettings
from apps.forecasting.data import Panel
from apps.forecasting.splits import Parts
from common.errors import UserError

# A segment shorter than this makes many steps of little each.
_LEAST_SEGMENT = 32
_HORIZONS = 8


def settle(settings: ForecastingSettings, panel: Panel, parts: list[Parts]) -> ForecastingSettings:
    """The settings with look-back and segment, checked against each other and against the longest train part.

    Raises:
        UserError: a quantile has no counterpart, the segment does not divide the look-back, the architecture does not
            fit the backbone, or the train part is too short for one window.
    """
    _check(settings)
    rows = max(part["train"][1] - part["train"][0] for part in parts)
    season = panel.series[0].season
    look_back, segment = settings.look_back, settings.segment
    if look_back is None:
        # Two thirds of the train part are left to learn from.
        longest = max((rows - settings.horizon) // 3, 2)
        look_back = min(max(_HORIZONS * settings.horizon, 2 * season), longest)
        segment = min(segment or _usual_segment(season), look_back)
        look_back -= look_back % segment
    segment = segment or _divisor(look_back, _usual_segment(season))
    if look_back % segment:
        raise UserError(f"--segment {segment}: does not divide the look-back of {look_back}; take one that does")
    shortest = min(settings.shortest or look_back, look_back)
    if rows < shortest + settings.horizon:
        raise UserError(
            f"{panel.name}: the train part has {rows:,} rows at most, and a look-back of {shortest:,} with a horizon "
            f"of {settings.horizon:,} needs {shortest + settings.horizon:,}; give more rows, or lower --look-back or "
            "--horizon"
        )
    _check_held_out(settings, panel, parts, shortest)
    return settings.model_copy(update={"look_back": look_back, "segment": segment})


def _check(settings: ForecastingSettings) -> None:
    levels = settings.quantiles
    mirrored = [round(1 - level, 9) for level in reversed(levels)]
    rising = list(levels) == sorted(set(levels)) and 0 < levels[0] < 0.5
    if not rising or 0.5 not in levels or [round(level, 9) for level in levels] != mirrored:
        raise UserError(
            f"--quantiles {levels}: they rise between 0 and 1, with 0.5 in their middle, and 1 - q for every q"
        )
    if settings.architecture == "steps" and settings.backbone == "dense":
        raise UserError("--architecture steps: goes through time, which dense cannot; take lstm or simple_rnn")


def _check_held_out(settings: ForecastingSettings, panel: Panel, parts: list[Parts], shortest: int) -> None:
    for name in ("validation", "test"):
        fits = [part[name][1] - max(part[name][0], shortest) >= settings.horizon for part in parts]
        if not any(fits):
            rows = max(part[name][1] - part[name][0] for part in parts)
            raise UserError(
                f"{panel.name}: the {name} part has {rows:,} rows at most, too few for a horizon of "
                f"{settings.horizon:,}; give more rows, or lower --horizon"
            )


def _usual_segment(season: int) -> int:
    """A whole number of seasons of at least `_LEAST_SEGMENT` steps, such as two days of hours."""
    if not 1 < season <= 2 * _LEAST_SEGMENT:
        return _LEAST_SEGMENT
    return season * -(-_LEAST_SEGMENT // season)


def _divisor(number: int, near: int) -> int:
    """The divisor of a number that is nearest to another."""
    return min((size for size in range(1, number + 1) if number % size == 0), key=lambda size: abs(size - near))
