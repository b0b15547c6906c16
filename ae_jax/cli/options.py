"""The options that commands share, and how each kind of value is read, refused and shown."""

import dataclasses
import inspect
import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, get_args

from tyro.conf import arg
from tyro.constructors import PrimitiveConstructorSpec

from ae_jax.errors import unknown

if TYPE_CHECKING:
    from ae_jax.data import Dataset, ReadOptions


def read_whole(text: str) -> int:
    """A whole number, or the reason why not."""
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"was given {text!r}: expected a whole number.") from None


def read_seed(text: str) -> int:
    """A seed, or the reason why not."""
    if not 0 <= (seed := read_whole(text)) < 2**32:
        raise ValueError(f"was given {text!r}: expected a whole number from 0 to {2**32 - 1}.")
    return seed


def read_number(text: str) -> float:
    """A finite number, or the reason why not."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"was given {text!r}: expected a number.")
    return number


def one(read: Callable[[str], Any], metavar: str) -> Any:
    """An option of one value."""
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=metavar,
        instance_from_str=lambda texts: read(texts[0]),
        is_instance=lambda _: True,
        str_from_instance=lambda value: [show(value)],
    )


def several(read: Callable[[str], Any], metavar: str, *, least: int = 0) -> Any:
    """An option of any number of values, at least so many."""

    def read_all(texts: list[str]) -> tuple[Any, ...]:
        if len(texts) < least:
            raise ValueError("was given no value: expected at least one.")
        return tuple(read(text) for text in texts)

    return PrimitiveConstructorSpec(
        nargs="*",
        metavar=f"{metavar} [{metavar} ...]" if least else f"[{metavar} ...]",
        instance_from_str=read_all,
        is_instance=lambda _: True,
        str_from_instance=lambda values: [show(value) for value in values or ()],
    )


def show(value: Any) -> str:
    """A default as help states it."""
    if value is None:
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def read_bytes(text: str) -> int:
    """A number of bytes, with a unit or without, or the reason why not."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?", text.strip(), re.IGNORECASE)
    if match is None or not (size := int(float(match[1]) * 1024 ** " KMGT".index(match[2].upper() or " "))):
        raise ValueError(f"was given {text!r}: expected a size such as 512MB or 2GB.")
    return size


def read_shape(texts: list[str]) -> tuple[int, ...]:
    """Height, width and any channels of an example from two or three whole numbers, or the reason why not."""
    shape = tuple(read_whole(text) for text in texts)
    if len(shape) not in (2, 3) or min(shape) < 1:
        raise ValueError(
            f"was given {' '.join(texts) or 'nothing'}: expected height and width, and channels where there are any."
        )
    return shape


def read_corruption(text: str) -> tuple[str, float]:
    """Family and level of a corruption, or the reason why not."""
    family, colon, level = text.partition(":")
    try:
        if family and colon:
            return family, read_number(level)
    except ValueError:
        pass
    raise ValueError(f"was given {text!r}: expected FAMILY:LEVEL, such as gaussian:0.3.")


def read_size(texts: list[str]) -> tuple[int, int] | None:
    """Height and width of an image from one or two whole numbers, or the reason why not."""
    sides = [read_whole(text) for text in texts]
    if len(sides) not in (1, 2) or min(sides) < 1:
        raise ValueError(f"was given {' '.join(texts) or 'nothing'}: expected a side, or height and width, in pixels.")
    return sides[0], sides[-1]


WHOLE = one(read_whole, "N")
SEED = one(read_seed, "N")

Json = Annotated[bool, arg(help_behavior_hint="")]

Source = Annotated[str, one(str, "NAME|PATH")]
"""Where data come from."""

_SIZE = PrimitiveConstructorSpec(
    nargs="*",
    metavar="PIXELS [PIXELS]",
    instance_from_str=read_size,
    is_instance=lambda _: True,
    str_from_instance=lambda value: [str(side) for side in value or ()],
)
_SHAPE = PrimitiveConstructorSpec(
    nargs="*",
    metavar="H W [C]",
    instance_from_str=read_shape,
    is_instance=lambda _: True,
    str_from_instance=lambda value: [str(side) for side in value or ()],
)
_BUDGET = PrimitiveConstructorSpec(
    nargs=1,
    metavar="SIZE",
    instance_from_str=lambda texts: read_bytes(texts[0]),
    is_instance=lambda _: True,
    str_from_instance=lambda value: [f"{value // 2**20}MB"],
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Data:
    """On what is trained.

    Attributes:
      data: a data set by its name, see ae-jax data list; or tfds:NAME[:CONFIG], prepared by TensorFlow Datasets; or a
        file: .npy, .npz, .csv, .tsv, .parquet, .mat, idx, with :KEY behind it where it holds several arrays; or a
        folder of images (class subfolders are labels), of idx files, or of .npy or .parquet shards.
      label: name of the label column of a table, or of the labels in a .npz or .mat file.
      columns: names of the feature columns of a table.
      header: the first line of a .csv or .tsv file is an example, and the columns are named 0, 1 and so on.
      image_size: side in pixels, or height and width, that images of a folder are brought to.
      shape: height, width and any channels of an example, where a .csv, .parquet, .npy, .npz or .mat file holds it as a
        row of numbers; of a .mat file in MATLAB's order.
      transpose: the examples are the columns of the matrix in a .npy, .npz or .mat file, or lie along its array's last
        axis.
      scaling: unit brings values to [0, 1], standard to mean 0 and standard deviation 1, each feature of rows by
        itself; none leaves them; fitted on the training split.
      device_budget: what examples may take on the device; larger .npy and .parquet sources and prepared data sets are
        streamed in chunks.
    """

    data: Source = "digits"
    label: Annotated[str | None, one(str, "NAME"), arg(help_behavior_hint="(default: y of a .npz file)")] = None
    columns: Annotated[
        Any, several(str, "NAME", least=1), arg(help_behavior_hint="(default: all columns but the label)")
    ] = None
    header: Annotated[bool, arg(help_behavior_hint="")] = True
    image_size: Annotated[Any, _SIZE, arg(help_behavior_hint="(default: as they are, all of one size)")] = None
    shape: Annotated[Any, _SHAPE, arg(help_behavior_hint="(default: as the source has it)")] = None
    transpose: Annotated[bool, arg(help_behavior_hint="")] = False
    scaling: Annotated[
        str | None, one(str, "NAME"), arg(help_behavior_hint="(default: unit for bytes, none for other numbers)")
    ] = None
    device_budget: Annotated[int, _BUDGET] = 2**30

    def load(self) -> "Dataset":
        """The data set that these options name.

        Raises:
          InvalidInput: it cannot be loaded.
        """
        from ae_jax.data import load

        return load(self.data, self.reading(), scaling=self.scaling)

    def reading(self) -> "ReadOptions":
        """How the source is read.

        Raises:
          InvalidInput: a number that cannot be used.
        """
        from ae_jax.data import ReadOptions

        return ReadOptions(
            label=self.label,
            columns=self.columns,
            header=self.header,
            image_size=self.image_size,
            transpose=self.transpose,
            shape=self.shape,
            budget=self.device_budget,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training:
    """For how long is trained.

    Attributes:
      seeds: how many seeds; the members have the seeds 0 to N-1.
      epochs: how often every example is seen, at most.
      batch_size: examples in a step.
      patience: epochs without a lower validation loss after which a member stops.
      on_divergence: what is done about a loss or gradient that is NaN or infinite: stop ends the member with its last
        good parameters, skip leaves out the step, rollback goes back an epoch at half the learning rate.
    """

    seeds: Annotated[int, WHOLE] = 5
    epochs: Annotated[int, WHOLE] = 200
    batch_size: Annotated[int, WHOLE] = 64
    patience: Annotated[int | None, WHOLE, arg(help_behavior_hint="(default: trains all epochs)")] = None
    on_divergence: Annotated[str, one(str, "NAME")] = "stop"

    def settings(self) -> dict[str, Any]:
        """The arguments of studies that these options are.

        Raises:
          InvalidInput: nobody knows what is to be done about divergence.
        """
        from ae_jax.training import OnDivergence

        if self.on_divergence not in get_args(OnDivergence):
            raise unknown("policy of divergence", self.on_divergence, get_args(OnDivergence))
        return {
            "seeds": range(self.seeds),
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "patience": self.patience,
            "on_divergence": self.on_divergence,
        }


def option_names(command: Callable[..., Any]) -> list[str]:
    """Every option of a command, as it is typed."""
    names = ["--help"]
    for parameter in inspect.signature(command).parameters.values():
        if dataclasses.is_dataclass(parameter.annotation):
            names += [field.name for field in dataclasses.fields(parameter.annotation)]
        elif parameter.kind is parameter.KEYWORD_ONLY:
            names.append(parameter.name)
    return ["--" + name.strip("-_").replace("_", "-") for name in names]
