"""The regularised autoencoder."""

from ae_jax.models.autoencoder import Autoencoder
from ae_jax.networks import MLP
from ae_jax.objectives import L2, DecoderSmoothness, Likelihood, Reconstruction, SquaredError
from ae_jax.optimizers import Optimizer
from ae_jax.public import public
from ae_jax.types import Weight


@public
def rae(
    *,
    code: int = 16,
    hidden: tuple[int, ...] = (256,),
    activation: str = "gelu",
    code_weight: Weight = 1e-2,
    weight: Weight = 1e-3,
    regularizer: str = "l2",
    likelihood: Likelihood = SquaredError(),
    learning_rate: Weight = 2e-3,
) -> Autoencoder:
    r"""A deterministic autoencoder with short codes and a smooth decoder, to be sampled from by a density of its codes.

    .. math:: \min \; \mathbb{E} \|g(h(x)) - x\|^2 + \tfrac{\beta}{2} \|h(x)\|^2 + \lambda \, R(g)

    It replaces the noise of :func:`ae_jax.variational` by an explicit regulariser R of the decoder: the squared length
    of its parameters, of its Jacobian, or the spectral norms of its kernels
    (:class:`ae_jax.objectives.DecoderSmoothness`).

    Args:
      code_weight: beta; may be a schedule.
      weight: lambda; may be a schedule.
      regularizer: ``"l2"``, ``"gradient"`` or ``"spectral"``.
      likelihood: as of :func:`ae_jax.undercomplete`.
      code, hidden, activation, learning_rate: as of :func:`ae_jax.variational`.

    When to use:
      For sharp reconstructions whose codes are then sampled by a density fitted to them, such as a Gaussian mixture.

    Defaults:
      - ``code_weight=1e-2``, ``weight=1e-3``, ``regularizer="l2"``: small beside the squared error of the digits, about
        0.4, as in the paper.

    Failure modes:
      - It has no prior: ``run.sample`` refuses until a density of the codes is fitted.
      - With a code weight near zero, codes spread without bound and the decoder's regulariser has nothing to hold on
        to.
      - ``"gradient"`` costs a pass of the decoder more; its estimate by one direction is noisy.

    Example:
      >>> rae(regularizer="spectral").objective.penalties[1].kind
      'spectral'

    References:
      Ghosh et al., *From variational to deterministic autoencoders*, ICLR 2020.
    """
    return Autoencoder(
        name="rae",
        networks=MLP(hidden=hidden, code=code, activation=activation),
        objective=Reconstruction(
            likelihood=likelihood,
            penalties=(L2(weight=code_weight), DecoderSmoothness(weight=weight, kind=regularizer)),
        ),
        optimizer=Optimizer(learning_rate=learning_rate),
    )
