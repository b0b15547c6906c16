"""Games: terms equal NumPy's, and each player has the gradient of its own loss alone."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy import special

import ae_jax
from ae_jax.errors import InvalidInput
from ae_jax.evaluation import evaluate
from ae_jax.evaluation.diagnosis import diagnose_training
from ae_jax.networks.functional import without_gradient
from ae_jax.objectives import AdversarialELBO, AdversarialPrior, SquaredError
from ae_jax.objectives.adversarial import critic_loss
from ae_jax.types import Batch

MADE = {
    "aae": ae_jax.aae(code=3, hidden=(6,), critic=(8,), weight=2.0, likelihood=SquaredError()),
    "wae_gan": ae_jax.wae_gan(code=3, hidden=(6,), critic=(8,), weight=2.0),
    "vaegan": ae_jax.vaegan(code=3, hidden=(6,), critic=(8,), gamma=4.0, pixel=0.0),
}


def evaluated(name):
    """The model, the batch, the terms, and the gradient of each."""
    autoencoder = MADE[name]
    params, _ = autoencoder.init((5,), jax.random.key(0))
    batch = Batch(jax.random.uniform(jax.random.key(1), (6, 5)))

    @jax.jit
    def everything(params):
        def terms(params):
            loss, metrics = autoencoder.objective(autoencoder.bind((5,), params), jax.random.key(2), batch, 0)
            return {"loss": loss} | metrics

        values, pull = jax.vjp(terms, params)
        zeros = jax.tree.map(jnp.zeros_like, values)
        return values, {name: pull(zeros | {name: jnp.ones_like(values[name])})[0] for name in values}

    return autoencoder.bind((5,), params), batch, *everything(params)


def log_odds(critic, x):
    """The critic's outputs, in NumPy."""
    one, two = critic.layers
    hidden = np.asarray(x, np.float64) @ np.asarray(one.kernel[...]) + np.asarray(one.bias[...])
    return (np.where(hidden > 0, hidden, 0.2 * hidden) @ np.asarray(two.kernel[...]))[:, 0] + float(two.bias[0])


def is_zero(tree):
    return all(not leaf.any() for leaf in jax.tree.leaves(tree))


@pytest.mark.parametrize("name", ["aae", "wae_gan"])
def test_a_game_about_codes_equals_numpy(name):
    model, batch, terms, gradients = evaluated(name)
    code_key, prior_key = jax.random.split(jax.random.key(2))
    code = model.encode(batch.x)
    z = code.sample(jax.random.split(code_key, 1)[0]) if name == "aae" else code
    draws = model.prior.sample(prior_key, 6)
    real, made = log_odds(model.critic, draws), log_odds(model.critic, z)
    critic = -0.5 * np.mean(np.log(special.expit(real)) + np.log(special.expit(-made)))
    np.testing.assert_allclose(terms["critic"], critic, rtol=1e-4)
    np.testing.assert_allclose(terms["adversary"], -np.mean(np.log(special.expit(made))), rtol=1e-4)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6),
        gradients["loss"]["critic"],
        gradients["critic"]["critic"],
    )
    assert is_zero(gradients["critic"]["networks"])
    assert is_zero(gradients["adversary"]["critic"])
    assert is_zero(gradients["adversary"]["networks"]["decoder"])
    assert not is_zero(gradients["adversary"]["networks"]["encoder"])


@pytest.mark.parametrize("name", ["aae", "wae_gan"])
def test_the_networks_have_the_gradient_of_their_loss_at_a_fixed_critic(name):
    model, batch, _, gradients = evaluated(name)
    key = jax.random.split(jax.random.split(jax.random.key(2))[0], 1)[0]

    def loss(networks):
        code = networks.encode(batch.x)
        z = code.mean + jnp.exp(code.log_scale) * jax.random.normal(key, (6, 3)) if name == "aae" else code
        error = jnp.sum(jnp.square(networks.decode(z) - batch.x), axis=1)
        return jnp.mean(error - 2.0 * jax.nn.log_sigmoid(model.critic(z)))

    expected = nnx.to_pure_dict(nnx.jit(nnx.grad(loss))(model.networks))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), gradients["loss"]["networks"], expected
    )


def test_the_game_of_vaegan_equals_numpy():
    model, batch, terms, _ = evaluated("vaegan")
    code_key, prior_key = jax.random.split(jax.random.key(2))
    z = model.encode(batch.x).sample(jax.random.split(code_key, 1)[0])
    decoded = [special.expit(model.decode(each)) for each in (z, model.prior.sample(prior_key, 6))]
    real, *sides = (log_odds(model.critic, x) for x in (batch.x, *decoded))
    adversary = -sum(np.log(special.expit(made)) for made in sides)
    critic = -0.5 * np.log(special.expit(real)) - 0.25 * sum(np.log(special.expit(-made)) for made in sides)
    np.testing.assert_allclose(terms["adversary"], adversary.mean(), rtol=1e-4)
    np.testing.assert_allclose(terms["critic"], critic.mean(), rtol=1e-4)


def test_the_players_of_vaegan_have_their_own_losses():
    model, batch, terms, gradients = evaluated("vaegan")
    for name in ("kl", "feature_error", "adversary"):
        assert is_zero(gradients[name]["critic"]), name
    assert is_zero(gradients["critic"]["networks"])
    assert is_zero(gradients["adversary"]["networks"]["encoder"])
    assert not is_zero(gradients["adversary"]["networks"]["decoder"])
    posterior, key = model.encode(batch.x), jax.random.split(jax.random.key(2))[0]

    def feature_error(networks):
        z = networks.encode(batch.x).sample(jax.random.split(key, 1)[0])
        judge = without_gradient(model.critic)
        error = judge.features(jax.nn.sigmoid(networks.decode(z))) - judge.features(batch.x)
        return 0.5 * jnp.mean(jnp.sum(jnp.square(error), axis=1))

    value, plain = nnx.value_and_grad(feature_error)(model.networks)
    np.testing.assert_allclose(terms["feature_error"], value, rtol=1e-5)
    found = gradients["feature_error"]["networks"]  # unweighted: gamma, 4, times it is trained
    for ours, theirs, factor in (
        (found["encoder"][0]["kernel"], plain["encoder"][0]["kernel"][...], 4.0),
        (found["decoder"][0]["kernel"], plain["decoder"][0]["kernel"][...], 1.0),
    ):
        np.testing.assert_allclose(factor * ours, theirs, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(terms["kl"], posterior.kl().mean(), rtol=1e-5)


def test_the_critics_loss_is_the_logistic_loss():
    real, made = np.array([2.0, -1.0], np.float32), np.array([0.5, 3.0], np.float32)
    expected = -0.5 * (np.log(special.expit(real)) + np.log(1 - special.expit(made)))
    np.testing.assert_allclose(critic_loss(jnp.asarray(real), jnp.asarray(made)), expected, rtol=1e-5)


def test_runs_are_sampled_and_evaluated_without_a_bound_and_a_lost_game_is_said(small):
    run = ae_jax.fit(MADE["wae_gan"], small, seeds=[0, 1], epochs=2, batch_size=16)
    assert run.sample(3).shape == (2, 3, 8, 8)
    assert "negative_elbo" not in {row["metric"] for row in evaluate(run, small).rows}
    assert "lost_game" not in {row["finding"] for row in diagnose_training(run)}
    played = {"critic": np.array([[0.7, 0.6], [0.5, 0.05]]), "adversary": np.array([[0.7, 9.0], [0.7, 0.7]])}
    history = run.history | {"train": run.history["train"] | played}
    findings = diagnose_training(dataclasses.replace(run, history=history))
    known = {row["finding"]: row for row in findings}
    assert (known["lost_game"]["member"], known["lost_game"]["value"]) == (1, 0.05)
    assert "wae_gan has a critic that wins, in 1 of 2 members" in known["lost_game"]["sentence"]
    assert (known["diverging_game"]["member"], known["diverging_game"]["value"]) == (0, 9.0)
    assert "wae_gan has a game that diverges" in known["diverging_game"]["sentence"]


def test_refusals_are_sentences():
    with pytest.raises(InvalidInput, match=r"weight=-1\.0: expected zero or a number above"):
        AdversarialPrior(weight=-1.0)
    with pytest.raises(InvalidInput, match="gamma=0: expected a number above zero"):
        AdversarialELBO(gamma=0)
