"""Makes data sets from examples: split by a seed or by the source, scaled by statistics of the training split."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ae_jax._checks import size
from ae_jax.data.arrays import RawData, are_allowed_missing, as_examples, as_labels, missing_values, warn_of_lost_digits
from ae_jax.data.chosen_scaling import leaves_unit, scaling_of
from ae_jax.data.containers import Opened, opened
from ae_jax.data.dataset import Dataset, Split, draw_rows, remember
from ae_jax.data.layout import Channels, channels_last
from ae_jax.data.scaling import Scaling
from ae_jax.data.spec import ReadOptions
from ae_jax.data.streaming import Rows, Stream, bytes_of_one, survey
from ae_jax.errors import InvalidInput
from ae_jax.public import public

VALIDATION, TEST = 0.1, 0.2
"""Fractions of the training examples that are held out of a source without such splits."""

_HELD_OUT, _SHARE = 10_000, 16
"""Examples of a streamed source that each of validation, test and the sample for probes hold in memory, at most; and
the share of the budget that they may take."""


@public
def from_arrays(
    x: Any,
    labels: Any = None,
    *,
    name: str = "arrays",
    columns: Sequence[str] | None = None,
    ids: Any = None,
    channels: Channels | None = None,
    validation: float = VALIDATION,
    test: float = TEST,
    scaling: Scaling | str | None = None,
    seed: int = 0,
    missing: bool = False,
) -> Dataset:
    """A data set from examples in memory, split at random by a seed, stratified where labels allow it.

    Args:
      x: anything that NumPy reads as numbers, ``[n, *shape]``, or that supports DLPack: arrays of NumPy, JAX, PyTorch
        and SciPy (sparse); a table of pandas, Polars, Arrow or AnnData; a data set of Hugging Face or PyTorch, whose
        items are examples or pairs ``(example, label)``. Bytes stay bytes.
      labels: one for each example, none of them missing; or the name of a table's column (of AnnData's ``obs``); or
        None.
      name: what results call it.
      columns: of a table, the features; by default all columns but the label. Of an array, their names.
      ids: one for each example, or the name of a table's column; by default a table's index, where it has one.
      channels: where images have their channels, ``"first"`` or ``"last"``; by default they are taken for the first
        axis where that is certain (:func:`ae_jax.data.layout.channels_last`). They are stored last.
      validation, test: fractions of all examples, each in [0, 1) and together below 1.
      scaling: from stored values to model units: a :class:`Scaling`; or ``"unit"``, ``"standard"``, ``"bytes"`` or
        ``"none"``, fitted on the training split (:func:`ae_jax.data.scaling.fitted`); by default bytes are scaled by
        :meth:`Scaling.of_bytes`, images of whole numbers from 0 to 255 are divided by 255, the columns of a table that
        leaves [0, 1] are standardised, and anything else stays as it is. ``Dataset.notes`` has what was guessed.
      seed: of the split, from 0 to 2**32 - 1.
      missing: NaN is a missing value, for autoencoders that take such data (:func:`ae_jax.missing`).

    Raises:
      InvalidInput: data that :func:`ae_jax.data.arrays.as_examples` refuses, labels of another length or
        missing, fractions that leave no training examples, an invalid seed, a scaling that does not fit.

    Example:
      >>> data = from_arrays(np.zeros((10, 4)), validation=0.2, test=0.2)
      >>> len(data.train.x), len(data.validation.x), len(data.test.x)
      (6, 2, 2)
    """
    allowed = missing or are_allowed_missing()
    with missing_values(allowed):
        given = opened(x, labels, columns=columns, ids=ids, name=name)
        whole, notes = _as_split(given, channels, name)
    rows = draw_rows(len(whole.x), _counts(len(whole.x), validation, test, seed), whole.labels, seed)
    splits = {split: whole.take(index) for split, index in rows.items()}
    scaling = _of_table(scaling, whole.x) if given.table else scaling
    return remember(_scaled(name, splits, given.raw.columns, scaling, notes=notes, missing=allowed), rows)


@public
def from_splits(
    train: Any,
    *,
    validation: Any = None,
    test: Any = None,
    name: str = "splits",
    columns: Sequence[str] | None = None,
    channels: Channels | None = None,
    scaling: Scaling | str | None = None,
    missing: bool = False,
) -> Dataset:
    """A data set from given splits.

    Args:
      train: examples, as :func:`from_arrays` takes them, ``[n, *shape]``; or a tuple ``(examples, labels)``.
      validation, test: the same, with examples of the same shape and type; None or no examples for no such split. Of
        tables, the columns of the training split are taken by their names.
      name: what results call it.
      columns, channels, scaling, missing: as in :func:`from_arrays`.

    Raises:
      InvalidInput: data that :func:`ae_jax.data.arrays.as_examples` refuses, another shape or type than the training
        examples, labels of another length or missing.

    Example:
      >>> data = from_splits((np.zeros((6, 4)), [0, 1, 0, 1, 0, 1]), test=np.ones((2, 4)))
      >>> len(data.train.x), len(data.validation.x), len(data.test.x)
      (6, 0, 2)
    """
    allowed, splits = missing or are_allowed_missing(), dict[str, Split]()
    names, notes, table = None if columns is None else tuple(columns), [], False
    for split, given in (("train", train), ("validation", validation), ("test", test)):
        what = f"the {split} split of {name}"
        if isinstance(given, tuple) and not isinstance(given, Split) and len(given) != 2:
            raise InvalidInput(f"{what} is a tuple of {len(given)}: expected examples, or a pair (examples, labels).")
        x, labels, *ids = given if isinstance(given, tuple) else (given, None)
        if split != "train" and (
            x is None or (hasattr(x, "__len__") and getattr(x, "shape", None) != () and len(x) == 0)
        ):
            splits[split] = Split(splits["train"].x[:0])
            continue
        with missing_values(allowed):
            found = opened(x, labels, columns=names, ids=ids[0] if ids else None, name=what)
            splits[split], said = _as_split(found, channels, what)
        if split == "train":
            names, notes, table = found.raw.columns, said, found.table
        if (own := splits[split].x.shape[1:]) != (shape := splits["train"].x.shape[1:]):
            raise InvalidInput(f"{what} has examples of shape {own}: expected {shape}, as in the train split.")
        if (stored := splits[split].x.dtype) != (expected := splits["train"].x.dtype):
            raise InvalidInput(
                f"{what} is stored as {stored} and the train split as {expected}: expected one type, as one scaling "
                "holds for all."
            )
    scaling = _of_table(scaling, splits["train"].x) if table else scaling
    return _scaled(name, splits, names, scaling, notes=notes, missing=allowed)


def from_raw(
    contents: Mapping[str, RawData],
    *,
    name: str,
    scaling: Scaling | str | None = None,
    reading: ReadOptions = ReadOptions(),
    seed: int = 0,
) -> Dataset:
    """A data set from ``"all"`` examples of a source, or from its splits; a missing one is held out of ``"train"``.

    By default a table is standardised: vectors of numbers that are no bytes and leave [0, 1].
    """
    source = contents["all" if "all" in contents else "train"]
    scaling = _of_table(scaling, np.asarray(source.x))
    split = from_arrays(
        source.x,
        source.labels,
        name=name,
        columns=source.columns,
        ids=source.ids,
        channels=reading.channels,
        validation=0.0 if "validation" in contents else VALIDATION,
        test=0.0 if "test" in contents else TEST,
        scaling=scaling if "all" in contents else "none",
        seed=seed,
    )
    drawn = split.drawn or {}
    if "all" not in contents:
        held_out = {
            part: Split(*contents[part][:2], contents[part].ids) if part in contents else getattr(split, part)
            for part in ("validation", "test")
        }
        layout = {"channels": reading.channels, "columns": source.columns}
        given = from_splits(split.train, **held_out, name=name, scaling=scaling, **layout)
        split = dataclasses.replace(given, notes=tuple(dict.fromkeys((*split.notes, *given.notes))))
    drawn = {part: rows for part, rows in drawn.items() if part == "train" or part not in contents}
    return remember(dataclasses.replace(split, reading=reading), drawn)


def from_rows(
    rows: Rows,
    held_out: dict[str, RawData] | None = None,
    *,
    name: str,
    scaling: Scaling | str | None = None,
    reading: ReadOptions = ReadOptions(),
    seed: int = 0,
) -> Dataset:
    """A data set whose training examples are streamed; name, scaling and seed as in :func:`from_raw`.

    All examples are read once, to check them and to fit the scaling. A tenth and a fifth of them, but no more than
    10,000 each and a sixteenth of the budget, are held out for validation and test, and as many of the training
    examples are sampled into ``train``, which probes and baselines learn from.

    Args:
      rows: the source.
      held_out: validation and test splits that come with the source; they are not drawn from the rows then.
      reading: how the source was read; with the device's budget.
    """
    total = sum(rows.lengths)
    given = {split: held_out[split] for split in ("validation", "test") if held_out and split in held_out}
    most = min(_HELD_OUT, max(1, reading.budget // (_SHARE * bytes_of_one(rows))))
    counts = {split: min(count, most) for split, count in _counts(total, VALIDATION, TEST, seed).items()}
    sizes = [0 if split in given else counts[split] for split in ("validation", "test")]
    sizes.append(min(most, total - sum(sizes)))
    chosen = np.random.default_rng(seed).choice(total, sum(sizes), replace=False)
    validation, test, sample = (np.sort(part) for part in np.split(chosen, np.cumsum(sizes)[:-1]))
    stream = Stream(rows=rows, held_out=np.sort(np.concatenate([validation, test])), budget=reading.budget, seed=seed)
    taken = {"train": sample, "validation": validation, "test": test}
    with missing_values(False):
        statistics, found, digest = survey(stream, taken, moments=scaling in (None, "standard"))
    stream = dataclasses.replace(stream, digest=digest)
    scaling = _of_table(scaling, np.array([statistics.low, statistics.high], rows.dtype))
    if np.dtype(rows.dtype).kind in "iu":
        warn_of_lost_digits(float(np.min(statistics.low)), float(np.max(statistics.high)), name)
    splits = {
        split: Split(as_examples(one.x, f"the {split} split of {name}") if len(one.x) else one.x, one.labels)
        for split, one in (found | given).items()
    }
    return _scaled(name, splits, rows.columns, scaling, stream=stream, statistics=statistics, reading=reading)


def balanced_rows(labels: np.ndarray, count: int, *, seed: int) -> np.ndarray:
    """Rows of a few labelled examples, drawn by a seed, with classes as equal in number as possible.

    With the same seed, the rows of fewer examples are among those of more.

    Args:
      labels: the class of each example, ``[n]``.
      count: how many rows, from one for each class to all.
      seed: of the draw, from 0 to 2**32 - 1.

    Returns:
      The rows, ascending, ``[count]``.

    Raises:
      InvalidInput: fewer than there are classes, or more than there are examples.

    Example:
      >>> labels = np.array(["a", "b", "b", "b", "a"])
      >>> labels[balanced_rows(labels, 4, seed=0)].tolist().count("a")
      2

    References:
      Rasmus et al., *Semi-supervised learning with ladder networks*, NeurIPS 2015, section 4.1, whose few labels are
      balanced over classes.
    """
    classes, y = np.unique(labels, return_inverse=True)
    if not len(classes) <= size("balanced_rows", "count", count) <= len(labels):
        raise InvalidInput(
            f"{count} labels were asked for, of {len(labels)} examples in {len(classes)} classes: expected at least "
            "one for each class and at most all."
        )
    shuffled = np.random.default_rng(seed).permutation(len(y))
    by_class = shuffled[np.argsort(y[shuffled], kind="stable")]
    rounds = np.concatenate([np.arange(examples) for examples in np.bincount(y)])
    return np.sort(by_class[np.argsort(rounds, kind="stable")[:count]])


def _of_table(scaling: Scaling | str | None, x: np.ndarray) -> Scaling | str | None:
    """The scaling of a table, which is standardised by default where it leaves [0, 1]."""
    return "standard" if scaling is None and leaves_unit(x) else scaling


def _scaled(
    name: str, splits: dict[str, Split], columns: tuple[str, ...] | None, scaling: Scaling | str | None, **further: Any
) -> Dataset:
    """The data set of these splits, with a scaling that is chosen or fitted where it is not given."""
    if columns is not None and (len(columns),) != (shape := splits["train"].x.shape[1:]):
        raise InvalidInput(f"{name} was given {len(columns)} column names for examples of shape {shape}.")
    unseen = np.isnan(splits["train"].x).all(axis=0) if further.get("missing") else np.zeros(1, bool)
    if unseen.any():
        place = tuple(int(each) for each in np.argwhere(unseen)[0])
        column = repr(columns[place[0]]) if columns else place
        raise InvalidInput(f"{name} has no value of feature {column} to train on: expected one; leave the feature out.")
    chosen, notes = scaling_of(name, splits, columns, scaling, further.get("statistics"))
    notes = (*further.pop("notes", ()), *notes)
    return Dataset(name=name, scaling=chosen, columns=columns, notes=notes, **splits, **further)


def _counts(examples: int, validation: float, test: float, seed: int) -> dict[str, int]:
    """The number of held-out examples of each split, from checked fractions and seed."""
    if not (0 <= validation < 1 and 0 <= test < 1 and validation + test < 1):
        raise InvalidInput(
            f"the split was given validation={validation} and test={test}: expected fractions that sum below 1."
        )
    if not (isinstance(seed, (int, np.integer)) and 0 <= seed < 2**32):
        raise InvalidInput(f"the split was given the seed {seed}: expected an integer from 0 to 2**32 - 1.")
    counts = {"validation": round(validation * examples), "test": round(test * examples)}
    if sum(counts.values()) >= examples:
        raise InvalidInput(f"{examples} examples leave none to train on: give more, or smaller fractions.")
    return counts


def _as_split(given: Opened, channels: Channels | None, what: str) -> tuple[Split, list[str]]:
    """A split from what was given, and what was guessed of its layout."""
    raw = given.raw
    x, notes = channels_last(as_examples(raw.x, what), channels, what)
    labels = None if raw.labels is None else as_labels(raw.labels, len(x), f"the labels of {what}")
    return Split(x, labels, None if raw.ids is None else as_labels(raw.ids, len(x), f"the ids of {what}")), notes
