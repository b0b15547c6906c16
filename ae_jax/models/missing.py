"""The missing-data importance-weighted autoencoder (MIWAE of Mattei and Frellsen)."""

from ae_jax.models.autoencoder import Autoencoder
from ae_jax.networks import MLP
from ae_jax.objectives import ImportanceWeighted, Likelihood, StudentTLikelihood
from ae_jax.optimizers import Optimizer
from ae_jax.public import public
from ae_jax.types import Weight


@public
def missing(
    *,
    code: int = 10,
    hidden: tuple[int, ...] = (128, 128),
    activation: str = "relu",
    samples: int = 20,
    likelihood: Likelihood = StudentTLikelihood(),
    learning_rate: Weight = 1e-3,
) -> Autoencoder:
    r"""A generative model of data with missing values, which imputes them: the bound is of what is observed.

    .. math::
       \min \; -\log \frac{1}{k} \sum_{s=1}^k
       \frac{p(x_{\text{observed}} | z_s) \, p(z_s)}{q(z_s | \iota(x_{\text{observed}}))}, \quad
       z_s \sim q(z | \iota(x_{\text{observed}}))

    where :math:`\iota` puts zero, in model units, in place of what is missing. NaN in the data means missing.

    Args:
      samples: k, latents drawn for each example and step.
      code, hidden, activation, likelihood, learning_rate: as of :func:`ae_jax.variational`.

    When to use:
      To impute tables (:meth:`ae_jax.Run.impute`), once or several times, and to train on incomplete data without
      imputing them first. Values have to be missing at random: whether one is missing may depend on observed values,
      but not on the missing one.

    Defaults:
      - ``code=10``, ``hidden=(128, 128)``, ``activation="relu"``, ``samples=20``: of the authors' code.
      - ``likelihood=StudentTLikelihood()``: theirs, which outliers of standardised tables do not dominate.
      - ``learning_rate=1e-3``: that of their second, PyTorch version.

    Failure modes:
      - Data that are not standardised: zero is no neutral value then. Tables are standardised by default.
      - Values missing because of what they are (a sensor that saturates) bias every imputation.
      - Overfitting of small tables: the bound on held-out rows rises again. Take a patience or fewer latents.
      - A feature that is never observed cannot be learned, and is refused.

    Example:
      >>> missing(samples=50).objective.missing
      True

    References:
      Mattei and Frellsen, *MIWAE: deep generative modelling and imputation of incomplete data sets*, ICML 2019.
    """
    return Autoencoder(
        name="missing",
        networks=MLP(hidden=hidden, code=code, activation=activation, stochastic=True),
        objective=ImportanceWeighted(likelihood=likelihood, samples=samples, missing=True),
        optimizer=Optimizer(learning_rate=learning_rate),
    )
