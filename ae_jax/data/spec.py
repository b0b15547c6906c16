"""The specification of a data set, which a run remembers and checks later data against."""

import math
import warnings
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from ae_jax._checks import positive_whole, widths
from ae_jax.components import component, static
from ae_jax.data.arrays import are_allowed_missing, as_examples, missing_values, require_shape
from ae_jax.data.containers import as_frame, opened
from ae_jax.data.frames import from_frame
from ae_jax.data.layout import Channels, as_trained
from ae_jax.data.scaling import Scaling
from ae_jax.data.streaming import DEVICE_BUDGET
from ae_jax.errors import InvalidInput
from ae_jax.types import Shape

_REACH, _FAR = 10, 100
"""Multiples of the range's width beyond which values are refused or warned of; noise stays within them."""

_PIXELS = 2**26
"""Of one image: about as many as Pillow takes before it suspects a file that was made to fill the memory."""


Label: TypeAlias = int | str
"""The name of a class, in a form that JSON can say."""


@component
class ReadOptions:
    """How a source is read.

    Attributes:
      label: name of the label's column, or of the array of labels.
      id: name of the column of ids, which name the examples in results and are no feature.
      columns: names of the feature columns; by default all but the label and the id.
      color: ``"grey"`` or ``"rgb"``, to which the images of a folder are converted.
      channels: where images have their channels, ``"first"`` or ``"last"``; by default they are looked for.
      separator: of the values of a ``.csv`` or ``.tsv`` file; by default it is found in the first line.
      image_size: height and width that the images of a folder are brought to.
      header: whether the first line of a ``.csv`` or ``.tsv`` file names the columns.
      transpose: the examples are along the last axis of an array, as the columns of a matrix.
      shape: of an example, such as height and width, to which each row is brought.
      budget: bytes of examples that the device may hold; what is held out of a larger source depends on it.
    """

    label: str | None = static(default=None)
    id: str | None = static(default=None)
    columns: Sequence[str] | None = static(default=None)
    color: Literal["grey", "rgb"] | None = static(default=None)
    channels: Channels | None = static(default=None)
    separator: str | None = static(default=None)
    image_size: tuple[int, int] | None = static(default=None)
    header: bool = static(default=True)
    transpose: bool = static(default=False)
    shape: Sequence[int] | None = static(default=None)
    budget: int = static(default=DEVICE_BUDGET)

    def __post_init__(self) -> None:
        positive_whole(self, "budget", self.budget)
        if self.columns is not None:
            names = (self.columns,) if isinstance(self.columns, str) else tuple(self.columns)
            object.__setattr__(self, "columns", names)
        if self.separator is not None:
            object.__setattr__(self, "separator", self.separator.replace("\\t", "\t"))
            if len(self.separator) != 1:
                raise InvalidInput(f"ReadOptions was given separator={self.separator!r}: expected one character.")
        for name, known in (("color", ("grey", "rgb")), ("channels", ("first", "last"))):
            if getattr(self, name) not in (None, *known):
                raise InvalidInput(
                    f"ReadOptions was given {name}={getattr(self, name)!r}: expected {' or '.join(known)}."
                )
        if self.image_size is not None:
            object.__setattr__(self, "image_size", widths(self, "image_size", tuple(self.image_size)))
            if len(self.image_size) != 2:
                raise InvalidInput(f"ReadOptions was given image_size={self.image_size}: expected height and width.")
            if math.prod(self.image_size) > _PIXELS:
                raise InvalidInput(
                    f"ReadOptions was given image_size={self.image_size}: expected {_PIXELS:,} pixels at most."
                )
        if self.shape is not None:
            object.__setattr__(self, "shape", widths(self, "shape", tuple(self.shape)))
            if not self.shape:
                raise InvalidInput(
                    "ReadOptions was given an empty shape: expected one number or more, such as (28, 28)."
                )


@component
class DataSpec:
    """Name, shape, type, range and scaling of a data set.

    Attributes:
      name: what results call it.
      shape: of one example.
      dtype: that it is stored in.
      examples: of each split.
      low, high: the lowest and the highest stored value of the training split.
      likelihood: name of the default likelihood: ``"BernoulliLikelihood"`` where all values lie in [0, 1] in model
        units, else ``"GaussianLikelihood"``.
      columns: names of the features, or None.
      classes: the distinct labels of the training examples, sorted, or None; the condition ``k`` of a conditional
        autoencoder means the label ``classes[k]``.
      reading: how its source was read.
      scaling: from stored values to model units.
    """

    name: str = static()
    shape: Shape = static()
    dtype: str = static()
    examples: dict[str, int] = static()
    low: float = static()
    high: float = static()
    likelihood: Literal["BernoulliLikelihood", "GaussianLikelihood"] = static()
    columns: tuple[str, ...] | None = static(default=None)
    classes: tuple[Label, ...] | None = static(default=None)
    reading: ReadOptions = static(default=ReadOptions())
    scaling: Scaling = Scaling()

    @property
    def unit_interval(self) -> bool:
        """Whether all values lie in [0, 1] in model units."""
        return self.likelihood == "BernoulliLikelihood"

    def raw(self, x: Any, what: str = "data", *, missing: bool = False) -> np.ndarray:
        """Later examples before scaling, as a device stores them, checked against this specification.

        The columns of a table are taken by their names, and images with channels first as images trained on. NaN is
        refused unless values may be ``missing``.

        Raises:
          InvalidInput: data that :func:`ae_jax.data.arrays.as_examples` refuses, a column that is missing, another
            shape, or another range (see :meth:`require_range`).
        """
        frame, columns = as_frame(x), self.columns or (self.reading.columns if self.reading.shape else None)
        with missing_values(missing or are_allowed_missing()):
            if frame is not None and columns:
                x = from_frame(frame, columns=columns, name=what).x.reshape(-1, *self.shape)
            examples = as_trained(as_examples(opened(x, name=what).raw.x, what), self.shape)
        require_shape(examples, self.shape, what)
        self.require_range(examples, what)
        return examples

    def require_range(self, x: np.ndarray, what: str = "data") -> None:
        """Raises where examples are plainly in other units than the training data.

        Data that were in [0, 1] in model units may leave it by ten times its width, as noise does; and where bytes were
        trained on, fractions within [0, 1] are refused. Other data may have any value, with a warning from a hundred
        times the width of the training range on.
        """
        if not self.unit_interval:
            width = _FAR * (self.high - self.low)
            if x.min() < self.low - width or x.max() > self.high + width:
                warnings.warn(
                    f"{what} has values from {x.min():g} to {x.max():g}, and the autoencoder was trained on values "
                    f"from {self.low:g} to {self.high:g}: they may be in other units.",
                    stacklevel=3,
                )
            return
        ends = [np.asarray(self.scaling.invert(np.full(self.shape, end, np.float32))) for end in (0, 1)]
        low, high = np.minimum(*ends), np.maximum(*ends)
        outside = (x < low - _REACH * (high - low)) | (x > high + _REACH * (high - low))
        if outside.any():
            place = tuple(int(index) for index in np.argwhere(outside)[0])
            column = f" in column {self.columns[place[1]]!r}" if self.columns else ""
            raise InvalidInput(
                f"{what} has the value {x[place]:g} at index {place}{column}: expected about {low[place[1:]]:g} to "
                f"{high[place[1:]]:g}, as the autoencoder was trained on; give the data in the units of then."
            )
        whole = np.dtype(self.dtype) == np.uint8 and self.high > 1
        if whole and x.dtype != np.uint8 and x.min() >= 0 and x.max() <= 1 and (x != np.rint(x)).any():
            raise InvalidInput(
                f"{what} has fractions from {x.min():g} to {x.max():g}: expected whole numbers from {self.low:g} to "
                f"{self.high:g}, as the autoencoder was trained on; it scales them itself."
            )
