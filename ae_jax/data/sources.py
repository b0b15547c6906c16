"""Data by name or path: what ``--data`` understands."""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from ae_jax.data.dataset import Dataset, from_arrays
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
    bunch = load_digits()
    return from_arrays(
        bunch.images.astype(np.uint8), bunch.target, name="digits", scaling=Scaling(scale=16.0), seed=seed
    )


EMBEDDED = {"digits": digits}
"""Data sets that come with the installation."""


def load(source: str, *, seed: int = 0) -> Dataset:
    """The data set of that name, or of that file.

    Args:
      source: ``"digits"``; or the path of a ``.npy`` file of examples; or of a ``.npz`` file with the examples under
        ``x`` and, if there are any, labels under ``y``.
      seed: of the split into train, validation and test.

    Returns:
      The data set, split 70 / 10 / 20.

    Raises:
      InvalidInput: an unknown name, a file that is missing or cannot be read, or one whose arrays cannot be used.
    """
    if source in EMBEDDED:
        return EMBEDDED[source](seed=seed)
    path = Path(source)
    if path.suffix not in (".npy", ".npz"):
        raise unknown("data set", source, [*EMBEDDED, "FILE.npy", "FILE.npz"])
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
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded, None
        with loaded:
            arrays = {name: loaded[name] for name in ("x", "y") if name in loaded.files}
            names = ", ".join(loaded.files)
    except (ValueError, OSError, EOFError) as error:
        raise InvalidInput(f"{path} cannot be read ({error}): expected an array written by numpy.save.") from error
    if "x" not in arrays:
        raise InvalidInput(f"{path} holds {names or 'nothing'}: expected the examples under x and any labels under y.")
    return arrays["x"], arrays.get("y")
