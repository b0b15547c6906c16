"""The protocol: what holds for every autoencoder, named or composed of any parts."""

import dataclasses
import inspect
import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ae_jax
from ae_jax import Autoencoder, InvalidInput, Optimizer, Run, TrainingInterrupted, objectives
from ae_jax.components import from_config, to_config
from ae_jax.corruptions import Binarisation, Corruption, Gaussian, Masking, SaltAndPepper
from ae_jax.distributions import FullCovariance
from ae_jax.flows import Planar
from ae_jax.models.descriptions import arguments
from ae_jax.networks import MLP, Convolutional, functional
from ae_jax.objectives import (
    ELBO,
    L1,
    BernoulliLikelihood,
    Classification,
    Contractive,
    DiscretisedLogisticLikelihood,
    GaussianLikelihood,
    ImportanceWeighted,
    KLSparsity,
    LaplaceLikelihood,
    LearnedGaussianLikelihood,
    Likelihood,
    MultiScaleSSIM,
    OptimalGaussianLikelihood,
    Penalty,
    Reconstruction,
    StudentTLikelihood,
    WinnerTakeAll,
)
from ae_jax.optimizers import from_optax
from ae_jax.priors import GaussianMixture
from ae_jax.schedules import Cosine, FromOptax, Linear
from ae_jax.training import Callback, Checkpoints
from ae_jax.training.compilation import watch_compilation
from ae_jax.types import Batch

SHAPE, BATCH = (8, 8), 6
EPOCHS, SETTINGS = 6, {"seeds": 5, "batch_size": 16}


def composed(networks: Any, objective: Any, **optimizer: Any) -> Autoencoder:
    return Autoencoder(name="composed", networks=networks, objective=objective, **optimizer)


def mlp(**choices: Any) -> MLP:
    return MLP(**({"hidden": (7,), "code": 5, "activation": "tanh"} | choices))


FROM_OPTAX = FromOptax(
    rule="exponential_decay", settings={"init_value": 3e-3, "transition_steps": 50, "decay_rate": 0.5}
)
COMPOSED = {
    "denoising contractive convolutional": composed(
        Convolutional(channels=(3,), code=3), Reconstruction(corruption=Masking(), penalties=(Contractive(),))
    ),
    "conditional convolutional variational": composed(
        Convolutional(channels=(3,), code=3, stochastic=True, posterior=FullCovariance(), condition=10),
        ELBO(likelihood=GaussianLikelihood(scale=0.5), beta=Linear(start=0.0, end=1.0, steps=20)),
    ),
    "all penalties, tied": composed(
        mlp(code_activation="sigmoid", tied=True),
        Reconstruction(penalties=(KLSparsity(), L1(), Contractive(method="estimated", probes=2))),
    ),
    "conditional contractive": composed(
        mlp(condition=10), Reconstruction(likelihood=BernoulliLikelihood(), penalties=(Contractive(),))
    ),
    "bottleneck": composed(
        mlp(top_k=4, code_activation="relu"),
        Reconstruction(
            likelihood=LaplaceLikelihood(scale=0.5), corruption=SaltAndPepper(), bottleneck=WinnerTakeAll(rate=0.4)
        ),
    ),
    "importance weighted": composed(
        mlp(stochastic=True, posterior=Planar(steps=2)),
        ImportanceWeighted(
            samples=3,
            augmentation=Binarisation(),
            corruption=Gaussian(),
            penalties=(L1(),),
            prior=GaussianMixture(components=3),
        ),
    ),
    "learned scale": composed(mlp(stochastic=True), ELBO(likelihood=LearnedGaussianLikelihood(), samples=3)),
    "optimal scale": composed(mlp(), Reconstruction(likelihood=OptimalGaussianLikelihood())),
    "structural similarity": composed(mlp(), Reconstruction(likelihood=MultiScaleSSIM())),
    "outliers": composed(mlp(stochastic=True), ELBO(likelihood=StudentTLikelihood())),
    "counts": composed(
        mlp(stochastic=True),
        ELBO(likelihood=DiscretisedLogisticLikelihood(levels=17)),
        optimizer=from_optax(optax.adam, learning_rate=1e-3),
    ),
    "classifier": composed(mlp(), Classification(classes=10)),
    "scheduled": composed(
        mlp(),
        Reconstruction(penalties=(L1(weight=Cosine(start=1.0, end=0.0, steps=20)),)),
        optimizer=Optimizer(rule="adamw", learning_rate=FROM_OPTAX, settings={"weight_decay": 1e-4}, clip_norm=1.0),
    ),
}
NAMED = {name: make() for name, make in ae_jax.NAMED.items()}
AUTOENCODERS = NAMED | COMPOSED
DAILY = (
    *("undercomplete", "sparse", "contractive", "denoising", "convolutional", "variational", "conditional"),
    *("vamp", "iaf", "factor", "aae", "categorical", "vq", "top_k"),
)
"""Named autoencoders whose training is tested every day; that of the others, made of the same parts, is slow."""


def trained_daily(names: Any) -> list[Any]:
    return [name if name in DAILY else pytest.param(name, marks=pytest.mark.slow) for name in names]


class Subject(NamedTuple):
    """An autoencoder, its arrays, and one compiled program: loss and gradient in training mode."""

    autoencoder: Autoencoder
    params: Any
    state: Any
    batch: Batch
    program: Callable[..., Any]

    def evaluate(self, seed: int = 0, step: int = 3) -> Any:
        return self.program(self.autoencoder, self.params, self.state, jax.random.key(seed), self.batch, step)


def loss_of(autoencoder: Autoencoder, params: Any, state: Any, key: Any, batch: Batch, step: Any) -> Any:
    spec = autoencoder.spec(SHAPE)
    model = functional.bind(spec, params, state, key)
    loss, metrics = autoencoder.objective(model, key, batch, step)
    return loss, (metrics, functional.state_of(spec, model))


@cache
def subject_named(name: str) -> Subject:
    autoencoder = AUTOENCODERS[name]
    x = jax.random.uniform(jax.random.key(1), (BATCH, *SHAPE))
    batch = Batch(x, jnp.arange(BATCH) if autoencoder.conditional else None)
    params, state = jax.jit(lambda key: autoencoder.init(SHAPE, key))(jax.random.key(0))
    if "head" in params:  # starts at zero, where the encoder has no gradient
        params["head"]["kernel"] += jnp.linspace(-1.0, 1.0, params["head"]["kernel"].size).reshape(-1, 10)
    program = jax.jit(jax.value_and_grad(loss_of, argnums=1, has_aux=True))
    return Subject(autoencoder, params, state, batch, program)


@pytest.fixture(scope="module", params=AUTOENCODERS)
def subject(request: pytest.FixtureRequest) -> Subject:
    return subject_named(request.param)


def test_the_loss_is_a_finite_scalar_with_a_finite_gradient_in_every_part(subject):
    (loss, (metrics, state)), gradient = subject.evaluate()
    for value in (loss, *metrics.values()):
        assert (value.shape, value.dtype) == ((), jnp.float32)
        assert np.isfinite(value)
    assert jax.tree.map(jnp.shape, gradient) == jax.tree.map(jnp.shape, subject.params)
    for path, leaf in jax.tree.leaves_with_path(gradient):
        assert np.isfinite(leaf).all(), jax.tree_util.keystr(path)
    for part, tree in gradient.items():
        assert any(np.any(leaf != 0) for leaf in jax.tree.leaves(tree)), part
    assert jax.tree.map(jnp.shape, state) == jax.tree.map(jnp.shape, subject.state)
    selection = subject.autoencoder.objective.selection
    assert selection is None or selection in metrics | {"loss": loss}


def test_the_same_key_gives_the_same_value(subject):
    assert float(subject.evaluate()[0][0]) == float(subject.evaluate()[0][0])


@pytest.mark.parametrize("name", [*trained_daily(NAMED), *COMPOSED])
def test_uncompiled_it_has_the_same_value(name):
    subject = subject_named(name)
    (first, (metrics, _)), _ = subject.evaluate()
    plain, (terms, _) = loss_of(*subject[:3], jax.random.key(0), subject.batch, 3)
    np.testing.assert_allclose(first, plain, rtol=1e-4)
    for name, value in terms.items():
        np.testing.assert_allclose(metrics[name], value, rtol=1e-4, atol=1e-6)


def test_a_batch_of_one_is_a_batch(subject):
    one = jax.tree.map(lambda leaf: leaf[:1], subject.batch)
    loss, _ = jax.eval_shape(loss_of, *subject[:3], jax.random.key(0), one, 0)
    assert loss.shape == ()


def test_numbers_are_leaves_and_structure_is_static(subject):
    leaves, structure = jax.tree.flatten(subject.autoencoder)
    assert all(isinstance(leaf, (float, int)) for leaf in leaves)
    assert hash(structure) == hash(jax.tree.structure(jax.tree.map(lambda _: 0.1, subject.autoencoder)))
    text = json.dumps(to_config(subject.autoencoder))
    assert from_config(json.loads(text)) == subject.autoencoder


def components_in(value: Any) -> set[type]:
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, tuple):
        return set().union(*map(components_in, value))
    if not dataclasses.is_dataclass(value):
        return set()
    inner = [components_in(getattr(value, field.name)) for field in dataclasses.fields(value)]
    return {type(value)}.union(*inner)


def test_the_protocol_meets_every_component_there_is():
    met = set().union(*map(components_in, AUTOENCODERS.values()))
    rooms = (objectives, ae_jax.networks, ae_jax.corruptions, ae_jax.schedules, ae_jax.optimizers)
    protocols = (Likelihood, Penalty, Corruption, functional.ModelSpec)
    known = {
        value
        for room in rooms
        for value in vars(room).values()
        if isinstance(value, type) and dataclasses.is_dataclass(value) and value not in protocols
    }
    assert known - met == set()


class Interrupt(Callback):
    """Interrupts a training after an epoch."""

    def __init__(self, epoch: int):
        self.epoch = epoch

    def on_epoch(self, progress: Any) -> None:
        if progress.epoch == self.epoch:
            raise KeyboardInterrupt


class Trained(NamedTuple):
    """A named autoencoder and one with half its numbers, trained as one population."""

    choices: list[Autoencoder]
    run: Run
    condition: Any


@pytest.fixture(scope="module", params=trained_daily(NAMED))
def trained(request: pytest.FixtureRequest, small: Any) -> Trained:
    autoencoder = NAMED[request.param]
    choices = [autoencoder, jax.tree.map(lambda number: number / 2, autoencoder)]
    labels = np.asarray(small.test.labels) if autoencoder.conditional else None
    return Trained(choices, ae_jax.fit(choices, small, epochs=EPOCHS, **SETTINGS), labels)


def test_the_reconstruction_error_falls(trained):
    history = trained.run.history["train"][trained.run.autoencoder.objective.likelihood.name]
    assert np.isfinite(history).all()
    assert (history[:, -1] < history[:, 0]).all()
    if trained.run.autoencoder.objective.selection is None:
        assert trained.run.best_epoch.tolist() == [EPOCHS] * 2


def test_other_numbers_seeds_and_epochs_compile_nothing(trained, small):
    others = [jax.tree.map(lambda number: 0.9 * number, one) for one in trained.choices]
    with watch_compilation() as compilation:
        ae_jax.fit(others, small, **SETTINGS | {"seeds": 6}, epochs=2)
    assert compilation.programs == 0


def test_a_member_equals_itself_trained_alone(trained, small):
    annealed = ("capacity", "joint")  # validation takes the last value of a schedule
    epochs = EPOCHS if trained.run.name in annealed else 2
    alone = ae_jax.fit(trained.choices[0], small, epochs=epochs, **SETTINGS)
    for split, terms in alone.history.items():
        for term, values in terms.items():
            ours = trained.run.history[split][term][0, :epochs]
            np.testing.assert_allclose(ours, values[0], rtol=1e-3, atol=1e-5, err_msg=f"{split} {term}")


def test_killed_and_resumed_it_comes_to_the_same_bits(trained, small, tmp_path):
    checkpoints = Checkpoints(folder=tmp_path, every_epochs=1)
    with pytest.raises(TrainingInterrupted):
        ae_jax.fit(trained.choices, small, checkpoints=checkpoints, callbacks=[Interrupt(3)], epochs=EPOCHS, **SETTINGS)
    resumed = ae_jax.fit(trained.choices, small, checkpoints=checkpoints, resume=True, epochs=EPOCHS, **SETTINGS)
    for name in ("params", "state", "history", "best_epoch"):
        jax.tree.map(np.testing.assert_array_equal, getattr(resumed, name), getattr(trained.run, name))


def test_saved_and_loaded_it_encodes_alike_and_alone(trained, small, tmp_path):
    run, x = trained.run, small.test.x
    back = ae_jax.load(run.save(tmp_path / "run"))
    codes, whole = (use(x, condition=trained.condition) for use in (run.encode, run.reconstruct))
    assert codes.shape == (2, 20, *ae_jax.networks.code_shape(run.autoencoder.networks))
    assert whole.shape == (2, 20, *SHAPE)
    assert np.isfinite(whole).all()
    np.testing.assert_array_equal(back.encode(x, condition=trained.condition), codes)
    np.testing.assert_allclose(run[1].encode(x, condition=trained.condition), codes[1], rtol=1e-3, atol=1e-4)
    if "prior" in run.autoencoder.objective.parts:
        samples = back.sample(3, condition=None if trained.condition is None else small.classes[1])
        assert samples.shape == (2, 3, *SHAPE)
        assert np.isfinite(samples).all()


@pytest.mark.parametrize("name", NAMED)
def test_a_named_autoencoder_explains_its_arguments_and_defaults(name):
    assert ae_jax.named(name)().name == name
    parameters = inspect.signature(ae_jax.NAMED[name]).parameters
    assert arguments(name).keys() == parameters.keys()
    assert explained_defaults(name) == {key: parameter.default for key, parameter in parameters.items()}


def explained_defaults(name: str) -> dict[str, Any]:
    """The defaults that a docstring states, or leaves to another autoencoder's, as the command line reads it."""
    text = inspect.getdoc(ae_jax.NAMED[name]) or ""
    found = {}
    for names, other in re.findall(r"^  (.+): as of :func:`ae_jax\.(\w+)`", text, flags=re.M):
        found |= {key: explained_defaults(other)[key] for key in names.split(", ")}
    for defaults in re.findall(r"\nDefaults:\n(.*?)\n\n", text, flags=re.S):
        own = re.findall(r"``(\w+=[^`]+)``", defaults)
        found |= eval(f"dict({', '.join(own)})", dict(vars(ae_jax.objectives)))
    return found


@pytest.mark.parametrize("name", NAMED)
def test_every_number_of_a_named_autoencoder_reaches_a_component(name):
    for key, parameter in inspect.signature(ae_jax.NAMED[name]).parameters.items():
        if type(parameter.default) in (int, float):
            other = 2 * parameter.default if type(parameter.default) is int else parameter.default / 2
            changed = ae_jax.NAMED[name](**{key: other})
            assert changed != NAMED[name], key


@pytest.mark.parametrize(
    ("given", "sentence"),
    [("contractiv", "'contractiv': did you mean 'contractive'"), ("xyz", "'xyz': Known are .*contractive")],
)
def test_an_unknown_name_is_answered_with_the_nearest(given, sentence):
    with pytest.raises(InvalidInput, match=f"unknown autoencoder {sentence}"):
        ae_jax.named(given)
