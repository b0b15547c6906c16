"""The critic estimates total correlation, each player's gradient is its own, and each has its own optimiser."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import special

import ae_jax
from ae_jax.errors import InvalidInput
from ae_jax.models.factor import permuted_units
from ae_jax.networks.functional import ModelSpec, bind, init
from ae_jax.objectives import Critic
from ae_jax.training import algorithm
from ae_jax.types import Batch


@pytest.fixture(scope="module")
def setting():
    factor = ae_jax.factor(code=3, hidden=(6,), critic=(8,), gamma=2.0)
    params, _ = factor.init((5,), jax.random.key(0))
    return factor, params, Batch(jax.random.uniform(jax.random.key(1), (6, 5)))


@pytest.fixture(scope="module")
def evaluated(setting):
    """The objective's terms, and the gradients of the loss and of both players' terms."""
    factor, params, batch = setting

    @jax.jit
    def everything(params):
        def terms(params):
            loss, metrics = factor.objective(factor.bind((5,), params), jax.random.key(2), batch, 0)
            return {"loss": loss} | metrics

        values, pull = jax.vjp(terms, params)
        zeros = jax.tree.map(jnp.zeros_like, values)
        names = ("loss", "critic", "total_correlation")
        return values, {name: pull(zeros | {name: jnp.ones_like(values[name])})[0] for name in names}

    return everything(params)


def test_terms_equal_numpy(setting, evaluated):
    factor, params, batch = setting
    model = factor.bind((5,), params)
    posterior = model.encode(batch.x)
    first, second, permutation = jax.random.split(jax.random.key(2), 3)
    z, other = (posterior.sample(jax.random.split(key, 1)[0]) for key in (first, second))

    def log_odds(z):
        layers = jax.tree.map(np.asarray, params["critic"]["layers"])
        hidden = np.asarray(z) @ layers[0]["kernel"] + layers[0]["bias"]
        hidden = np.where(hidden > 0, hidden, 0.2 * hidden)
        return (hidden @ layers[1]["kernel"] + layers[1]["bias"])[:, 0]

    joint, independent = log_odds(z), log_odds(permuted_units(permutation, other))
    probability = [1 / (1 + np.exp(-joint)), 1 / (1 + np.exp(-independent))]
    expected = -0.5 * np.mean(np.log(probability[0]) + np.log1p(-probability[1]))
    np.testing.assert_allclose(evaluated[0]["critic"], expected, rtol=1e-5)
    np.testing.assert_allclose(evaluated[0]["total_correlation"], joint.mean(), rtol=1e-4, atol=1e-6)
    x, outputs = np.asarray(batch.x), model.decode(z)
    nll = -x * special.log_expit(outputs) - (1 - x) * special.log_expit(-outputs)
    np.testing.assert_allclose(evaluated[0]["bernoulli_nll"], nll.sum(axis=1).mean(), rtol=1e-5)
    kl = 0.5 * (posterior.mean**2 + np.exp(2 * posterior.log_scale) - 1) - posterior.log_scale
    np.testing.assert_allclose(evaluated[0]["kl"], kl.sum(axis=1).mean(), rtol=1e-4)


def test_each_player_has_the_gradient_of_its_own_loss(evaluated):
    whole, critic, correlation = (evaluated[1][name] for name in ("loss", "critic", "total_correlation"))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), whole["critic"], critic["critic"])
    assert all(not leaf.any() for leaf in jax.tree.leaves(critic["networks"]))
    assert all(not leaf.any() for leaf in jax.tree.leaves(correlation["critic"]))
    assert jnp.abs(correlation["networks"]["encoder"][0]["kernel"]).max() > 0


def test_the_networks_have_the_gradient_of_their_loss_at_a_fixed_critic(setting, evaluated):
    factor, params, batch = setting
    key = jax.random.split(jax.random.split(jax.random.key(2), 3)[0], 1)[0]

    def loss(networks):
        model = factor.bind((5,), params | {"networks": networks})
        mean, log_scale = model.encode(batch.x)
        z = mean + jnp.exp(log_scale) * jax.random.normal(key, (6, 3))
        outputs = model.decode(z)
        nll = jnp.sum(jax.nn.softplus(outputs) - batch.x * outputs, axis=1)
        kl = jnp.sum(0.5 * (mean**2 + jnp.exp(2 * log_scale) - 1) - log_scale, axis=1)
        return jnp.mean(nll + kl + 2.0 * model.critic(z))

    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6),
        evaluated[1]["loss"]["networks"],
        jax.jit(jax.grad(loss))(params["networks"]),
    )


def test_a_trained_critic_knows_the_total_correlation_of_a_gaussian():
    spec = ModelSpec(ae_jax.networks.MLP(hidden=(), code=2), (1,), parts=(("critic", Critic(hidden=(32, 32))),))
    params, rate, rho = init(spec, jax.random.key(0))[0], optax.adam(3e-3), 0.8
    factor = jnp.linalg.cholesky(jnp.array([[1.0, rho], [rho, 1.0]])).T

    def loss(params, key):
        draw, permutation = jax.random.split(key)
        z = jax.random.normal(draw, (512, 2)) @ factor
        critic = bind(spec, params).critic
        return jnp.mean(jax.nn.softplus(-critic(z)) + jax.nn.softplus(critic(permuted_units(permutation, z))))

    def step(carry, key):
        params, moments = carry
        updates, moments = rate.update(jax.grad(loss)(params, key), moments)
        return (optax.apply_updates(params, updates), moments), None

    keys = jax.random.split(jax.random.key(1), 600)
    (params, _), _ = jax.jit(lambda start: jax.lax.scan(step, start, keys))((params, rate.init(params)))
    z = jax.random.normal(jax.random.key(2), (20_000, 2)) @ factor
    estimate = float(jnp.mean(bind(spec, params).critic(z)))
    assert estimate == pytest.approx(-0.5 * np.log(1 - rho**2), rel=0.15)  # 0.511 nats in closed form


def test_each_part_moves_at_the_rate_of_its_own_optimiser(setting):
    _, _, batch = setting
    rates = {"learning_rate": 1e-3, "critic_rate": 1e-1}
    init_state, step = algorithm(ae_jax.factor(code=3, hidden=(6,), critic=(8,), **rates), (5,))
    before = jax.jit(init_state)(jax.random.key(0))
    after, _ = jax.jit(step)(before, jax.random.key(1), batch)
    moved = {
        part: max(float(jnp.abs(a - b).max()) for a, b in zip(*map(jax.tree.leaves, trees), strict=True))
        for part, trees in {name: (after.params[name], before.params[name]) for name in before.params}.items()
    }
    assert moved == {"networks": pytest.approx(1e-3, rel=0.01), "critic": pytest.approx(1e-1, rel=0.01)}


def test_a_part_without_an_optimiser_is_refused(small):
    factor = ae_jax.factor()
    mine = ae_jax.Autoencoder(
        name="mine", networks=factor.networks, objective=factor.objective, optimizer={"networks": ae_jax.Optimizer()}
    )
    with pytest.raises(InvalidInput, match="expected one for each part with parameters, critic, networks"):
        ae_jax.fit(mine, small, epochs=1)
