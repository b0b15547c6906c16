"""The sliced Wasserstein autoencoder."""

from ae_jax.models.autoencoder import Autoencoder
from ae_jax.networks import MLP
from ae_jax.objectives import Likelihood, Reconstruction, SlicedWasserstein, SquaredError
from ae_jax.optimizers import Optimizer
from ae_jax.priors import StandardNormal
from ae_jax.public import public
from ae_jax.types import Weight


@public
def swae(
    *,
    code: int = 16,
    hidden: tuple[int, ...] = (256,),
    activation: str = "gelu",
    weight: Weight = 10.0,
    slices: int = 50,
    likelihood: Likelihood = SquaredError(),
    learning_rate: Weight = 2e-3,
) -> Autoencoder:
    r"""A deterministic autoencoder whose codes are moved to a prior's distribution along random directions.

    .. math:: \min \; \mathbb{E} \|g(h(x)) - x\|^2 + \lambda \, \mathbb{E}_{\|\omega\| = 1}
       W_2^2(\omega^\top q, \omega^\top p)

    The Wasserstein distance of sets of numbers is that of the sorted numbers: for each direction the projected codes of
    the batch and of as many draws of a standard normal (:class:`ae_jax.objectives.SlicedWasserstein`).

    Args:
      weight: lambda; may be a schedule.
      slices: directions drawn at each step.
      likelihood: as of :func:`ae_jax.undercomplete`.
      code, hidden, activation, learning_rate: as of :func:`ae_jax.variational`.

    When to use:
      As :func:`ae_jax.wae`, without a kernel to choose; any prior that can be sampled serves.

    Defaults:
      - ``weight=10.0``: that of :func:`ae_jax.wae`.
      - ``slices=50``: the paper's for MNIST.

    Failure modes:
      - Few slices in many dimensions see little of the difference: raise ``slices`` with ``code``.
      - Sorting couples all examples of a batch: small batches match the prior's tails badly.
      - It has no likelihood and no evidence lower bound.

    Example:
      >>> swae(slices=100).objective.penalties[0].slices
      100

    References:
      Kolouri et al., *Sliced Wasserstein auto-encoders*, ICLR 2019.
    """
    return Autoencoder(
        name="swae",
        networks=MLP(hidden=hidden, code=code, activation=activation),
        objective=Reconstruction(
            likelihood=likelihood, penalties=(SlicedWasserstein(weight=weight, slices=slices),), prior=StandardNormal()
        ),
        optimizer=Optimizer(learning_rate=learning_rate),
    )
