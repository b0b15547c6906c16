"""What is minimised: a sum of pure functions of the networks, each term reported under its own name."""

from ae_jax.objectives.bottlenecks import Bottleneck, WinnerTakeAll
from ae_jax.objectives.elbo import ELBO
from ae_jax.objectives.importance_weighted import ImportanceWeighted
from ae_jax.objectives.likelihoods import (
    BernoulliLikelihood,
    GaussianLikelihood,
    LaplaceLikelihood,
    LearnedGaussianLikelihood,
    Likelihood,
    SquaredError,
)
from ae_jax.objectives.penalties import L1, Contractive, KLSparsity, Penalty
from ae_jax.objectives.reconstruction import Reconstruction
from ae_jax.objectives.terms import Objective
from ae_jax.objectives.variational import Variational

__all__ = [
    "ELBO",
    "L1",
    "BernoulliLikelihood",
    "Bottleneck",
    "Contractive",
    "GaussianLikelihood",
    "ImportanceWeighted",
    "KLSparsity",
    "LaplaceLikelihood",
    "LearnedGaussianLikelihood",
    "Likelihood",
    "Objective",
    "Penalty",
    "Reconstruction",
    "SquaredError",
    "Variational",
    "WinnerTakeAll",
]
