"""The sparse autoencoder: a KL penalty on mean activations."""

from ae_jax.models.autoencoder import Autoencoder
from ae_jax.networks import MLP
from ae_jax.objectives import KLSparsity, Likelihood, Reconstruction, SquaredError
from ae_jax.optimizers import Optimizer
from ae_jax.types import Number, Weight


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
    r"""A code larger than the data, of which each unit is active only seldom.

    .. math:: \min \; \mathbb{E} \|g(h(x)) - x\|^2 + \beta \sum_j \mathrm{KL}(\rho \| \hat\rho_j)

    Args:
      code: number of sigmoid code units; more than features of the data is usual.
      hidden: widths of the encoder's hidden layers; none is usual.
      activation: of the hidden layers.
      target: rho, the mean activation that each unit is kept near, in (0, 1).
      weight: beta, of the divergence.
      likelihood: the reconstruction loss.
      learning_rate: of Adam.

    When to use:
      Features for a linear classifier, and units that can be looked at one by one, each a detector of its own.

    Defaults:
      - ``code=128``: twice the digits' 64 pixels, as an overcomplete code wants it.
      - ``hidden=()``: one layer each way, as in the reference; so ``activation="gelu"`` matters only to hidden layers
        that you add.
      - ``target=0.05``: the reference's rho.
      - ``weight=1.0``, ``learning_rate=5e-3``: chosen on the validation split of the digits.
      - ``likelihood=SquaredError()``: the reference's, which takes half of it.

    Failure modes:
      - Dead units: with a target near zero or a large weight units fall silent for every input, where the sigmoid is
        flat and no gradient brings them back, and the reconstruction becomes the mean example. Raise the target or
        lower the weight.
      - The penalty holds the mean alone: units may be weakly on for all examples instead of on for a few. They are so
        the more, the smaller the batch that the mean is taken over; the batch times the target should be a few
        examples, and 64 times 0.05 is 3.
      - The divergence is one of probabilities: a code that is no sigmoid's is refused.
        :class:`ae_jax.objectives.L1` takes any code.
      - The penalty is a sum over units and the error one over features: another number of either asks for another
        weight.
      - The code follows its input closely: of the six it makes least of noisy inputs.

    Example:
      >>> sparse(target=0.1).objective.penalties
      (KLSparsity(target=0.1, weight=1.0),)

    References:
      Ng, *Sparse autoencoder*, CS294A lecture notes, 2011.
    """
    return Autoencoder(
        name="sparse",
        networks=MLP(hidden=hidden, code=code, activation=activation, code_activation="sigmoid"),
        objective=Reconstruction(likelihood=likelihood, penalties=(KLSparsity(target=target, weight=weight),)),
        optimizer=Optimizer(learning_rate=learning_rate),
    )
