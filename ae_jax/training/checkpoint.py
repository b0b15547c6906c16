"""Arrays on disk, by Orbax; the only file that names it."""

from pathlib import Path

import numpy as np

from ae_jax.errors import InvalidInput


def write_arrays(folder: Path, arrays: dict[str, np.ndarray]) -> None:
    """Writes named arrays into a new folder, atomically."""
    from orbax.checkpoint.experimental import v1 as orbax

    orbax.save(str(folder.absolute()), arrays)


def read_arrays(folder: Path) -> dict[str, np.ndarray]:
    """Reads what :func:`write_arrays` wrote; nothing is executed.

    Raises:
      InvalidInput: the folder is missing or damaged.
    """
    from orbax.checkpoint.experimental import v1 as orbax

    try:
        arrays = orbax.load(str(folder.absolute()))
    except (ValueError, OSError, KeyError) as error:
        reason = str(error).splitlines()[0][:200]
        raise InvalidInput(
            f"the arrays in {folder} cannot be read ({reason}): the folder is damaged; train anew."
        ) from error
    return {name: np.asarray(array) for name, array in arrays.items()}
