"""Whether data are those that a run can be asked about."""

from ae_jax.data import Dataset, Split, require_shape
from ae_jax.errors import InvalidInput
from ae_jax.training import Run


def fitting_split(run: Run, dataset: Dataset, split: str) -> Split:
    """The split of a data set that has the shape and the scaling of a run's.

    Raises:
      InvalidInput: it has another, is unknown, or is empty.
    """
    part = dataset.split(split)
    require_shape(part.x, run.shape, f"the {split} split of {dataset.name}")
    if not run.scaling.agrees(dataset.scaling):
        raise InvalidInput(
            f"{dataset.name} has {dataset.scaling} and the run {run.scaling}: expected data in the units trained on; "
            "give the data set the scaling of the run."
        )
    return part
