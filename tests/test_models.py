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
import pytest

import ae_jax
from ae_jax import Autoencoder, InvalidInput, Optimizer, objectives
from ae_jax.components import from_config, to_config
from ae_jax.corruptions import Binarisation, Gaussian, Masking, SaltAndPepper
from ae_jax.networks import MLP, Convolutional
from ae_jax.objectives import (
    ELBO,
    L1,
    BernoulliLikelihood,
    Contractive,
    GaussianLikelihood,
    ImportanceWeighted,
    KLSparsity,
    LaplaceLikelihood,
    LearnedGaussianLikelihood,
    Likelihood,
    Penalty,
    Reconstruction,
    Variational,
    WinnerTakeAll,
)
from ae_jax.schedules import Cosine, FromOptax, Linear
from ae_jax.training import stack
from ae_jax.training.compilation import watch_compilation
from ae_jax.training.state import State
from ae_jax.training.step import step

SHAPE = (5, 4)
BATCH = 6
DENSE = MLP(hidden=(7,), code=3, activation="tanh")
SIGMOID = MLP(hidden=(7,), code=3, activation="tanh", code_activation="sigmoid")
STOCHASTIC = MLP(hidden=(7,), code=3, activation="tanh", stochastic=True)
IMAGES = Convolutional(channels=(3,), code=3, activation="tanh")


def composed(networks: Any, objective: Any, **optimizer: Optimizer) -> Autoencoder:
    return Autoencoder(name="composed", networks=networks, objective=objective, **optimizer)


AUTOENCODERS = {name: make() for name, make in ae_jax.NAMED.items()} | {
    "denoising contractive convolutional": composed(
        IMAGES, Reconstruction(corruption=Masking(probability=0.3), penalties=(Contractive(weight=0.1),))
    ),
    "contractive variational": composed(STOCHASTIC, ELBO(penalties=(Contractive(weight=0.1),))),
    "convolutional variational": composed(
        dataclasses.replace(IMAGES, stochastic=True),
        ELBO(likelihood=GaussianLikelihood(scale=0.5), beta=Linear(start=0.0, end=1.0, steps=20)),
    ),
    "tied": composed(MLP(hidden=(7,), code=3, activation="tanh", tied=True), Reconstruction()),
    "lasso": composed(DENSE, Reconstruction(penalties=(L1(weight=0.1),))),
    "all penalties": composed(
        SIGMOID, Reconstruction(penalties=(KLSparsity(), L1(), Contractive(method="estimated", probes=2)))
    ),
    "binary": composed(DENSE, Reconstruction(likelihood=BernoulliLikelihood(), corruption=SaltAndPepper())),
    "laplacian": composed(DENSE, Reconstruction(likelihood=LaplaceLikelihood(scale=0.5), corruption=Gaussian())),
    "winners": composed(
        dataclasses.replace(DENSE, code=9, top_k=4, tied=True), Reconstruction(penalties=(Contractive(weight=0.1),))
    ),
    "winner take all": composed(
        dataclasses.replace(DENSE, code=9, code_activation="relu"), Reconstruction(bottleneck=WinnerTakeAll(rate=0.4))
    ),
    "importance weighted": composed(
        STOCHASTIC, ImportanceWeighted(samples=3, augmentation=Binarisation(), penalties=(L1(weight=0.1),))
    ),
    "learned scale": composed(STOCHASTIC, ELBO(likelihood=LearnedGaussianLikelihood(), samples=3)),
    "scheduled": composed(
        DENSE,
        Reconstruction(penalties=(L1(weight=Cosine(start=1.0, end=0.0, steps=20)),)),
        optimizer=Optimizer(
            rule="adamw",
            learning_rate=FromOptax(
                rule="exponential_decay", settings={"init_value": 3e-3, "transition_steps": 50, "decay_rate": 0.5}
            ),
            settings={"weight_decay": 1e-4},
            clip_norm=1.0,
        ),
    ),
}


class Subject(NamedTuple):
    """An autoencoder under test and its one compiled program, ``(autoencoder, params, key, x, step)``."""

    autoencoder: Autoencoder
    params: Any
    x: jax.Array
    evaluate: Callable[..., Any]


def loss_of(autoencoder: Autoencoder, params: Any, key: Any, x: Any, step: Any) -> Any:
    return autoencoder.objective(autoencoder.bind(SHAPE, params), key, x, step)


@cache
def subject_named(name: str) -> Subject:
    autoencoder = AUTOENCODERS[name]
    x = jax.random.uniform(jax.random.key(1), (BATCH, *SHAPE))
    params = jax.jit(lambda key: autoencoder.init(SHAPE, key))(jax.random.key(0))
    return Subject(autoencoder, params, x, jax.jit(jax.value_and_grad(loss_of, argnums=1, has_aux=True)))


@pytest.fixture(scope="module", params=AUTOENCODERS)
def subject(request: pytest.FixtureRequest) -> Subject:
    return subject_named(request.param)


def evaluate(subject: Subject, seed: int = 0, step: int = 3) -> Any:
    return subject.evaluate(subject.autoencoder, subject.params, jax.random.key(seed), subject.x, step)


def test_the_loss_is_a_finite_scalar_beside_its_named_terms(subject):
    (loss, metrics), _ = evaluate(subject)
    objective = subject.autoencoder.objective
    terms = [objective.likelihood.name, *(penalty.name for penalty in objective.penalties)]
    terms += ["kl"] if isinstance(objective, Variational) else []
    terms += ["iwae_gap"] if isinstance(objective, ImportanceWeighted) else []
    assert sorted(metrics) == sorted(terms)
    for value in (loss, *metrics.values()):
        assert value.shape == ()
        assert value.dtype == jnp.float32
        assert np.isfinite(value)


def test_every_parameter_has_a_finite_gradient_and_some_of_each_leaf_is_not_zero(subject):
    _, gradient = evaluate(subject)
    assert jax.tree.structure(gradient) == jax.tree.structure(subject.params)
    for path, leaf in jax.tree.leaves_with_path(gradient):
        assert np.isfinite(leaf).all(), jax.tree_util.keystr(path)
        assert np.any(leaf != 0), jax.tree_util.keystr(path)


def test_the_same_key_gives_the_same_value_and_another_another_where_there_is_chance(subject):
    first, again, other = (float(evaluate(subject, seed)[0][0]) for seed in (0, 0, 1))
    objective = subject.autoencoder.objective
    estimates = any(getattr(penalty, "method", "") == "estimated" for penalty in objective.penalties)
    chance = isinstance(objective, Variational) or objective.corruption is not None or estimates
    assert first == again
    assert (first != other) == chance


def test_compiled_and_uncompiled_values_agree(subject):
    (loss, metrics), _ = evaluate(subject)
    plain_loss, plain_metrics = loss_of(subject.autoencoder, subject.params, jax.random.key(0), subject.x, 3)
    np.testing.assert_allclose(loss, plain_loss, rtol=1e-5)
    for name, value in plain_metrics.items():
        np.testing.assert_allclose(metrics[name], value, rtol=1e-5)


def test_a_batch_of_one_is_a_batch(subject):
    loss, _ = jax.eval_shape(
        loss_of, subject.autoencoder, subject.params, jax.random.key(0), jax.ShapeDtypeStruct((1, *SHAPE), "float32"), 0
    )
    assert loss.shape == ()


def test_a_member_of_a_stack_equals_itself_alone(subject):
    other = jax.tree.map(lambda number: 0.5 * number, subject.autoencoder)
    several = jax.jit(jax.vmap(loss_of, in_axes=(0, None, None, None, None)))(
        stack([other, subject.autoencoder]), subject.params, jax.random.key(0), subject.x, 3
    )
    (loss, metrics), _ = evaluate(subject)
    np.testing.assert_allclose(several[0][1], loss, rtol=1e-5)
    for name, value in metrics.items():
        np.testing.assert_allclose(several[1][name][1], value, rtol=1e-5)


def test_other_numbers_compile_nothing(subject):
    evaluate(subject)
    other = jax.tree.map(lambda number: type(number)(number / 2), subject.autoencoder)
    arguments = other, jax.tree.map(lambda leaf: leaf + 0, subject.params), jax.random.key(9), subject.x, 8
    with watch_compilation() as compilation:
        subject.evaluate(*arguments)
    assert compilation.programs == 0


def test_the_loss_falls_when_trained(subject):
    optimizer = subject.autoencoder.optimizer.transformation().init(subject.params)
    state, history = State(subject.params, optimizer, jnp.asarray(0), jnp.asarray(0), jnp.asarray(1.0)), []
    stepping = jax.jit(step)
    for number in range(60):
        state, metrics = stepping(state, subject.autoencoder, jax.random.key(number), subject.x)
        history.append(metrics[subject.autoencoder.objective.likelihood.name])
    assert int(state.step) == 60
    assert np.mean(history[-10:]) < 0.98 * np.mean(history[:10])


def test_numbers_are_leaves_and_structure_is_static(subject):
    leaves, structure = jax.tree.flatten(subject.autoencoder)
    assert leaves
    assert all(isinstance(leaf, (float, int)) for leaf in leaves)
    assert hash(structure) == hash(jax.tree.structure(jax.tree.map(lambda _: 0.1, subject.autoencoder)))
    wider = dataclasses.replace(subject.autoencoder, networks=dataclasses.replace(subject.autoencoder.networks, code=5))
    assert jax.tree.structure(wider) != structure


def test_a_configuration_in_json_gives_the_same_autoencoder(subject):
    text = json.dumps(to_config(subject.autoencoder))
    assert from_config(json.loads(text)) == subject.autoencoder


def components_in(value: Any) -> set[type]:
    if isinstance(value, tuple):
        return set().union(*map(components_in, value))
    if not dataclasses.is_dataclass(value):
        return set()
    inner = [components_in(getattr(value, field.name)) for field in dataclasses.fields(value)]
    return {type(value)}.union(*inner)


def test_the_protocol_meets_every_component_there_is():
    met = set().union(*map(components_in, AUTOENCODERS.values()))
    rooms = (objectives, ae_jax.networks, ae_jax.corruptions, ae_jax.schedules, ae_jax.optimizers)
    protocols = (Likelihood, Penalty, ae_jax.corruptions.Corruption)
    known = {
        value
        for room in rooms
        for value in vars(room).values()
        if isinstance(value, type) and dataclasses.is_dataclass(value) and value not in protocols
    }
    assert known - met == set()


def test_members_that_differ_in_numbers_share_their_initial_parameters():
    one, other = (ae_jax.contractive(hidden=(5,), weight=weight) for weight in (0.1, 5.0))
    jax.tree.map(np.testing.assert_array_equal, *(a.init(SHAPE, jax.random.key(0)) for a in (one, other)))


@pytest.mark.parametrize("name", ae_jax.NAMED)
def test_every_named_autoencoder_bears_its_name(name):
    assert ae_jax.named(name) is ae_jax.NAMED[name]
    assert ae_jax.named(name)().name == name


def test_every_named_autoencoder_is_made_of_the_parts_that_it_describes():
    sizes = {"code": 3, "hidden": (7,), "activation": "tanh"}
    adam = Optimizer(rule="adam", learning_rate=0.5)
    sparsity, contraction = KLSparsity(target=0.1, weight=2.0), Contractive(weight=3.0, method="auto")
    parts = {
        ae_jax.undercomplete(**sizes, learning_rate=0.5): (DENSE, Reconstruction()),
        ae_jax.sparse(**sizes, target=0.1, weight=2.0, learning_rate=0.5): (
            SIGMOID,
            Reconstruction(penalties=(sparsity,)),
        ),
        ae_jax.contractive(**sizes, weight=3.0, learning_rate=0.5): (
            SIGMOID,
            Reconstruction(penalties=(contraction,)),
        ),
        ae_jax.denoising(**sizes, noise=0.2, learning_rate=0.5): (
            DENSE,
            Reconstruction(corruption=Gaussian(scale=0.2)),
        ),
        ae_jax.convolutional(code=3, channels=(3,), activation="tanh", learning_rate=0.5): (IMAGES, Reconstruction()),
        ae_jax.variational(**sizes, beta=4.0, samples=2, learning_rate=0.5): (
            STOCHASTIC,
            ELBO(likelihood=BernoulliLikelihood(), beta=4.0, samples=2),
        ),
    }
    assert sorted(autoencoder.name for autoencoder in parts) == sorted(ae_jax.NAMED)
    for autoencoder, (networks, objective) in parts.items():
        assert autoencoder == Autoencoder(name=autoencoder.name, networks=networks, objective=objective, optimizer=adam)


def section(name: str, title: str) -> str:
    """A section of the docstring of a named autoencoder."""
    sections = re.split(r"^([A-Z][\w ]+):$", inspect.getdoc(ae_jax.NAMED[name]) or "", flags=re.M)
    assert sections.count(title) == 1, f"{name} has no section {title}"
    return sections[sections.index(title) + 1]


@pytest.mark.parametrize("name", ae_jax.NAMED)
def test_every_named_autoencoder_says_when_to_use_it_and_how_it_fails(name):
    assert ".. math::" in (ae_jax.NAMED[name].__doc__ or "")
    assert len(section(name, "When to use").split()) >= 10
    assert section(name, "Failure modes").count("\n  - ") >= 3
    assert section(name, "References").strip()


@pytest.mark.parametrize("name", ae_jax.NAMED)
def test_the_defaults_that_a_named_autoencoder_explains_are_those_of_its_signature(name):
    explained = re.findall(r"``(\w+=[^`]+)``", section(name, "Defaults"))
    parameters = inspect.signature(ae_jax.NAMED[name]).parameters
    assert eval(f"dict({', '.join(explained)})", vars(ae_jax.objectives)) == {
        key: parameter.default for key, parameter in parameters.items()
    }


@pytest.mark.parametrize(("given", "nearest"), [("contractiv", "contractive"), ("vaariational", "variational")])
def test_an_unknown_name_is_answered_with_the_nearest(given, nearest):
    with pytest.raises(InvalidInput, match=f"unknown autoencoder '{given}': did you mean '{nearest}'"):
        ae_jax.named(given)


def test_a_name_like_no_other_is_answered_with_all():
    with pytest.raises(InvalidInput, match="unknown autoencoder 'xyz': Known are contractive, convolutional, "):
        ae_jax.named("xyz")
