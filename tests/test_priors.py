import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy import special, stats

from ae_jax import InvalidInput
from ae_jax.distributions import DiagonalGaussian, FullGaussian, VonMisesFisher
from ae_jax.networks import PartBuilder
from ae_jax.objectives.elbo import sample_with_log_ratios
from ae_jax.priors import FlowPrior, GaussianMixture, Prior, StandardNormal, UniformSphere

DRAWS = 4000


@pytest.fixture(scope="module", params=[(3,), (2, 2, 3)], ids=str)
def prior(request):
    return StandardNormal()(None, (8,), request.param, nnx.Rngs(0))


def test_the_standard_normal_is_a_prior_without_parameters(prior):
    assert isinstance(StandardNormal(), PartBuilder)
    assert isinstance(prior, Prior)
    assert jax.tree.leaves(nnx.state(prior, nnx.Param)) == []


def test_log_prob_equals_scipy(prior):
    z = np.random.default_rng(0).normal(size=(5, *prior.code)).astype(np.float32)
    expected = stats.norm.logpdf(z).reshape(5, -1).sum(axis=1)
    np.testing.assert_allclose(prior.log_prob(jnp.asarray(z)), expected, rtol=1e-5)


def test_samples_have_mean_zero_and_the_identity_as_covariance(prior):
    samples = np.asarray(prior.sample(jax.random.key(0), DRAWS))
    assert samples.shape == (DRAWS, *prior.code)
    flat = samples.reshape(DRAWS, -1)
    # Five standard errors: of a mean 1 / sqrt(n), of a second moment sqrt(2 / n).
    np.testing.assert_allclose(flat.mean(axis=0), 0.0, atol=5 / DRAWS**0.5)
    np.testing.assert_allclose(flat.T @ flat / DRAWS, np.eye(flat.shape[1]), atol=5 * (2 / DRAWS) ** 0.5)


def test_the_divergence_of_a_gaussian_is_closed_and_of_others_unknown():
    prior = StandardNormal()(None, (8,), (3,), nnx.Rngs(0))
    mean, log_scale = jnp.array([[0.0, 1.0, -2.0]]), jnp.array([[0.0, 0.3, -1.0]])
    posterior = DiagonalGaussian(mean, log_scale)
    draws = posterior.sample(jax.random.key(1))
    np.testing.assert_allclose(prior.kl(posterior), posterior.kl(), rtol=1e-6)
    assert prior.kl(draws) is None


def built(builder, code=(3,), scale=0.5):
    """A prior whose parameters are random."""
    prior = builder(None, (8,), code, nnx.Rngs(0))
    for place, (_, variable) in enumerate(nnx.iter_graph(prior)):
        if isinstance(variable, nnx.Param):
            values = np.random.default_rng(place).normal(scale=scale, size=variable.shape)
            variable.set_value(jnp.asarray(values, jnp.float32))
    return prior


BUILDERS = {
    "mixture": GaussianMixture(components=4),
    "coupling": FlowPrior(steps=2, hidden=(5,)),
    "autoregressive": FlowPrior(kind="autoregressive", steps=2, hidden=(5,)),
}


@pytest.mark.parametrize("name", BUILDERS)
@pytest.mark.parametrize("code", [(2,), (1, 1, 2)], ids=str)
def test_draws_and_density_of_a_trained_prior_agree(name, code):
    """E_p[g / p] is one for a density g; and both are of the shape of the code."""
    prior = built(BUILDERS[name], code)
    assert isinstance(BUILDERS[name], PartBuilder)
    assert isinstance(prior, Prior)
    z, log_prob = jax.jit(lambda key: (z := prior.sample(key, DRAWS), prior.log_prob(z)))(jax.random.key(0))
    assert z.shape == (DRAWS, *code)
    rows = np.asarray(z).reshape(DRAWS, -1)
    within = stats.norm(rows.mean(axis=0), 0.4 * rows.std(axis=0)).logpdf(rows).sum(axis=1)
    weights = np.exp(within - log_prob)
    assert abs(weights.mean() - 1) < 5 * weights.std() / DRAWS**0.5 < 0.3
    assert prior.kl(DiagonalGaussian(z, z)) is None


def test_the_density_of_a_mixture_equals_scipy():
    prior = built(BUILDERS["mixture"])
    z = np.random.default_rng(7).normal(size=(5, 3))
    means, log_scales = (np.asarray(each[...], float) for each in (prior.means, prior.log_scales))
    densities = stats.norm(means[None], np.exp(log_scales)[None]).logpdf(z[:, None]).sum(axis=-1)
    expected = special.logsumexp(densities + special.log_softmax(np.asarray(prior.logits[...], float)), axis=1)
    np.testing.assert_allclose(prior.log_prob(jnp.asarray(z, jnp.float32)), expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["coupling", "autoregressive"])
def test_the_density_of_a_flow_is_the_normal_s_times_the_jacobian_s_determinant(name, x64):
    prior = built(BUILDERS[name])
    z = jnp.asarray(np.random.default_rng(7).normal(size=(5, 3)))
    jacobians = jax.jit(jax.vmap(jax.jacfwd(lambda z: prior.flow(z[None])[0][0])))(z)
    expected = stats.norm.logpdf(prior.flow(z)[0]).sum(axis=1) + np.linalg.slogdet(jacobians)[1]
    np.testing.assert_allclose(prior.log_prob(z), expected, rtol=1e-8)


def test_a_single_component_is_a_learned_normal_with_a_closed_divergence():
    prior = built(GaussianMixture(components=1), (2, 2, 1))
    posterior = DiagonalGaussian(jnp.ones((3, 2, 2, 1)), jnp.full((3, 2, 2, 1), -0.5))
    draws = jax.jit(jax.vmap(posterior.sample))(jax.random.split(jax.random.key(0), DRAWS))
    ratios = jax.jit(jax.vmap(lambda z: posterior.log_prob(z) - prior.log_prob(z)))(draws)
    np.testing.assert_allclose(prior.kl(posterior), ratios.mean(axis=0), atol=5 * float(ratios.std()) / DRAWS**0.5)
    assert not GaussianMixture(components=1)(None, (8,), (2,), nnx.Rngs(0)).means[...].any()


def test_the_divergence_of_a_full_gaussian_is_closed():
    posterior = FullGaussian(jnp.ones((2, 3)), jnp.tile(0.5 * jnp.eye(3), (2, 1, 1)))
    prior = StandardNormal()(None, (8,), (3,), nnx.Rngs(0))
    np.testing.assert_allclose(
        prior.kl(posterior), DiagonalGaussian(jnp.ones((2, 3)), jnp.full((2, 3), np.log(0.5))).kl(), rtol=1e-5
    )


def test_the_uniform_prior_on_the_sphere():
    prior = UniformSphere()(None, (8,), (4,), nnx.Rngs(0))
    z = prior.sample(jax.random.key(0), DRAWS)
    np.testing.assert_allclose(jnp.linalg.norm(z, axis=1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(prior.log_prob(z), -np.log(2 * np.pi**2), rtol=1e-5)  # the area of S^3
    np.testing.assert_allclose(np.asarray(z).T @ np.asarray(z) / DRAWS, np.eye(4) / 4, atol=5 / DRAWS**0.5)
    posterior = VonMisesFisher(z[:2], jnp.array([1.0, 20.0]))
    np.testing.assert_array_equal(prior.kl(posterior), posterior.kl())


def test_a_sphere_wants_both_posterior_and_prior_on_it():
    sphere, normal = (builder(None, (8,), (3,), nnx.Rngs(0)) for builder in (UniformSphere(), StandardNormal()))
    gaussian = DiagonalGaussian(jnp.ones((2, 3)), jnp.zeros((2, 3)))
    on_it = VonMisesFisher(sphere.sample(jax.random.key(0), 2), jnp.ones(2))
    for prior, posterior in ((sphere, gaussian), (normal, on_it)):
        with pytest.raises(InvalidInput, match="expected both or neither on the sphere"):
            sample_with_log_ratios(jax.random.key(0), prior, posterior, 1)


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (
            lambda: GaussianMixture(components=0),
            "GaussianMixture was given components=0: expected a whole number above",
        ),
        (lambda: FlowPrior(steps=0), "FlowPrior was given steps=0: expected a whole number above zero"),
        (lambda: FlowPrior(kind="couplings"), "unknown kind of FlowPrior 'couplings': did you mean 'coupling'"),
        (lambda: UniformSphere()(None, (8,), (1,), nnx.Rngs(0)), "UniformSphere was given a code of shape"),
    ],
)
def test_priors_that_cannot_be_are_refused(build, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        build()
