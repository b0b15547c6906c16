"""The Wasserstein autoencoder with the maximum mean discrepancy."""

from ae_jax.models.autoencoder import Autoencoder
from ae_jax.networks import MLP
from ae_jax.objectives import MMD, Likelihood, Reconstruction, SquaredError
from ae_jax.optimizers import Optimizer
from ae_jax.priors import StandardNormal
from ae_jax.public import public
from ae_jax.types import Weight


@public
def wae(
    *,
    code: int = 16,
    hidden: tuple[int, ...] = (256,),
    activation: str = "gelu",
    weight: Weight = 10.0,
    kernel: str = "imq",
    likelihood: Likelihood = SquaredError(),
    learning_rate: Weight = 2e-3,
) -> Autoencoder:
    r"""A deterministic autoencoder whose codes, taken together, are distributed as a prior that can be sampled.

    .. math:: \min \; \mathbb{E} \|g(h(x)) - x\|^2 + \lambda \, \mathrm{MMD}(q(z), p(z))

    Single codes are not blurred, as posteriors of :func:`ae_jax.variational` are; the distance of the batch of codes
    from as many draws of a standard normal is penalised (:class:`ae_jax.objectives.MMD`).

    Args:
      weight: lambda; may be a schedule.
      kernel: of the discrepancy, ``"imq"`` or ``"rbf"``.
      likelihood: as of :func:`ae_jax.undercomplete`.
      code, hidden, activation, learning_rate: as of :func:`ae_jax.variational`.

    When to use:
      To sample, with sharper reconstructions than a variational autoencoder's; where a likelihood is not needed.

    Defaults:
      - ``weight=10.0``, ``kernel="imq"``: the paper's for MNIST, with its sum of seven kernels.

    Failure modes:
      - Codes of fewer dimensions than the prior's fill a sheet in it, and samples between sheets are noise: lower
        ``code``.
      - In many dimensions the discrepancy of a batch is noise unless distributions differ much: a larger batch or
        weight.
      - It has no likelihood and no evidence lower bound.

    Example:
      >>> import ae_jax
      >>> run = ae_jax.fit(wae(code=2, hidden=()), ae_jax.data.digits(), epochs=1)
      >>> run.sample(3).shape
      (3, 8, 8)

    References:
      Tolstikhin et al., *Wasserstein auto-encoders*, ICLR 2018, algorithm 2.
    """
    return Autoencoder(
        name="wae",
        networks=MLP(hidden=hidden, code=code, activation=activation),
        objective=Reconstruction(
            likelihood=likelihood, penalties=(MMD(weight=weight, kernel=kernel),), prior=StandardNormal()
        ),
        optimizer=Optimizer(learning_rate=learning_rate),
    )
