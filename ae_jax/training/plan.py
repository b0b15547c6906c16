"""A population and its training, checked before anything is compiled."""

import dataclasses
import math
import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from ae_jax._checks import shown
from ae_jax.data import Dataset, Split, from_arrays, require_unit_interval, residual_deviation
from ae_jax.errors import InvalidInput
from ae_jax.models import Autoencoder
from ae_jax.networks import code_shape
from ae_jax.objectives import GaussianLikelihood
from ae_jax.training.config import TrainConfig
from ae_jax.training.environment import require_supported_settings
from ae_jax.training.members import Members
from ae_jax.training.mesh import MEMBER, Devices, accelerators_for, mesh_of
from ae_jax.training.population import memory_budget, stack, state_budget, unstack, vmap_size
from ae_jax.types import Batch

_SAMPLE = 2_000
"""Number of examples that a default likelihood is fitted to."""

_PARAMETERS = 2**33
"""Of one member; in 32 bits, with gradient and two moments, they take 137 GB, more than any device has."""

_MEMBERS = 10_000
"""Of one population: more take longer to start and to save than to train in parts."""


class Plan(NamedTuple):
    """A population and how it is trained.

    Attributes:
      autoencoder: the members', stacked.
      seeds: of each member, ``[members]``.
      dataset: the training data.
      config: the settings; the batch size is at most the number of examples.
      single: one autoencoder and one seed were asked for, so that results have no member axis.
      mesh: the devices, or None for one.
      subsets: the rows of :attr:`source` that each member is trained on, ``[members, rows]``; None for all.
      validation_subsets: the rows of :attr:`source` that each member is validated on, likewise; None for the
        validation split.
    """

    autoencoder: Autoencoder
    seeds: np.ndarray
    dataset: Dataset
    config: TrainConfig
    single: bool
    mesh: Mesh | None = None
    subsets: np.ndarray | None = None
    validation_subsets: np.ndarray | None = None

    @property
    def examples(self) -> int:
        """Number of examples that each member is trained on."""
        return self.dataset.training_examples if self.subsets is None else self.subsets.shape[1]

    @property
    def source(self) -> Split:
        """The examples that batches are taken from, those of all splits where members draw splits of their own."""
        return self.dataset.source() if self.config.resplit else self.dataset.train

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return -(-self.examples // self.config.batch_size)

    def raw_batch(self, split: Split, rows: slice = slice(None)) -> Batch:
        """Examples of a split before scaling, with the class numbers that conditional models take."""
        x: Any = split.x[rows]
        condition: Any = split.condition(self.dataset.classes)[rows] if self.autoencoder.conditional else None
        return Batch(x, condition)


def plan(
    autoencoder: Autoencoder | Sequence[Autoencoder], data: Any, config: TrainConfig, *, seeds: int | Sequence[int]
) -> Plan:
    """Checks the arguments of :func:`ae_jax.fit` and combines every autoencoder with every seed."""
    require_supported_settings()
    choices, several = _choices(autoencoder)
    dataset = _data_for(choices, data)
    choices = [_for_range(choice, dataset) for choice in choices]
    members, several_seeds = _seeds(seeds)
    _require_data(choices, dataset, config)
    count = len(choices) * len(members)
    if count > _MEMBERS:
        raise InvalidInput(f"fit was given {count:,} members: expected at most {_MEMBERS:,}; train them in parts.")
    population = stack([choice for choice in choices for _ in members])
    batch_size = min(config.batch_size, dataset.training_examples)
    config = dataclasses.replace(config, batch_size=batch_size)
    parameters = _feasible(choices[0], dataset, config)
    mesh = mesh_of(
        _default_mesh(count, parameters) if config.mesh is None else config.mesh, members=count, batch_size=batch_size
    )
    _require_memory(choices[0].name, parameters, count // (1 if mesh is None else mesh.shape[MEMBER]))
    subsets, validation_subsets = _subsets(dataset, members * len(choices)) if config.resplit else (None, None)
    return Plan(
        autoencoder=population,
        seeds=np.array([seed for _ in choices for seed in members], np.uint32),
        dataset=dataset,
        config=config,
        single=not several and not several_seeds,
        mesh=mesh,
        subsets=subsets,
        validation_subsets=validation_subsets,
    )


def _data_for(choices: list[Autoencoder], data: Any) -> Dataset:
    """The data set, or that of an array of examples; raises where values are missing and an autoencoder needs them."""
    takes_missing = all(choice.objective.uses_observed for choice in choices)
    given = isinstance(data, Dataset)
    dataset = data if given else from_arrays(data, validation=0.0, test=0.0, missing=takes_missing)
    if dataset.has_missing and not takes_missing:
        raise InvalidInput(
            f"{choices[0].name} was given {dataset.name}, which has missing values: expected complete data; impute "
            "them by ae_jax.missing, or drop them."
        )
    return dataset


def _require_data(choices: list[Autoencoder], dataset: Dataset, config: TrainConfig) -> None:
    """Raises where the data lack a validation split, a range or classes that the training needs."""
    if config.patience is not None and not len(dataset.validation.x):
        raise InvalidInput(
            f"fit was given patience={config.patience} and no validation split: expected one to judge by; split the "
            "data, or drop the patience."
        )
    for choice in choices:
        if choice.objective.likelihood.unit_interval:
            kind = type(choice.objective.likelihood).__name__.removesuffix("Likelihood")
            require_unit_interval(*dataset.range, f"the {kind} likelihood of {choice.name}")
        if choice.conditional:
            _require_classes(choice, dataset, resplit=bool(config.resplit))


def _for_range(choice: Autoencoder, dataset: Dataset) -> Autoencoder:
    """An autoencoder whose default likelihood gives way to a Gaussian where the data leave [0, 1].

    The scale is that of :func:`ae_jax.data.residual_deviation` for a code of this size.
    """
    remade = getattr(choice, "remade", None)
    if remade is None or not choice.objective.likelihood.unit_interval or dataset.spec.unit_interval:
        return choice
    stored = dataset.train.x[:: -(-len(dataset.train.x) // _SAMPLE)]
    x = np.asarray(dataset.scaling(stored)).reshape(len(stored), -1)
    scale = residual_deviation(x, math.prod(code_shape(choice.networks)))
    return remade(likelihood=GaussianLikelihood(scale=float(f"{scale:.1e}")))


def _subsets(dataset: Dataset, seeds: Sequence[int]) -> tuple[np.ndarray, np.ndarray | None]:
    """The training and validation rows of the member of each seed; None for a validation split that is given."""
    drawn = {seed: dataset.draw(seed) for seed in set(seeds)}
    names = ["train", *({"validation"} & set(dataset.redrawn))]
    rows = [np.stack([drawn[seed][name] for seed in seeds]).astype(np.int32) for name in names]
    return rows[0], rows[1] if len(rows) > 1 else None


def _require_memory(name: str, parameters: int, members: int) -> None:
    """Raises if the parameters, two moments and best parameters of the members on a device exceed its memory."""
    needed, half = 16 * parameters * members, state_budget()
    if half is not None and needed > 2 * half:
        raise InvalidInput(
            f"{members:,} members of {name} with {parameters:,} parameters each take {needed:,} bytes or more while "
            f"they train: expected at most {2 * half:,}, the memory; choose smaller widths or train fewer at once."
        )


def _default_mesh(members: int, parameters: int) -> Devices | None:
    """Members over accelerators where the share of each is trained side by side: no member of a mesh waits."""
    accelerators = accelerators_for(members)
    share = members // accelerators
    fits = vmap_size(share, parameters, memory_budget()) == share
    return {MEMBER: accelerators} if accelerators > 1 and fits else None


def _require_classes(autoencoder: Autoencoder, dataset: Dataset, *, resplit: bool) -> None:
    """Raises if data for a conditional autoencoder have no class labels, or more than it takes."""
    if dataset.stream is not None:
        raise InvalidInput(
            f"{autoencoder.name} is conditional and {dataset.name} is streamed: expected data in memory; raise the "
            "device budget."
        )
    if dataset.classes is None:
        raise InvalidInput(
            f"{autoencoder.name} is conditional and {dataset.name} has no class labels: expected one for each example."
        )
    most = getattr(autoencoder.networks, "condition", None)
    if most is not None and len(dataset.classes) > most:
        raise InvalidInput(
            f"{autoencoder.name} was given data of {len(dataset.classes)} classes: expected at most {most}; give it "
            f"classes={len(dataset.classes)}."
        )
    for split in (dataset.train, dataset.validation, *([dataset.test] if resplit else [])):
        if len(split.x):
            split.condition(dataset.classes)


def _feasible(autoencoder: Autoencoder, dataset: Dataset, config: TrainConfig) -> int:
    """The number of parameters of a member; raises if they or the steps are too many, or optimizers do not match."""
    params, _ = jax.eval_shape(lambda: autoencoder.init(dataset.shape, jax.random.key(0)))
    if (count := sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))) >= _PARAMETERS:
        raise InvalidInput(
            f"{autoencoder.name} has {count:,} parameters: expected fewer than {_PARAMETERS:,}; choose smaller widths."
        )
    if config.epochs * -(-dataset.training_examples // config.batch_size) >= 2**31:
        raise InvalidInput(f"fit was given {config.epochs:,} epochs: expected fewer than 2**31 steps in all.")
    if isinstance(autoencoder.optimizer, dict) and set(autoencoder.optimizer) != set(params):
        raise InvalidInput(
            f"{autoencoder.name} has optimizers for {', '.join(sorted(autoencoder.optimizer))}: expected one for each "
            f"part with parameters, {', '.join(sorted(params))}."
        )
    return count


def _choices(autoencoder: Any) -> tuple[list[Autoencoder], bool]:
    several = isinstance(autoencoder, (list, tuple))
    choices = list(autoencoder) if several else [autoencoder]
    for choice in choices:
        if isinstance(choice, Members):
            raise InvalidInput(
                f"fit was given a run of {choice.name}: expected an autoencoder; fit(run.autoencoder, data, init=run) "
                "trains on from its parameters."
            )
        if not isinstance(choice, Autoencoder):
            raise InvalidInput(
                f"fit was given {shown(choice)}: "
                "expected an autoencoder, such as ae_jax.contractive() with its parentheses."
            )
    members = [member for choice in choices for member in _different_members(choice)]
    return members, several or len(members) > len(choices)


def _different_members(autoencoder: Autoencoder) -> list[Autoencoder]:
    """The different members of a stack, such as a run's autoencoder; one that is no stack is its only member."""
    lengths = {np.shape(leaf) for leaf in jax.tree.leaves(autoencoder)}
    if len(lengths) != 1 or len(shape := lengths.pop()) != 1:
        return [autoencoder]
    members = [unstack(autoencoder, place) for place in range(shape[0])]
    return [member for place, member in enumerate(members) if member not in members[:place]]


def _seeds(seeds: Any) -> tuple[list[int], bool]:
    try:
        several = np.ndim(seeds) > 0
        numbers = [operator.index(seed) for seed in (seeds if several else [seeds])]
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"fit was given seeds={shown(seeds)}: expected whole numbers.") from error
    if not numbers:
        raise InvalidInput("fit was given no seeds: expected at least one.")
    for seed in numbers:
        if not 0 <= seed < 2**32:
            raise InvalidInput(f"fit was given the seed {shown(seed)}: expected an integer from 0 to 2**32 - 1.")
    if len(set(numbers)) < len(numbers):
        raise InvalidInput(f"fit was given the seeds {shown(numbers)}: expected each once.")
    return numbers, several
