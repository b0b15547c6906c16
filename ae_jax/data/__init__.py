"""From a source to arrays with a checked range: the bundled digits, files, arrays."""

from ae_jax.data.dataset import Dataset, Split, from_arrays, from_splits
from ae_jax.data.scaling import Scaling
from ae_jax.data.sources import EMBEDDED, digits, load

__all__ = ["EMBEDDED", "Dataset", "Scaling", "Split", "digits", "from_arrays", "from_splits", "load"]
