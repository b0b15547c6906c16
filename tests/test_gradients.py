"""Gradients of losses, posteriors and priors, with respect to all they are given, in double precision."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.test_util import check_grads

from ae_jax import losses
from ae_jax.distributions import DiagonalGaussian, FullCovariance, Spherical
from ae_jax.flows import InverseAutoregressive, Planar, Radial
from ae_jax.objectives import DIP, MultiScaleSSIM, TotalCorrelation
from ae_jax.objectives.categories import Categorical, Joint
from ae_jax.priors import FlowPrior, GaussianMixture
from ae_jax.types import Batch

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(0)
KEY = jax.random.key(0)


def drawn(*shape, scale=1.0, rng=RNG):
    return rng.normal(scale=scale, size=shape)


def of_posterior(penalty):
    return lambda mean, log_scale: penalty(None, KEY, Batch(jnp.ones((6, 4))), DiagonalGaussian(mean, log_scale))


def joint_divergence(mean, log_scale, logits):
    return Joint(DiagonalGaussian(mean, log_scale), Categorical(logits)).kl()


GAUSSIAN = (drawn(6, 3), drawn(6, 3, scale=0.3))
IMAGES = (drawn(2, 16, 16), RNG.uniform(size=(2, 16, 16)))
STEPS = np.array([[0, 3, 16], [16, 9, 0]]) / 16
FREEDOM = np.array([[1.5, 4.0, 19.0], [21.0, 60.0, 2.5]])
CASES = {
    "total correlation, stratified": (of_posterior(TotalCorrelation(examples=40)), GAUSSIAN),
    "total correlation, weighted": (of_posterior(TotalCorrelation(examples=40, sampling="weighted")), GAUSSIAN),
    "DIP I": (of_posterior(DIP(version="I")), GAUSSIAN),
    "DIP II": (of_posterior(DIP(version="II")), GAUSSIAN),
    "sliced Wasserstein": (losses.aggregate.sliced_wasserstein, (drawn(9, 3), drawn(9, 3), drawn(4, 3))),
    "divergence from the standard normal": (losses.gaussian_kl, GAUSSIAN),
    "divergence between Gaussians": (losses.gaussian_kl_between, (*GAUSSIAN, drawn(6, 3), drawn(6, 3, scale=0.3))),
    "categorical divergence": (lambda logits: Categorical(logits).kl(), (drawn(4, 2, 3),)),
    "joint divergence": (joint_divergence, (*GAUSSIAN, drawn(6, 2, 3))),
    "Student-t": (losses.student_t_nll, (drawn(2, 3), drawn(2, 3), drawn(2, 3, scale=0.5), FREEDOM)),
    "discretised logistic": (
        partial(losses.discretised_logistic_nll, levels=17),
        (RNG.uniform(size=(2, 3)), STEPS, drawn(2, 3, scale=0.5) - 2),
    ),
    "multi-scale similarity": (MultiScaleSSIM(), IMAGES),
}


def check(function, *arguments, rtol=1e-5):
    check_grads(jax.jit(function), arguments, order=1, modes=["rev"], rtol=rtol, atol=1e-6, eps=1e-5)


def with_parameters(module):
    """The module as a function of its parameters, and parameters far from those it starts with."""
    graph, parameters, rest = nnx.split(module, nnx.Param, ...)
    rng = np.random.default_rng(1)
    parameters = jax.tree.map(lambda leaf: jnp.asarray(drawn(*leaf.shape, scale=0.5, rng=rng)), parameters)
    return lambda given: nnx.merge(graph, given, rest), parameters


@pytest.mark.parametrize("name", CASES)
def test_gradients_of_losses_equal_finite_differences(name, x64):
    function, arguments = CASES[name]
    check(function, *arguments)


FAMILIES = [FullCovariance(), Planar(steps=2), Radial(steps=2), InverseAutoregressive(hidden=(6,)), Spherical()]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: type(family).__name__)
def test_gradients_of_draws_and_their_density_equal_finite_differences(family, x64):
    module = family(4, nnx.Rngs(0))
    merge, parameters = with_parameters(module)
    outputs = drawn(3, module.inputs, rng=np.random.default_rng(2))
    check(lambda given, outputs: merge(given)(outputs).sample_and_log_prob(KEY), parameters, outputs, rtol=1e-4)


PRIORS = {
    "mixture": GaussianMixture(components=3),
    "coupling": FlowPrior(steps=2, hidden=(5,)),
    "autoregressive": FlowPrior(kind="autoregressive", steps=2, hidden=(5,)),
}


@pytest.mark.parametrize("name", PRIORS)
def test_gradients_of_a_prior_s_density_equal_finite_differences(name, x64):
    merge, parameters = with_parameters(PRIORS[name](None, (8,), (3,), nnx.Rngs(0)))
    check(lambda given, z: merge(given).log_prob(z), parameters, drawn(4, 3, rng=np.random.default_rng(2)))
