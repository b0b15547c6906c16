"""What is said while a data set is prepared."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias


class Preparing(NamedTuple):
    """How far one file's download, or the writing of one split, has come.

    Attributes:
      what: such as ``"mnist: download train-images-idx3-ubyte.gz"`` or ``"mnist: write train"``.
      done: bytes downloaded or examples written.
      total: as many as there will be; None where a server does not say.
    """

    what: str
    done: int
    total: int | None


OnProgress: TypeAlias = Callable[[Preparing], object]
"""What takes it in: called now and then, and when all of a file or a split is done."""
