"""Flows against autodiff's log-determinant, against SciPy, and by inversion."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy import optimize

from ae_jax import InvalidInput
from ae_jax.distributions import DiagonalGaussian
from ae_jax.flows import Autoregressive, Flow, InverseAutoregressive, Planar, Radial, planar, radial

UNITS, CONTEXT, ROWS = 5, 3, 4


def drawn(*shape, seed=0, scale=1.0):
    return jnp.asarray(np.random.default_rng(seed).normal(scale=scale, size=shape))


def randomised(module, seed=1):
    """The module with parameters far from those it starts with."""
    for place, (_, variable) in enumerate(nnx.iter_graph(module)):
        if isinstance(variable, nnx.Param):
            variable.set_value(drawn(*variable.shape, seed=seed + place, scale=0.5))
    return module


def planar_parameters(seed=2):
    return drawn(ROWS, UNITS, seed=seed, scale=2.0), drawn(ROWS, UNITS, seed=seed + 1), drawn(ROWS, 1, seed=seed + 2)


def radial_parameters(seed=5):
    return drawn(ROWS, UNITS, seed=seed), drawn(ROWS, 1, seed=seed + 1), drawn(ROWS, 1, seed=seed + 2, scale=2.0)


def flow(groups, context=CONTEXT):
    return randomised(Flow(UNITS, 3, (8,), nnx.Rngs(0), context=context, groups=groups))


def maps():
    """Maps of a batch by name, each with what it is given for each row."""
    context = (drawn(ROWS, CONTEXT, seed=9),)
    return {
        "planar": (planar, planar_parameters()),
        "radial": (radial, radial_parameters()),
        "coupling": (flow(2), context),
        "autoregressive": (flow(UNITS), context),
    }


@pytest.mark.parametrize("name", ["planar", "radial", "coupling", "autoregressive"])
def test_the_log_determinant_is_that_of_autodiff_s_jacobian(name, x64):
    move, given = maps()[name]
    z = drawn(ROWS, UNITS, seed=7)

    def of_one(z, *given):
        return move(z[None], *(each[None] for each in given))[0][0]

    jacobians = jax.jit(jax.vmap(jax.jacfwd(of_one)))(z, *given)
    signs, expected = np.linalg.slogdet(np.asarray(jacobians))
    assert (np.abs(signs) == 1).all()
    np.testing.assert_allclose(jax.jit(lambda z: move(z, *given)[1])(z), expected, rtol=1e-8, atol=1e-10)


def test_planar_and_radial_steps_equal_numpy_and_are_undone_by_a_root_finder(x64):
    z = drawn(ROWS, UNITS, seed=7)
    u, w, b = map(np.asarray, planar_parameters())
    along = (w * u).sum(axis=1, keepdims=True)
    u = u + (np.logaddexp(0, along) - 1 - along) * w / np.square(w).sum(axis=1, keepdims=True)
    assert ((w * u).sum(axis=1) > -1).all()
    np.testing.assert_allclose(
        planar(z, *planar_parameters())[0], z + u * np.tanh((w * z).sum(axis=1, keepdims=True) + b), rtol=1e-9
    )
    centre, width, strength = map(np.asarray, radial_parameters())
    alpha = np.logaddexp(0, width)
    reach = alpha + np.linalg.norm(z - centre, axis=1, keepdims=True)
    expected = z + (np.logaddexp(0, strength) - alpha) / reach * (z - centre)
    np.testing.assert_allclose(radial(z, *radial_parameters())[0], expected, rtol=1e-9)
    for name in ("planar", "radial"):
        move, given = maps()[name]
        moved = jax.jit(lambda z, move=move, given=given: move(z[None], *(each[:1] for each in given))[0][0])
        there = np.asarray(moved(z[0]))
        root = optimize.root(lambda y, moved=moved, there=there: np.asarray(moved(y)) - there, np.zeros(UNITS))
        np.testing.assert_allclose(root.x, z[0], atol=1e-6)


@pytest.mark.parametrize("groups", [2, UNITS])
def test_a_flow_is_undone_by_its_inverse(groups, x64):
    steps, z, context = flow(groups), drawn(ROWS, UNITS, seed=7), drawn(ROWS, CONTEXT, seed=9)
    moved, back = jax.jit(lambda z: (moved := steps(z, context)[0], steps.inverse(moved, context)))(z)
    assert float(jnp.abs(moved - z).max()) > 0.5
    np.testing.assert_allclose(back, z, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(("groups", "hidden"), [(2, (8,)), (UNITS, (8, 6)), (UNITS, ())])
def test_a_unit_depends_on_the_groups_before_its_own_alone(groups, hidden):
    step = randomised(Autoregressive(UNITS, hidden, 0, groups, nnx.Rngs(0)))
    z = drawn(1, UNITS).astype(jnp.float32)
    for of in step.shift_and_scale, lambda z, _: step(z)[:1]:
        for output in jax.jit(jax.jacfwd(lambda z, of=of: of(z, None)))(z):
            depends = np.asarray(output)[0, :, 0] != 0
            group = np.arange(UNITS) * groups // UNITS
            before = group[:, None] > group[None]
            own = np.eye(UNITS, dtype=bool) & (of is not step.shift_and_scale)
            assert not (depends & ~(before | own)).any()
            assert depends[-1, : UNITS // 2].any()


def test_a_flow_starts_as_the_identity():
    z = drawn(ROWS, UNITS).astype(jnp.float32)
    moved, log_determinant = Flow(UNITS, 2, (8,), nnx.Rngs(0), groups=UNITS)(z)
    np.testing.assert_array_equal(moved, z)  # reversed twice
    np.testing.assert_array_equal(log_determinant, np.zeros(ROWS))


@pytest.mark.parametrize("family", [Planar(steps=2), Radial(steps=2), InverseAutoregressive(steps=2, hidden=(4,))])
def test_the_density_of_a_flow_posterior_integrates_to_one_over_its_own_draws(family, x64):
    """E_q[g(z) / q(z)] is the integral of g, here a normal density."""
    module = randomised(family(2, nnx.Rngs(0)))
    outputs = jnp.tile(drawn(1, module.inputs, seed=3, scale=0.4), (40_000, 1))
    outputs = outputs.at[:, 2:4].set(0.3)  # the Gaussian is wider than the normal
    z, log_prob = jax.jit(lambda key: module(outputs).sample_and_log_prob(key))(jax.random.key(0))
    centre = z.mean(axis=0)
    weights = np.exp(np.asarray(DiagonalGaussian(centre[None] + 0 * z, 0 * z - 0.7).log_prob(z) - log_prob))
    assert abs(weights.mean() - 1) < 5 * weights.std() / 200
    assert weights.std() / 200 < 0.03


def test_the_inverse_gives_the_density_of_an_inverse_autoregressive_posterior(x64):
    module = randomised(InverseAutoregressive(steps=2, hidden=(6,))(UNITS, nnx.Rngs(0)))
    outputs = drawn(ROWS, module.inputs, seed=3)
    posterior = module(outputs)
    z, log_prob = jax.jit(posterior.sample_and_log_prob)(jax.random.key(0))
    np.testing.assert_allclose(z, jax.jit(posterior.sample)(jax.random.key(0)))

    def undone(z, context):
        return module.flow.inverse(z[None], context[None])[0]

    back = jax.jit(jax.vmap(lambda z, context: (undone(z, context), jax.jacfwd(undone)(z, context))))
    before, jacobians = back(z, outputs[:, 2 * UNITS :])
    expected = posterior.base.log_prob(before) + np.linalg.slogdet(np.asarray(jacobians))[1]
    np.testing.assert_allclose(log_prob, expected, rtol=1e-8)


@pytest.mark.parametrize("family", [Planar, Radial, InverseAutoregressive])
def test_a_flow_without_steps_is_refused(family):
    with pytest.raises(InvalidInput, match=rf"{family.__name__} was given steps=0: expected a whole number above zero"):
        family(steps=0)
