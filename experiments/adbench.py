"""ADBench's tables, half of them for choosing and half for reporting, and the protocols by which they are split.

A folder holds files ``NUMBER_NAME.npz`` with X ``[rows, features]`` and y ``[rows]``, 1 where a row is abnormal.

Halves: of the files sorted by number, the first, third, ... are for *development* (annthyroid, cardio, glass, letter,
musk, PageBlocks, Pima, satimage-2, SpamBase, vowels, WDBC); the second, fourth, ... are for the *report* (breastw,
fault, Ionosphere, mammography, optdigits, pendigits, satellite, shuttle, thyroid, Waveform, wine).

Protocols, by the random numbers of the code published with Livernoche et al., *On diffusion modeling for anomaly
detection*, ICLR 2024, but for the first:

- *duplicate-free*: distinct rows; trained on the first half of the normal rows, tested on the others and everything
  abnormal;
- *semi-supervised*: the same with sets below 1,000 rows drawn to 1,000 with replacement before they are split, which
  puts copies of the same row on both sides; settings are those chosen on distinct rows;
- *unsupervised*: drawn likewise; trained on rows drawn with replacement from all, tested on all.

Features have mean 0 and standard deviation 1 in training (unsupervised: before the draw). Sets above 50,000 rows are
drawn to as many without replacement.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.preprocessing import StandardScaler

from ae_jax.errors import InvalidInput

FEWEST, MOST = 1_000, 50_000
HALVES = {"development": 0, "report": 1}


class Table(NamedTuple):
    """A data set: rows, and which of them are abnormal."""

    name: str
    x: np.ndarray
    abnormal: np.ndarray


class Fold(NamedTuple):
    """Training rows, test rows, and which test rows are abnormal."""

    train: np.ndarray
    test: np.ndarray
    abnormal: np.ndarray


def read_tables(folder: Path, half: str) -> Iterator[Table]:
    """Reads every other set of a folder in the order of their numbers."""
    if half not in HALVES:
        raise InvalidInput(f"--half was given {half}: expected {' or '.join(HALVES)}.")
    paths = sorted(folder.glob("*_*.npz"), key=lambda path: int(path.stem.split("_")[0]))
    if not paths:
        raise InvalidInput(f"{folder} holds no files NUMBER_NAME.npz: expected a folder of ADBench's sets.")
    for path in paths[HALVES[half] :: 2]:
        with np.load(path, allow_pickle=False) as arrays:
            x, abnormal = arrays["X"].astype(np.float64), arrays["y"].astype(bool).ravel()
        yield Table(path.stem.split("_", 1)[1], x, abnormal)


def drawn(table: Table, seed: int) -> tuple[Table, np.random.RandomState]:
    """Returns a set resampled to between 1,000 and 50,000 rows, and the generator in its state after that."""
    random = np.random.RandomState(seed)
    name, x, abnormal = table
    if len(x) < FEWEST:
        rows = random.choice(np.arange(len(x)), FEWEST, replace=True)
        x, abnormal = x[rows], abnormal[rows]
    if len(x) > MOST:
        random = np.random.RandomState(seed)
        rows = random.choice(np.arange(len(x)), MOST, replace=False)
        x, abnormal = x[rows], abnormal[rows]
    return Table(name, x, abnormal), random


def half_of_normals(table: Table) -> Fold:
    """Splits into the first half of the normal rows and all others."""
    normal, abnormal = np.flatnonzero(~table.abnormal), np.flatnonzero(table.abnormal)
    half = round(0.5 * len(normal))
    train, test = normal[:half], np.concatenate([normal[half:], abnormal])
    scaler = StandardScaler().fit(table.x[train])
    scaled = [np.asarray(scaler.transform(table.x[rows])) for rows in (train, test)]
    return Fold(scaled[0], scaled[1], table.abnormal[test])


def semi_supervised(table: Table, seed: int) -> Fold:
    return half_of_normals(drawn(table, seed)[0])


def duplicate_free(table: Table, seed: int) -> Fold:
    """Splits distinct rows; sets of more than 50,000 rows are sampled as published."""
    kept = np.sort(np.unique(np.column_stack([table.x, table.abnormal]), axis=0, return_index=True)[1])
    distinct = Table(table.name, table.x[kept], table.abnormal[kept])
    return half_of_normals(drawn(distinct, seed)[0] if len(kept) > MOST else distinct)


def unsupervised(table: Table, seed: int) -> Fold:
    table, random = drawn(table, seed)
    x = StandardScaler().fit_transform(table.x)
    # The published code draws none of the abnormal rows here, which advances its generator all the same.
    random.choice(np.flatnonzero(table.abnormal), 0, replace=False)
    rows = random.choice(np.arange(len(x)), len(x), replace=True)
    return Fold(x[rows], x, table.abnormal)


PROTOCOLS: dict[str, Callable[[Table, int], Fold]] = {
    "duplicate-free": duplicate_free,
    "semi-supervised": semi_supervised,
    "unsupervised": unsupervised,
}
