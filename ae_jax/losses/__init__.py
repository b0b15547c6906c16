"""Mathematics on arrays: pure functions, one value for each example, no networks and no hidden keys."""

from ae_jax.losses import aggregate, jacobian, sphere
from ae_jax.losses.classification import categorical_nll
from ae_jax.losses.divergence import gaussian_kl, gaussian_kl_between
from ae_jax.losses.reconstruction import (
    bernoulli_nll,
    discretised_logistic_nll,
    gaussian_nll,
    laplace_nll,
    optimal_gaussian_nll,
    squared_error,
    student_t_nll,
)
from ae_jax.losses.sparsity import kl_sparsity, l1, lifetime_sparsity, top_k
from ae_jax.losses.structural_similarity import gaussian_windows, multiscale_ssim

__all__ = [
    "aggregate",
    "bernoulli_nll",
    "categorical_nll",
    "discretised_logistic_nll",
    "gaussian_kl",
    "gaussian_kl_between",
    "gaussian_nll",
    "gaussian_windows",
    "jacobian",
    "kl_sparsity",
    "l1",
    "laplace_nll",
    "lifetime_sparsity",
    "multiscale_ssim",
    "optimal_gaussian_nll",
    "sphere",
    "squared_error",
    "student_t_nll",
    "top_k",
]
