"""What a data set of ours is made of: where its files come from, how they are read and what they must hold."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np

from ae_jax.types import Shape

Columns: TypeAlias = Mapping[str, np.ndarray]
"""One split: ``image`` as bytes, ``[n, *shape]``, and any labels as 64-bit integers, ``[n]``."""


class Form(NamedTuple):
    """One form that a data set's files come in.

    Attributes:
      files: the names of all of them, as they stand in a folder.
      read: from their paths, in that order, to the splits by name.
      originals: whether only the files themselves can be verified, by their recorded checksums, and not what they hold.
    """

    files: tuple[str, ...]
    read: Callable[[list[Path]], dict[str, Columns]]
    originals: bool = False


class Expected(NamedTuple):
    """What a split must hold.

    Attributes:
      count: of examples.
      digests: SHA-256 of each column's bytes in C order, images as bytes and labels as little-endian 64-bit integers;
        empty where they are not known.
    """

    count: int
    digests: Mapping[str, str] = {}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """How one data set is prepared.

    Attributes:
      name: of the data set, and of its folder.
      description: one sentence.
      homepage, citation, licence: of those who made it; the licence as they state it.
      shape: of one image.
      splits: what each must hold.
      urls: of the files of the first form, in their order.
      forms: that its files may come in; downloads have the first.
      labels: the columns beside ``image``; the first is what one predicts.
    """

    name: str
    description: str
    homepage: str
    citation: str
    licence: str
    shape: Shape
    splits: Mapping[str, Expected]
    urls: tuple[str, ...]
    forms: tuple[Form, ...]
    labels: tuple[str, ...] = ()
