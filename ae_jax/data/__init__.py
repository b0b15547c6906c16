"""Data sets from names, files, arrays and streams, checked, split and scaled."""

from ae_jax.data.arrays import RawData, as_examples, as_labels, missing_values, require_shape, require_unit_interval
from ae_jax.data.classes import as_condition
from ae_jax.data.dataset import Dataset, Split
from ae_jax.data.downloads import DownloadProgress, prepare, prepared_file
from ae_jax.data.published import PUBLISHED
from ae_jax.data.residual import residual_deviation
from ae_jax.data.scaling import Scaling
from ae_jax.data.sources import EMBEDDED, digits, load
from ae_jax.data.spec import DataSpec, ReadOptions
from ae_jax.data.splits import from_arrays, from_splits

__all__ = [
    "EMBEDDED",
    "PUBLISHED",
    "DataSpec",
    "Dataset",
    "DownloadProgress",
    "RawData",
    "ReadOptions",
    "Scaling",
    "Split",
    "as_condition",
    "as_examples",
    "as_labels",
    "digits",
    "from_arrays",
    "from_splits",
    "load",
    "missing_values",
    "prepare",
    "prepared_file",
    "require_shape",
    "require_unit_interval",
    "residual_deviation",
]
