"""The options of checkpoints and resuming, where the checkpoints of a study lie, and that one process has them."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import arg

from ae_jax.cli.options import WHOLE, one, read_number
from ae_jax.errors import InvalidInput

if TYPE_CHECKING:
    from ae_jax.training import Checkpoints

NEVER = arg(help_behavior_hint="(default: by the minutes alone)")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Checkpointing:
    """How training is saved, and whether it goes on.

    Attributes:
      resume: go on with the same command's training that was interrupted or killed, to the very same results.
      extend: with --resume, allow more --epochs than before.
      checkpoint_minutes: minutes after which training is saved, beside the folder of --out in one of its name and
        .checkpoints.
      checkpoint_epochs: epochs after which it is saved.
      checkpoint_steps: steps after which it is saved.
      keep: how many checkpoints stay.
    """

    resume: Annotated[bool, arg(help_behavior_hint="")] = False
    extend: Annotated[bool, arg(help_behavior_hint="")] = False
    checkpoint_minutes: Annotated[float, one(read_number, "X")] = 1.0
    checkpoint_epochs: Annotated[int | None, WHOLE, NEVER] = None
    checkpoint_steps: Annotated[int | None, WHOLE, NEVER] = None
    keep: Annotated[int, WHOLE] = 2

    def checkpoints(self, folder: Path) -> "Checkpoints":
        """Where and how often training is saved.

        Raises:
          InvalidInput: a number that cannot be used.
        """
        from ae_jax.training import Checkpoints

        return Checkpoints(
            folder=folder,
            every_minutes=self.checkpoint_minutes,
            every_epochs=self.checkpoint_epochs,
            every_steps=self.checkpoint_steps,
            keep=self.keep,
        )

    def settings(self, folder: Path) -> dict[str, Any]:
        """The arguments of studies that these options are.

        Raises:
          InvalidInput: options that do not go together, or a number that cannot be used.
        """
        if self.extend and not self.resume:
            raise InvalidInput("--extend was given without --resume: expected both, to go on to more --epochs.")
        return {"checkpoints": self.checkpoints(folder), "resume": "extend" if self.extend else self.resume}


def beside(folder: Path, kind: str) -> Path:
    """The folder of that name and kind beside another, which may be replaced as a whole.

    Example:
      >>> beside(Path("runs/compare-digits"), "checkpoints").as_posix()
      'runs/compare-digits.checkpoints'
    """
    whole = folder if folder.name not in ("", "..") else folder.resolve()
    return Path(f"{whole}.{kind}")


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keeps another process from the same study; folders that were made for that alone do not stay.

    Raises:
      InvalidInput: another process has it.
    """
    from ae_jax.locks import locked

    lock, made = folder / "lock", [part for part in (folder, *folder.parents) if not part.exists()]
    with locked(lock, f"another process works in {folder}: wait until it is done, or choose another --out."):
        try:
            yield
        finally:
            with suppress(OSError):  # somebody removed the folder, or another process waits for its turn
                if [entry.name for entry in folder.iterdir()] == [lock.name]:
                    lock.unlink()
                    for part in made:
                        part.rmdir()
