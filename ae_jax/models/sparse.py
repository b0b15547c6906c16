"""The sparse autoencoder: a KL penalty on mean activations."""

from ae_jax.models.autoencoder import Autoencoder
from ae_jax.networks import MLP
from ae_jax.objectives import KLSparsity, Likelihood, Reconstruction, SquaredError
from ae_jax.optimizers import Optimizer
from ae_jax.public import public
from ae_jax.types import Number, Weight

_START = 0.05
"""The mean activation before training, for any target: another one is not another program."""


@public
def sparse(
    *,
    code: int = 128,
    hidden: tuple[int, ...] = (),
    activation: str = "gelu",
    target: Number = 0.05,
    weight: Weight = 1.0,
    likelihood: Likelihood = SquaredError(),
    learning_rate: Weight = 5e-3,
) -> Autoencoder:
    r"""A code larger than the data, each unit of which is seldom active.

    .. math:: \min \; \mathbb{E} \|g(h(x)) - x\|^2 + \beta \sum_j \mathrm{KL}(\rho \| \hat\rho_j)

    Args:
      code: number of sigmoid code units; more than features of the data is usual.
      target: rho, the mean activation that each unit is kept near, in (0, 1).
      weight: beta, of the divergence.
      hidden, activation, likelihood, learning_rate: as of :func:`ae_jax.undercomplete`.

    When to use:
      For features of a linear classifier, and for units that can be inspected one by one as detectors.

    Defaults:
      - ``code=128``: twice the digits' 64 pixels: an overcomplete code.
      - ``hidden=()``: one layer each way, as in the reference; so ``activation="gelu"`` matters only to hidden layers
        that you add.
      - ``target=0.05``: the reference's rho.
      - ``weight=1.0``, ``learning_rate=5e-3``: chosen on the validation split of the digits.
      - ``likelihood=SquaredError()``: twice the reference's error.
      - Before training, biases give each unit a mean activation of 0.05 over the training examples, and the decoder
        their mean: from one of 0.5, few steps do not reach the target, and large ones leave units dead.

    Failure modes:
      - Dead units: with a target near zero or a large weight, units become inactive for every input, where the
        sigmoid is flat and only the penalty has a gradient, and the reconstruction becomes the mean example. Raise the
        target or lower the weight.
      - The penalty constrains the mean alone: units may be weakly active for all examples instead of active for a few,
        the more so the smaller the batch. The batch size times the target should be a few examples; 64 times 0.05 is 3.
      - The divergence is between probabilities: a code with another activation than a sigmoid is refused.
        :class:`ae_jax.objectives.L1` takes any code.
      - The penalty is a sum over units and the error a sum over features: with another number of either, choose the
        weight again.
      - The code follows its input closely: it reconstructs noisy inputs worse than the other autoencoders.

    Example:
      >>> sparse(target=0.1).objective.penalties
      (KLSparsity(target=0.1, weight=1.0),)

    References:
      Ng, *Sparse autoencoder*, CS294A lecture notes, 2011.
    """
    return Autoencoder(
        name="sparse",
        networks=MLP(
            hidden=hidden, code=code, activation=activation, code_activation="sigmoid", mean_activation=_START
        ),
        objective=Reconstruction(likelihood=likelihood, penalties=(KLSparsity(target=target, weight=weight),)),
        optimizer=Optimizer(learning_rate=learning_rate),
    )
