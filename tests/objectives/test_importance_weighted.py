import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from ae_jax import InvalidInput
from ae_jax.corruptions import Masking
from ae_jax.flows import InverseAutoregressive, Planar, Radial
from ae_jax.networks import MLP, ModelSpec, functional
from ae_jax.objectives import (
    ELBO,
    L1,
    BernoulliLikelihood,
    GaussianLikelihood,
    ImportanceWeighted,
    SquaredError,
    StudentTLikelihood,
    mark_missing,
)
from ae_jax.priors import StandardNormal
from ae_jax.types import Batch

KEY = jax.random.key(0)
DRAWS = 2000


@pytest.fixture(scope="module")
def bounds(linear_gaussian, points) -> dict[int, np.ndarray]:
    """Negative bounds of a linear-Gaussian model with a wrong posterior, of independent keys, by number of samples."""
    networks = linear_gaussian(shift=0.3, stretch=0.3)
    likelihood = GaussianLikelihood(scale=networks.scale)

    @jax.jit
    def drawn(keys):
        return {
            samples: jax.vmap(
                lambda key, k=samples: ImportanceWeighted(likelihood=likelihood, samples=k)(
                    networks, key, Batch(jnp.asarray(points)), 0
                )[0]
            )(keys)
            for samples in (1, 5, 50)
        }

    return {k: np.asarray(values) for k, values in drawn(jax.random.split(KEY, DRAWS)).items()}


def test_the_bound_lies_between_the_elbo_and_the_likelihood_and_tightens_with_samples(bounds, linear_gaussian, points):
    networks = linear_gaussian(shift=0.3, stretch=0.3)
    exact = networks.exact_nll(points).mean()
    elbo = exact + networks.divergence_from_exact(points).mean()
    error = {k: values.std() / DRAWS**0.5 for k, values in bounds.items()}
    assert abs(bounds[1].mean() - elbo) < 4 * error[1]
    for fewer, more in ((1, 5), (5, 50)):
        assert bounds[more].mean() + 4 * np.hypot(error[fewer], error[more]) < bounds[fewer].mean()
    assert exact - 4 * error[50] < bounds[50].mean() < exact + 0.1 * (elbo - exact)


def test_an_exact_posterior_meets_the_likelihood_with_any_latents(linear_gaussian, points):
    networks = linear_gaussian()
    objective = ImportanceWeighted(likelihood=GaussianLikelihood(scale=networks.scale), samples=3)
    loss, metrics = jax.jit(lambda x: objective(networks, KEY, Batch(x), 0))(jnp.asarray(points))
    np.testing.assert_allclose(loss, networks.exact_nll(points).mean(), rtol=1e-5)
    np.testing.assert_allclose(metrics["iwae_gap"], 0.0, atol=1e-5)


def test_terms_are_those_of_scipy_s_densities_and_the_loss_the_bound(stochastic):
    x, samples = jax.random.uniform(KEY, (6, 4)), 7
    loss, metrics = jax.jit(lambda x: ImportanceWeighted(samples=samples)(stochastic, KEY, Batch(x), 0))(x)
    posterior = stochastic.encode(x)
    mean, scale = np.asarray(posterior.mean, float), np.exp(np.asarray(posterior.log_scale, float))
    keys = jax.random.split(jax.random.split(KEY, 3)[1], samples)
    z = mean + scale * np.stack([jax.random.normal(key, mean.shape) for key in keys])
    outputs = np.asarray(stochastic.decode(jnp.asarray(z.reshape(-1, 3), jnp.float32))).reshape(samples, 6, 4)
    pixels = np.asarray(x)
    nll = -np.sum(pixels * special.log_expit(outputs) + (1 - pixels) * special.log_expit(-outputs), axis=2)
    ratio = np.sum(stats.norm.logpdf(z, mean, scale) - stats.norm.logpdf(z), axis=2)
    bound = -np.mean(special.logsumexp(-nll - ratio, axis=0) - np.log(samples))
    assert sorted(metrics) == ["bernoulli_nll", "iwae_gap", "kl"]
    np.testing.assert_allclose(metrics["bernoulli_nll"], nll.mean(), rtol=1e-5)
    np.testing.assert_allclose(metrics["kl"], ratio.mean(), rtol=1e-4)
    np.testing.assert_allclose(metrics["iwae_gap"], (nll + ratio).mean() - bound, rtol=1e-3)
    np.testing.assert_allclose(loss, bound, rtol=1e-5)


def test_the_gradient_weighs_latents_by_their_normalised_weights(linear_gaussian, points):
    networks = linear_gaussian(shift=0.5)
    likelihood, x = GaussianLikelihood(scale=networks.scale), jnp.asarray(points)

    class Moved:
        """The model with what its decoder gives moved, of which the gradient is the mean residual."""

        encode, prior = networks.encode, networks.prior

        def __init__(self, offset):
            self.offset = offset

        def decode(self, z, condition=None):
            return networks.decode(z) + self.offset[None]

    objective = ImportanceWeighted(likelihood=likelihood, samples=4)
    slope = jax.jit(jax.grad(lambda offset: objective(Moved(offset), KEY, Batch(x), 0)[0]))
    posterior = networks.encode(x)
    keys = jax.random.split(jax.random.split(KEY, 3)[1], 4)
    z = np.stack([posterior.sample(key) for key in keys]).astype(float)
    outputs = z @ networks.weights.T + networks.bias
    log_weights = np.sum(stats.norm.logpdf(points, outputs, networks.scale), axis=2) + np.sum(
        stats.norm.logpdf(z) - stats.norm.logpdf(z, posterior.mean, np.exp(posterior.log_scale)), axis=2
    )
    weights = special.softmax(log_weights, axis=0)
    expected = np.mean(np.sum(weights[..., None] * (outputs - points), axis=0), axis=0) / networks.scale**2
    np.testing.assert_allclose(slope(jnp.zeros(5)), expected, rtol=1e-4, atol=1e-5)


def test_one_sample_is_the_elbo_with_a_sampled_divergence_in_value_and_mean_gradient(linear_gaussian, points):
    networks, x = linear_gaussian(shift=0.3, stretch=0.2), jnp.asarray(points)
    likelihood = GaussianLikelihood(scale=networks.scale)
    kinds = {"one": ImportanceWeighted(likelihood=likelihood, samples=1), "elbo": ELBO(likelihood=likelihood)}

    class Shifted:
        """The model with another posterior mean."""

        decode, prior = networks.decode, networks.prior

        def __init__(self, shift):
            self.shift = shift

        def encode(self, x, condition=None):
            posterior = networks.encode(x)
            return posterior._replace(mean=posterior.mean + self.shift[None])

    @jax.jit
    def drawn(keys):
        def of(objective, key):
            loss = jax.value_and_grad(lambda shift: objective(Shifted(shift), key, Batch(x), 0), has_aux=True)
            return loss(jnp.zeros(2))

        return {name: jax.vmap(lambda key, o=objective: of(o, key))(keys) for name, objective in kinds.items()}

    found = jax.device_get(drawn(jax.random.split(KEY, DRAWS)))
    ((value, metrics), slope), ((_, elbo_metrics), elbo_slope) = found["one"], found["elbo"]
    np.testing.assert_allclose(value, metrics["gaussian_nll"] + metrics["kl"], rtol=1e-5)
    np.testing.assert_array_equal(metrics["iwae_gap"], np.zeros(DRAWS))
    np.testing.assert_allclose(metrics["gaussian_nll"], elbo_metrics["gaussian_nll"], rtol=1e-5)
    for ours, theirs in ((metrics["kl"], elbo_metrics["kl"]), (slope, elbo_slope)):
        # Both have the same latents: what is left is the noise of the difference.
        error = np.std(ours - theirs, axis=0) / DRAWS**0.5
        assert (np.abs(np.mean(ours - theirs, axis=0)) < 4 * error).all()
        assert (error < 0.05).all()


def test_corruption_damages_the_encoder_s_input_only_and_penalties_are_of_the_posterior_mean(stochastic):
    x = jax.random.uniform(KEY, (6, 4))
    objective = ImportanceWeighted(corruption=Masking(probability=1.0), penalties=(L1(weight=0.5),))
    loss, metrics = objective(stochastic, KEY, Batch(x), 0)
    blind = stochastic.encode(jnp.zeros_like(x))
    np.testing.assert_allclose(metrics["l1"], np.abs(blind.mean).sum(axis=1).mean(), rtol=1e-5)
    bound = metrics["bernoulli_nll"] + metrics["kl"] - metrics["iwae_gap"]
    np.testing.assert_allclose(loss, bound + 0.5 * metrics["l1"], rtol=1e-6)
    other, _ = objective(stochastic, KEY, Batch(1.0 - x), 0)
    assert other != loss


def test_samples_are_counted_from_one():
    with pytest.raises(InvalidInput, match="ImportanceWeighted was given samples=0: expected a whole number above"):
        ImportanceWeighted(samples=0)


SPEC = ModelSpec(
    MLP(hidden=(5,), code=3, activation="tanh", stochastic=True), (4,), parts=(("prior", StandardNormal()),)
)
PARAMS = functional.init(SPEC, jax.random.key(1))[0]
X = jax.random.uniform(jax.random.key(2), (6, 4))


def loss_and_gradient(objective, x=X, observed=None):
    def loss(params):
        return objective(functional.bind(SPEC, params), KEY, Batch(x, observed=observed), 0)

    (value, metrics), gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))(PARAMS)
    return value, metrics, gradient["networks"]


def log_weights_of(samples):
    """Log-weights of the draws that an objective makes with the key, in double precision."""
    model = functional.bind(SPEC, PARAMS)
    posterior = model.encode(X)
    keys = jax.random.split(jax.random.split(KEY, 4)[1], samples)
    z = np.stack([posterior.sample(key) for key in keys]).astype(float)
    outputs = np.stack([model.decode(jnp.asarray(one, jnp.float32)) for one in z]).astype(float)
    x = np.asarray(X, float)
    mean, scale = np.asarray(posterior.mean, float), np.exp(np.asarray(posterior.log_scale, float))
    nll = -np.sum(x * special.log_expit(outputs) + (1 - x) * special.log_expit(-outputs), axis=2)
    return -nll - np.sum(stats.norm.logpdf(z, mean, scale) - stats.norm.logpdf(z), axis=2)


@pytest.mark.parametrize(("bounds", "beta", "gradient"), [(3, 0.0, "plain"), (2, 0.3, "doubly"), (3, 0.0, "partial")])
def test_averages_of_bounds_are_those_of_numpy_on_the_same_draws(bounds, beta, gradient):
    log_weights = log_weights_of(6)
    objective = ImportanceWeighted(samples=6 // bounds, bounds=bounds, beta=beta, gradient=gradient)
    loss, metrics, _ = loss_and_gradient(objective)
    groups = 1 if gradient == "partial" else bounds
    each = special.logsumexp(log_weights.reshape(groups, -1, 6), axis=1) - np.log(6 // groups)
    elbo, tight = log_weights.mean(), each.mean()
    np.testing.assert_allclose(loss, -(beta * elbo + (1 - beta) * tight), rtol=1e-5)
    np.testing.assert_allclose(metrics["iwae_gap"], tight - elbo, rtol=1e-3, atol=1e-5)


def test_one_latent_is_the_elbo_of_the_draw_and_beta_one_the_elbo_of_all():
    one = loss_and_gradient(ImportanceWeighted(samples=1))[0]
    np.testing.assert_allclose(one, -log_weights_of(1).mean(), rtol=1e-5)
    several = loss_and_gradient(ImportanceWeighted(samples=4, beta=1.0))[0]
    np.testing.assert_allclose(several, -log_weights_of(4).mean(), rtol=1e-5)


@pytest.mark.parametrize("beta", [0.0, 0.3])
def test_a_partial_gradient_is_of_one_bound_for_the_decoder_and_of_several_for_the_encoder(beta):
    partial = loss_and_gradient(ImportanceWeighted(samples=2, bounds=3, beta=beta, gradient="partial"))[2]
    several = loss_and_gradient(ImportanceWeighted(samples=2, bounds=3, beta=beta))[2]
    single = loss_and_gradient(ImportanceWeighted(samples=6, beta=beta))[2]
    for name, expected, other in (("encoder", several, single), ("decoder", single, several)):
        ours, theirs, others = (jax.tree.leaves(tree[name]) for tree in (partial, expected, other))
        for one, wanted in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(one, wanted, rtol=1e-3, atol=1e-6)
        assert any(np.abs(one - wanted).max() > 1e-3 for one, wanted in zip(ours, others, strict=True))


@pytest.fixture(scope="module")
def slopes(linear_gaussian, points):
    """Gradients in shift and stretch of a posterior, of many keys, by gradient and number of latents."""

    def of(gradient, samples, shift, stretch, beta=0.0):
        def loss(numbers, key):
            networks = linear_gaussian(*numbers)
            objective = ImportanceWeighted(
                likelihood=GaussianLikelihood(scale=networks.scale), samples=samples, beta=beta, gradient=gradient
            )
            return objective(networks, key, Batch(jnp.asarray(points)), 0)[0]

        keys = jax.random.split(KEY, 4 * DRAWS)
        draws = jax.jit(jax.vmap(jax.grad(loss), in_axes=(None, 0)))((shift, stretch), keys)
        return np.stack(draws, axis=1)

    return of


def test_the_doubly_reparameterised_gradient_is_unbiased_and_varies_less(slopes, linear_gaussian, points):
    shift, stretch = 0.1, 0.1
    _, variance = linear_gaussian().exact_posterior(points)
    ratio = np.exp(2 * stretch)
    exact = np.array([np.sum(shift / variance[0]), np.sum(ratio - 1) * variance.shape[1]])  # of the divergence
    for samples, beta, expected in ((1, 0.0, exact), (8, 0.0, None), (4, 0.5, None), (4, 1.0, exact)):
        plain, doubly = (slopes(gradient, samples, shift, stretch, beta) for gradient in ("plain", "doubly"))
        error = [found.std(axis=0) / len(found) ** 0.5 for found in (plain, doubly)]
        np.testing.assert_array_less(doubly.std(axis=0), 0.8 * plain.std(axis=0))
        if expected is not None:
            np.testing.assert_array_less(np.abs(doubly.mean(axis=0) - expected), 4 * error[1])
        np.testing.assert_array_less(np.abs(doubly.mean(axis=0) - plain.mean(axis=0)), 4 * np.hypot(*error))


def test_at_the_exact_posterior_the_doubly_reparameterised_gradient_is_zero_in_every_draw(slopes):
    assert np.abs(slopes("doubly", 4, 0.0, 0.0)).max() < 1e-3 < slopes("plain", 4, 0.0, 0.0).std()


@pytest.mark.parametrize("posterior", [Planar(), Radial(), InverseAutoregressive()])
def test_a_doubly_reparameterised_gradient_needs_a_density_at_every_latent(posterior):
    networks = MLP(hidden=(), code=2, stochastic=True, posterior=posterior)
    spec = ModelSpec(networks, (4,), parts=(("prior", StandardNormal()),))
    model = functional.bind(spec, functional.init(spec, KEY)[0])
    with pytest.raises(InvalidInput, match="density is known at its draws alone: expected a posterior with log_prob"):
        ImportanceWeighted(gradient="doubly")(model, KEY, Batch(X), 0)


def test_the_decoder_has_the_same_gradient_under_a_doubly_reparameterised_one():
    doubly, plain = (loss_and_gradient(ImportanceWeighted(gradient=gradient))[2] for gradient in ("doubly", "plain"))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-6), doubly["decoder"], plain["decoder"]
    )


@pytest.mark.parametrize("likelihood", [BernoulliLikelihood(), StudentTLikelihood()])
def test_with_everything_observed_it_is_the_bound_without_a_mask(likelihood):
    spec = SPEC._replace(outputs=likelihood.outputs)
    model = functional.bind(spec, functional.init(spec, jax.random.key(1))[0])
    objective = ImportanceWeighted(likelihood=likelihood, missing=True)
    whole = objective(model, KEY, Batch(X), 0)[0]
    np.testing.assert_allclose(objective(model, KEY, mark_missing(Batch(X)), 0)[0], whole, rtol=1e-5)


def test_missing_values_have_no_part_in_value_or_gradient():
    holes = np.asarray(X).copy()
    holes[:, 1] = np.nan
    holes[0, 2] = np.nan
    objective = ImportanceWeighted(missing=True)
    batch = mark_missing(Batch(jnp.asarray(holes)))
    loss, _, gradient = loss_and_gradient(objective, batch.x, batch.observed)
    last = gradient["decoder"][1]
    np.testing.assert_array_equal(last["bias"][1], 0.0)
    np.testing.assert_array_equal(last["kernel"][:, 1], 0.0)
    assert np.abs(last["bias"][jnp.array([0, 2, 3])]).min() > 0
    np.testing.assert_array_equal(gradient["encoder"][0]["kernel"][1], 0.0)
    other = jnp.where(batch.observed, batch.x, 0.7)  # whatever stands in their place
    assert loss_and_gradient(objective, other, batch.observed)[0] == loss
    slope = jax.grad(lambda x: objective(functional.bind(SPEC, PARAMS), KEY, batch._replace(x=x), 0)[0])(batch.x)
    assert np.array_equal(np.asarray(slope) == 0, ~np.asarray(batch.observed))


def test_a_bound_of_observed_values_is_that_of_the_marginal_likelihood(linear_gaussian, points):
    networks = linear_gaussian(shift=0.1)
    observed = np.ones(points.shape, bool)
    observed[:, 3:] = False
    objective = ImportanceWeighted(likelihood=GaussianLikelihood(scale=networks.scale), samples=4000, missing=True)
    x = jnp.where(observed, points, 0.0)
    loss = jax.jit(lambda x: objective(networks, KEY, Batch(x, observed=jnp.asarray(observed)), 0)[0])(x)
    covariance = (networks.weights @ networks.weights.T + networks.scale**2 * np.eye(5))[:3, :3]
    exact = -stats.multivariate_normal(networks.bias[:3], covariance).logpdf(points[:, :3]).mean()
    np.testing.assert_allclose(loss, exact, atol=0.1)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"samples": 0}, "samples=0: expected a whole number above zero"),
        ({"bounds": 0}, "bounds=0: expected a whole number above zero"),
        ({"beta": 1.5}, r"beta=1\.5: expected a probability"),
        ({"gradient": "doubl"}, "unknown gradient 'doubl': did you mean 'doubly'"),
        (
            {"missing": True, "likelihood": SquaredError()},
            "missing=True and SquaredError: expected a likelihood",
        ),
    ],
)
def test_what_is_no_bound_is_refused(given, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        ImportanceWeighted(**given)
