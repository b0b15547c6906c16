"""Objectives: sums of pure functions of a model and a batch, each term reported under its own name."""

from ae_jax.objectives.adversarial import AdversarialELBO, AdversarialPrior, Critic
from ae_jax.objectives.aggregate import DIP, MMD, SlicedWasserstein, TotalCorrelation
from ae_jax.objectives.base import Objective, mark_missing
from ae_jax.objectives.bottlenecks import Bottleneck, WinnerTakeAll
from ae_jax.objectives.categories import CategoricalELBO, Categories, JointELBO
from ae_jax.objectives.classification import Classification
from ae_jax.objectives.codebooks import ResidualQuantizer, SimVectorQuantizer, VectorQuantizer
from ae_jax.objectives.elbo import ELBO
from ae_jax.objectives.importance_weighted import ImportanceWeighted
from ae_jax.objectives.likelihoods import (
    DISCRETE,
    NO_DENSITY,
    BernoulliLikelihood,
    DiscretisedLogisticLikelihood,
    GaussianLikelihood,
    LaplaceLikelihood,
    LearnedGaussianLikelihood,
    Likelihood,
    MultiScaleSSIM,
    OptimalGaussianLikelihood,
    SquaredError,
    StudentTLikelihood,
)
from ae_jax.objectives.penalties import L1, L2, Contractive, DecoderSmoothness, KLSparsity, Penalty
from ae_jax.objectives.quantisers import FiniteScalar, LookupFree
from ae_jax.objectives.quantized import EntropyQuantized, Quantized, VectorQuantized
from ae_jax.objectives.reconstruction import Reconstruction

__all__ = [
    "DIP",
    "DISCRETE",
    "ELBO",
    "L1",
    "L2",
    "MMD",
    "NO_DENSITY",
    "AdversarialELBO",
    "AdversarialPrior",
    "BernoulliLikelihood",
    "Bottleneck",
    "CategoricalELBO",
    "Categories",
    "Classification",
    "Contractive",
    "Critic",
    "DecoderSmoothness",
    "DiscretisedLogisticLikelihood",
    "EntropyQuantized",
    "FiniteScalar",
    "GaussianLikelihood",
    "ImportanceWeighted",
    "JointELBO",
    "KLSparsity",
    "LaplaceLikelihood",
    "LearnedGaussianLikelihood",
    "Likelihood",
    "LookupFree",
    "MultiScaleSSIM",
    "Objective",
    "OptimalGaussianLikelihood",
    "Penalty",
    "Quantized",
    "Reconstruction",
    "ResidualQuantizer",
    "SimVectorQuantizer",
    "SlicedWasserstein",
    "SquaredError",
    "StudentTLikelihood",
    "TotalCorrelation",
    "VectorQuantized",
    "VectorQuantizer",
    "WinnerTakeAll",
    "mark_missing",
]
