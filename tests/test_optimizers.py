from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ae_jax
from ae_jax import InvalidInput, Optimizer
from ae_jax.components import from_config, to_config
from ae_jax.optimizers import RULES, OptaxChain, from_optax, transformation_of
from ae_jax.schedules import Linear

PARAMS = {"kernel": jnp.array([[1.0, -2.0], [0.5, 3.0]]), "bias": jnp.array([0.1, -0.2])}
GRADIENT = {"kernel": jnp.array([[0.3, -0.1], [2.0, 0.0]]), "bias": jnp.array([-1.0, 0.5])}


def after(transformation: optax.GradientTransformation, steps: int = 3):
    params, state = PARAMS, transformation.init(PARAMS)
    for _ in range(steps):
        updates, state = transformation.update(GRADIENT, state, params)
        params = optax.apply_updates(params, updates)
    return params


def assert_trees_close(ours, theirs, rtol=1e-5):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-7), ours, theirs)


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_steps_as_optax_does_while_its_learning_rate_is_mapped_over(rule):
    several = jax.jit(jax.vmap(lambda o: after(o.transformation())))(
        jax.tree.map(lambda *rates: jnp.stack(rates), *[Optimizer(rule=rule, learning_rate=r) for r in (0.1, 0.01)])
    )
    alone = jax.jit(
        lambda: [after((getattr(optax, rule, None) or getattr(optax.contrib, rule))(rate)) for rate in (0.1, 0.01)]
    )()
    for member in (0, 1):
        assert_trees_close(jax.tree.map(lambda leaf, m=member: leaf[m], several), alone[member])
    assert not np.array_equal(several["kernel"][0], several["kernel"][1])


@pytest.mark.parametrize(
    ("rule", "settings"),
    [
        ("adam", {"b1": 0.5, "b2": 0.9, "eps": 1e-3}),
        ("adamw", {"weight_decay": 0.1}),
        ("sgd", {"momentum": 0.9}),
        ("rmsprop", {"decay": 0.5, "momentum": 0.3}),
        ("lion", {"b1": 0.5, "weight_decay": 0.1}),
    ],
)
def test_settings_reach_optax_also_while_they_are_traced(rule, settings):
    ours = jax.jit(lambda o: after(o.transformation()))(Optimizer(rule=rule, learning_rate=0.1, settings=settings))
    assert_trees_close(ours, jax.jit(lambda: after(getattr(optax, rule)(0.1, **settings)))())


def test_a_larger_gradient_is_clipped_to_the_norm():
    clipped = after(Optimizer(rule="sgd", learning_rate=0.25, clip_norm=0.5).transformation(), steps=1)
    moved = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(jax.tree.map(jnp.subtract, clipped, PARAMS))])
    gradient = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(GRADIENT)])
    np.testing.assert_allclose(moved, -0.25 * 0.5 * gradient / np.linalg.norm(gradient), rtol=1e-5, atol=1e-7)


def test_a_schedule_stands_for_the_learning_rate():
    scheduled = Optimizer(rule="sgd", learning_rate=Linear(start=1.0, end=0.0, steps=2))
    # Steps of 1 and 1/2, then none.
    expected = jax.tree.map(lambda p, g: p - 1.5 * g, PARAMS, GRADIENT)
    assert_trees_close(after(scheduled.transformation(), steps=4), expected)


def test_each_part_has_its_own_optimiser():
    parts = {"networks": PARAMS, "critic": PARAMS}
    mapping = {"networks": Optimizer(rule="sgd", learning_rate=0.1), "critic": Optimizer(learning_rate=0.25)}
    assert all(isinstance(one, OptaxChain) for one in mapping.values())
    transformation = transformation_of(mapping)
    gradients = dict.fromkeys(parts, GRADIENT)
    updates, _ = transformation.update(gradients, transformation.init(parts), parts)
    moved = optax.apply_updates(parts, updates)
    for part, optimizer in mapping.items():
        assert_trees_close(moved[part], after(optimizer.transformation(), steps=1))


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        ({"rule": "adamm"}, "unknown optimizer 'adamm': did you mean 'adam'"),
        ({"learning_rate": 0.0}, "Optimizer was given learning_rate=0.0: expected a number above zero"),
        ({"clip_norm": -1.0}, "Optimizer was given clip_norm=-1.0: expected a number above zero"),
        ({"rule": "sgd", "settings": {"momentun": 0.9}}, "unknown setting of sgd 'momentun': did you mean 'momentum'"),
        ({"settings": {"learning_rate": 0.9}}, "unknown setting of adam 'learning_rate'"),
        ({"settings": {"nesterov": True}}, "the setting of adam was given nesterov=True: expected a number"),
        (
            {"settings": {"mu_dtype": "bfloat16"}},
            "the setting of adam was given mu_dtype='bfloat16': expected a number",
        ),
    ],
)
def test_choices_that_cannot_be_used_are_refused(choice, sentence, unchecked):
    with pytest.raises(InvalidInput, match=sentence):
        Optimizer(**choice)


def test_weight_decay_may_leave_biases():
    ours = Optimizer(rule="adamw", learning_rate=0.1, settings={"weight_decay": 0.5}, decay_biases=False)
    mask = {"kernel": True, "bias": False}
    assert_trees_close(after(ours.transformation()), after(optax.adamw(0.1, weight_decay=0.5, mask=mask)))
    with pytest.raises(InvalidInput, match="decay_biases=False and sgd, which has no mask: expected adamw"):
        Optimizer(rule="sgd", decay_biases=False)


def test_the_mean_gradient_of_accumulated_steps_makes_one_update():
    transformation = Optimizer(rule="sgd", learning_rate=0.1, accumulate=2).transformation()
    params, state = PARAMS, transformation.init(PARAMS)
    for factor in (1.0, 3.0):
        updates, state = transformation.update(jax.tree.map(lambda g, f=factor: f * g, GRADIENT), state, params)
        params = optax.apply_updates(params, updates)
    assert_trees_close(params, jax.tree.map(lambda p, g: p - 0.1 * 2.0 * g, PARAMS, GRADIENT))


def centralised(learning_rate, decay):
    return optax.chain(optax.centralize(), optax.add_decayed_weights(decay), optax.sgd(learning_rate))


def test_a_chain_of_the_user_s_own_is_mapped_over_and_named_in_configurations():
    ours = [from_optax(centralised, learning_rate=rate, decay=0.1) for rate in (0.1, 0.01)]
    several = jax.vmap(lambda o: after(o.transformation()))(jax.tree.map(lambda *rates: jnp.stack(rates), *ours))
    for member, rate in enumerate((0.1, 0.01)):
        assert_trees_close(jax.tree.map(lambda leaf, m=member: leaf[m], several), after(centralised(rate, 0.1)))
    assert from_config(to_config(ours[0])) == ours[0]
    assert to_config(ours[0])["build"]["name"].endswith(":centralised")


def test_optax_s_own_values_are_refused_with_what_takes_them():
    chain: Any = optax.adam(1e-3)
    with pytest.raises(InvalidInput, match=r"a chain by ae_jax.optimizers.from_optax\(build\)"):
        ae_jax.Autoencoder(
            name="mine", networks=ae_jax.networks.MLP(), objective=ae_jax.objectives.Reconstruction(), optimizer=chain
        )
