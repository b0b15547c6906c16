"""The scaling of a data set: given, fitted by its name, or chosen by what the data certainly are."""

import warnings
from collections.abc import Mapping
from functools import reduce
from typing import Any

import numpy as np

from ae_jax.data.arrays import storage_type
from ae_jax.data.dataset import Split
from ae_jax.data.scaling import Scaling, Statistics, fitted

_SPREADS = 100.0
"""The ratio of deviations from which one feature hides another in a reconstruction loss."""

_OUTLIER, _SAMPLE = 1e5, 2_000
"""Distance of an extreme value over the usual one from the median, above which a scaling leaves nothing of the others;
and the number of examples whose distances are usual."""


def scaling_of(
    name: str,
    splits: Mapping[str, Split],
    columns: tuple[str, ...] | None,
    scaling: Scaling | str | None,
    statistics: Statistics | None = None,
) -> tuple[Any, list[str]]:
    """The scaling of splits, and a sentence where a range was guessed or widened.

    Args:
      name: of the data, for sentences and warnings.
      splits: by name, the training split first.
      columns: names of the features, or None.
      scaling: given, by name, or None for the rules of :func:`ae_jax.data.from_arrays`.
      statistics: of all training examples, with moments for ``"standard"``; by default those of the training split.
    """
    if isinstance(scaling, Scaling):
        return scaling, []
    train, notes = splits["train"].x, []
    statistics = statistics or Statistics.of([train], moments=scaling == "standard")
    held_out = [Statistics.of([split.x], moments=False) for split in list(splits.values())[1:] if len(split.x)]
    whole = reduce(Statistics.merge, held_out, statistics._replace(mean=None))
    if isinstance(scaling, str):
        low, high, *ends = (np.asarray(each, np.float64) for each in (*statistics[1:3], *whole[1:3]))
        beyond = np.maximum(low - ends[0], ends[1] - high)
        if scaling == "unit" and np.any(beyond > 0) and np.all(beyond <= high - low):
            statistics = whole
            notes.append(f"{name}: unit scaling is widened to held-out values outside the training split's range.")
        if scaling in ("unit", "standard") and train.dtype != np.uint8:
            _warn_of_outliers(name, statistics, train, columns, scaling)
        chosen = fitted(scaling, statistics, of_bytes=train.dtype == np.uint8)
    else:
        _warn_of_spreads(name, train, columns)
        whole_bytes = train.dtype == np.uint8 or _are_bytes(train, whole)
        chosen = Scaling.of_bytes(np.max(whole.high)) if whole_bytes else Scaling()
    if scaling in (None, "unit") and train.dtype == np.uint8 and chosen.scale not in (1.0, 255.0):
        notes.append(f"{name}: bytes up to {chosen.scale:g} are divided by {chosen.scale:g} (scaling 'bytes': by 255).")
    elif scaling is None and chosen.scale != 1.0 and train.dtype != np.uint8:
        notes.append(f"{name}: whole numbers from 0 to 255 are divided by 255 (scaling 'none' leaves them).")
    return chosen, notes


def _are_bytes(x: np.ndarray, whole: Statistics) -> bool:
    """Whether examples are images of whole numbers that are certainly bytes: from 0 to 255, and some above 127."""
    return x.ndim > 2 and bool(whole.low >= 0 and 127 < whole.high <= 255 and (x == np.rint(x)).all())


def leaves_unit(x: np.ndarray) -> bool:
    """Whether examples are vectors of numbers that are no bytes and leave [0, 1]."""
    return x.ndim == 2 and storage_type(x.dtype) != np.uint8 and bool(np.nanmin(x) < 0 or np.nanmax(x) > 1)


def _warn_of_spreads(name: str, x: np.ndarray, columns: tuple[str, ...] | None) -> None:
    """Warns where the deviations of unscaled features differ so much that some would hardly count."""
    if x.ndim != 2 or x.dtype == np.uint8 or (np.nanmin(x) >= 0 and np.nanmax(x) <= 1):
        return
    deviations = np.nanstd(x, axis=0, dtype=np.float64)
    varying = np.flatnonzero(deviations > 0)
    if not len(varying):
        return
    least, most = (int(varying[find(deviations[varying])]) for find in (np.argmin, np.argmax))
    if deviations[most] > _SPREADS * deviations[least]:
        names = [repr(columns[place]) if columns else str(place) for place in (most, least)]
        warnings.warn(
            f"{name}: feature {names[0]} has {deviations[most] / deviations[least]:.0f} times the standard deviation "
            f"of {names[1]}, which will hardly count in a reconstruction loss; scaling='standard' weighs them alike.",
            stacklevel=4,
        )


def _warn_of_outliers(
    name: str, statistics: Statistics, x: np.ndarray, columns: tuple[str, ...] | None, scaling: str
) -> None:
    """Warns where an extreme value is so far from the others that a scaling by its range leaves no difference there."""
    sample = x[:: -(-len(x) // _SAMPLE)].astype(np.float64)
    sample = sample if x.ndim == 2 else sample.reshape(-1, 1)
    median = np.nanmedian(sample, axis=0)
    distances = np.abs(sample - median)
    distances[distances == 0] = np.nan
    usual = np.array([np.inf if np.isnan(each).all() else np.nanmedian(each) for each in distances.T])
    low, high = (np.broadcast_to(np.asarray(end, np.float64), median.shape) for end in statistics[1:3])
    times = np.maximum(high - median, median - low) / usual
    worst = int(np.argmax(times))
    if times[worst] > _OUTLIER:
        value = high[worst] if high[worst] - median[worst] > median[worst] - low[worst] else low[worst]
        where = "" if x.ndim != 2 else f" in column {columns[worst]!r}" if columns else f" in feature {worst}"
        warnings.warn(
            f"{name} has the value {value:g}{where}, {times[worst]:.1g} times as far from the median as others are: "
            f"{scaling} scaling makes the others nearly equal; drop or clip it.",
            stacklevel=4,
        )
