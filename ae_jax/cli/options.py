"""The options that commands share, and how each kind of value is read, refused and shown."""

import dataclasses
import inspect
import math
from collections.abc import Callable
from typing import Annotated, Any

from tyro.conf import arg
from tyro.constructors import PrimitiveConstructorSpec


def read_whole(text: str) -> int:
    """A whole number, or the reason why not."""
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"was given {text!r}: expected a whole number.") from None


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


WHOLE = one(read_whole, "N")

Json = Annotated[bool, arg(help_behavior_hint="")]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training:
    """On what is trained and for how long.

    Attributes:
      data: a data set by its name, see ae-jax data list; or tfds:NAME, prepared by TensorFlow Datasets; or a .npy file
        of examples; or a .npz file with examples under x and any labels under y.
      seeds: how many seeds; the members have the seeds 0 to N-1.
      epochs: how often every example is seen, at most.
      batch_size: examples in a step.
      patience: epochs without a lower validation loss after which a member stops.
    """

    data: Annotated[str, one(str, "NAME|FILE")] = "digits"
    seeds: Annotated[int, WHOLE] = 5
    epochs: Annotated[int, WHOLE] = 200
    batch_size: Annotated[int, WHOLE] = 64
    patience: Annotated[int | None, WHOLE, arg(help_behavior_hint="(default: trains all epochs)")] = None

    def settings(self) -> dict[str, Any]:
        """The arguments of studies that these options are."""
        return {
            "seeds": range(self.seeds),
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "patience": self.patience,
        }


def option_names(command: Callable[..., Any]) -> list[str]:
    """Every option of a command, as it is typed."""
    names = ["--help"]
    for parameter in inspect.signature(command).parameters.values():
        if dataclasses.is_dataclass(parameter.annotation):
            names += [field.name for field in dataclasses.fields(parameter.annotation)]
        elif parameter.kind is parameter.KEYWORD_ONLY:
            names.append(parameter.name)
    return ["--" + name.lstrip("-").replace("_", "-") for name in names]
