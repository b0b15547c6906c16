"""The Frey faces, as Roweis gave them and as an archive of rows."""

from pathlib import Path

import numpy as np

from ae_jax.data.builders.recipe import Columns
from ae_jax.data.files.damage import reading

_SHAPE = (28, 20)


def read_frey_mat(paths: list[Path]) -> dict[str, Columns]:
    """Roweis's file, whose variable ``ff`` has a face in each column."""
    from scipy import io

    (path,) = paths
    with reading(path, "the variable ff with 560 pixels in each column"):
        faces = io.loadmat(path, variable_names=["ff"])["ff"]
        return {"train": {"image": np.ascontiguousarray(faces.T.astype(np.uint8)).reshape(-1, *_SHAPE)}}


def read_frey_npz(paths: list[Path]) -> dict[str, Columns]:
    """An archive whose array ``x`` has a face in each row."""
    (path,) = paths
    with reading(path, "the array x with 560 pixels in each row"), np.load(path, allow_pickle=False) as archive:
        return {"train": {"image": archive["x"].reshape(-1, *_SHAPE)}}
