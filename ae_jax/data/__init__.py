"""From a source to arrays with a checked description: bundled and prepared data sets, files, arrays, streams."""

from ae_jax.data.builders import RECIPES, prepare
from ae_jax.data.dataset import Dataset, Split, as_condition
from ae_jax.data.description import DataSpec, ReadOptions
from ae_jax.data.scaling import Scaling
from ae_jax.data.sources import EMBEDDED, digits, load
from ae_jax.data.splits import from_arrays, from_splits

__all__ = [
    "EMBEDDED",
    "RECIPES",
    "DataSpec",
    "Dataset",
    "ReadOptions",
    "Scaling",
    "Split",
    "as_condition",
    "digits",
    "from_arrays",
    "from_splits",
    "load",
    "prepare",
]
