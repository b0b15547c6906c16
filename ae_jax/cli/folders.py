"""The folders of a study: their names, whether they can be written, and the lock of the process that works in them."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ae_jax.data.writing import require_writable
from ae_jax.locks import locked
from ae_jax.training.run import require_replaceable


def default_folder(*names: str) -> Path:
    """Returns the folder of a study that is written where no other was asked for.

    Example:
      >>> default_folder("compare", "../digits").as_posix()
      'runs/compare-digits'
    """
    from ae_jax.studies import path_component

    return Path("runs") / "-".join(map(path_component, names))


def runs_folder(folder: Path, name: str) -> Path:
    """Returns the folder of one run of a study."""
    from ae_jax.studies import path_component

    return folder / "runs" / path_component(name)


def beside(folder: Path) -> Path:
    """Returns the folder of checkpoints beside the folder of a study, which may be replaced as a whole.

    Example:
      >>> beside(Path("runs/compare-digits")).as_posix()
      'runs/compare-digits.checkpoints'
    """
    whole = folder if folder.name not in ("", "..") else folder.resolve()
    return Path(f"{whole}.checkpoints")


def require_free(folder: Path, runs: list[Path]) -> None:
    """Raises where a folder cannot be written, or a run would replace something that is no run."""
    writable(folder)
    for place in runs:
        require_replaceable(place)


def writable(folder: Path) -> Path:
    """Returns the folder, or raises where no files can be written there; leaves everything as it was."""
    require_writable(folder / "results.csv")
    return folder


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Excludes other processes from a study; removes folders that were made for the lock alone."""
    lock, made = folder / "lock", [part for part in (folder, *folder.parents) if not part.exists()]
    with locked(lock, f"another process works in {folder}: wait until it is done, or choose another --out."):
        try:
            yield
        finally:
            with suppress(OSError):  # the folder was removed, or another process waits for its turn
                if [entry.name for entry in folder.iterdir()] == [lock.name]:
                    lock.unlink()
                    for part in made:
                        part.rmdir()
