"""Data by name or path: what ``--data`` understands."""

from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from sklearn.datasets import load_digits

from ae_jax.data.dataset import Dataset, from_arrays
from ae_jax.data.prepared import prepared
from ae_jax.data.scaling import Scaling
from ae_jax.errors import InvalidInput, unknown


def digits(*, seed: int = 0) -> Dataset:
    """Scikit-learn's bundled handwritten digits: 1,797 images of 8 x 8, counts 0 to 16, ten classes.

    Split 70 / 10 / 20 by the seed, stratified. Needs no network.

    Example:
      >>> data = digits()
      >>> data.shape, data.train.x.dtype, len(data.test.x)
      ((8, 8), dtype('uint8'), 359)

    References:
      Alpaydin and Kaynak, *Optical recognition of handwritten digits*, UCI Machine Learning Repository, 1998.
    """
    images, labels = load_digits(return_X_y=True)
    return from_arrays(
        images.reshape(-1, 8, 8).astype(np.uint8), labels, name="digits", scaling=Scaling(scale=16.0), seed=seed
    )


EMBEDDED = {"digits": digits}
"""Data sets that come with the installation."""


def load(source: str, *, seed: int = 0) -> Dataset:
    """The data set of that name, or of that file.

    Args:
      source: ``"digits"``; or ``tfds:NAME`` of a data set that TensorFlow Datasets has prepared; or the path of a
        ``.npy`` file of examples, or of a ``.npz`` file with the examples under ``x`` and any labels under ``y``.
      seed: of the split into train, validation and test.

    Returns:
      The data set, split 70 / 10 / 20, or as TFDS splits it.

    Raises:
      InvalidInput: an unknown name, a file that is missing or cannot be read, or one whose arrays cannot be used.
    """
    if source in EMBEDDED:
        return EMBEDDED[source](seed=seed)
    if source.startswith("tfds:"):
        return prepared(source.removeprefix("tfds:").replace(":", "/"), seed=seed)
    path = Path(source)
    if path.suffix not in (".npy", ".npz"):
        raise unknown("data set", source, [*EMBEDDED, "FILE.npy", "FILE.npz", "tfds:NAME"])
    x, labels = read_file(path)
    return from_arrays(x, labels, name=path.stem, seed=seed)


def read_file(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Examples and labels (or None) of a ``.npy`` or ``.npz`` file; never unpickles.

    Raises:
      InvalidInput: the file is missing, damaged, of objects, or an ``.npz`` without ``x``.
    """
    if not path.is_file():
        raise InvalidInput(f"there is no file {path}: expected a .npy or .npz file of examples.")
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return loaded, None
            arrays = {name: loaded[name] for name in ("x", "y") if name in loaded.files}
            names = ", ".join(loaded.files)
    except (ValueError, OSError, EOFError, BadZipFile) as error:
        raise InvalidInput(f"{path} cannot be read ({error}): expected an array written by numpy.save.") from error
    if "x" not in arrays:
        raise InvalidInput(f"{path} holds {names or 'nothing'}: expected the examples under x and any labels under y.")
    return arrays["x"], arrays.get("y")
