"""What a source holds, as it stands there: before it is split, scaled and checked as a data set."""

from typing import Any, NamedTuple

import numpy as np


class RawData(NamedTuple):
    """Examples of one source, or of one split of it.

    Attributes:
      x: ``[n, *shape]``, in the type that they are stored in.
      labels: ``[n]``, or None.
      columns: names of the features, where the source names them; else None.
    """

    x: Any
    labels: np.ndarray | None = None
    columns: tuple[str, ...] | None = None
