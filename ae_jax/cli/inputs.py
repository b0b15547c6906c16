"""What a saved run is used on: the data trained on, files of any rows, and reference examples."""

import dataclasses

from ae_jax.cli.options import InputData
from ae_jax.cli.session import say
from ae_jax.data import Dataset, RawData, ReadOptions, Split, load, missing_values, sources
from ae_jax.data.dataset import joined
from ae_jax.errors import InvalidInput
from ae_jax.training import Run


def dataset_of(run: Run, source: str | None, label: str | None = None) -> Dataset:
    """Loads a data set, read and scaled as the run's was, with the splits of a single member.

    By default it is the one that the run was trained on.
    """
    dataset = _read_as_trained(run, *(origin_of(run) if source is None else (source, 0)), label)
    return run.own_split(dataset) if run.single else dataset


def _read_as_trained(run: Run, source: str, seed: int, label: str | None = None) -> Dataset:
    """Loads a data set as the run's was; values may be missing where the autoencoder is for such data."""
    if sources.is_named(source):
        reading = ReadOptions(label=label, budget=run.data.reading.budget)
    else:
        reading = sources.reading_of(sources.parse_path(source)[0], run.data)
        reading = reading if label is None else dataclasses.replace(reading, label=label)
    with missing_values(run.autoencoder.objective.uses_observed):
        return load(source, reading, scaling=run.scaling, seed=seed)


def origin_of(run: Run) -> tuple[str, int]:
    """Returns the name or path of the data that a run was trained on, and the seed of their split.

    Raises:
      InvalidInput: they have no name here, and are not found where they were.
    """
    if sources.is_named(run.data.name):
        return run.data.name, 0
    source, seed = run.record.get("source") or (None, 0)
    if source is None or not (sources.is_named(source) or sources.parse_path(source)[0].exists()):
        missed = f" and is not at {source}" if source else ""
        raise InvalidInput(
            f"the run was trained on {run.data.name}, which has no name here{missed}: give the data as --data, or "
            "examples to compare with as --reference."
        )
    return source, seed


def trained_on(run: Run) -> RawData:
    """Returns the training split of the data that a run was trained on, as far as they are what they were.

    Raises:
      InvalidInput: they are not found, or have other examples or another range.
    """
    dataset = _read_as_trained(run, *origin_of(run))
    now, then = dataset.spec, run.data
    if (now.shape, now.examples, now.low, now.high) != (then.shape, then.examples, then.low, then.high):
        raise InvalidInput(
            f"{dataset.name} is no longer what the run was trained on: give normal examples to compare with as "
            "--reference."
        )
    return _raw((run.own_split(dataset) if run.single else dataset).filled().train)


def examples_of(
    run: Run, given: InputData, *, labelled: bool = True, by_default: str = "test", incomplete: bool = False
) -> RawData:
    """Returns all rows of a file that can be used, or a split of a data set.

    Args:
      run: what was trained.
      given: name or path, None for the data that the run was trained on; names of label and ids; and train, validation,
        test, all or None for all rows of a file, and of others the split ``by_default``.
      labelled: whether labels are looked for in a file.
      by_default: a split.
      incomplete: whether missing values stay, for an autoencoder that takes them; otherwise rows of a file with some
        are left out, and those of a data set get the mean of the feature.
    """
    if given.data is not None and given.split is None:
        with missing_values(incomplete and run.autoencoder.objective.uses_observed):
            found = sources.examples(given.data, run.data, label=given.label, id=given.id, labelled=labelled)
        if found is not None:
            return found
    dataset = dataset_of(run, given.data, given.label)
    dataset = dataset if incomplete else dataset.filled()
    if given.split == "all":
        return _raw(joined(*(part for part in (dataset.train, dataset.validation, dataset.test) if len(part.x))))
    if not run.single and run.has_own_splits(dataset):
        say("note: members were trained on splits of their own; this split is of no member: choose one by --member.")
    return _raw(dataset.split(given.split or by_default))


def _raw(split: Split) -> RawData:
    return RawData(split.x, split.labels, ids=split.ids)
