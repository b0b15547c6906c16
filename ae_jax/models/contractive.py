"""The contractive autoencoder: a penalty on the encoder's Jacobian."""

from ae_jax.models.autoencoder import Autoencoder
from ae_jax.networks import MLP
from ae_jax.objectives import Contractive, Likelihood, Reconstruction, SquaredError
from ae_jax.optimizers import Optimizer
from ae_jax.public import public
from ae_jax.types import Weight


@public
def contractive(
    *,
    code: int = 16,
    hidden: tuple[int, ...] = (256,),
    activation: str = "gelu",
    weight: Weight = 0.1,
    likelihood: Likelihood = SquaredError(),
    learning_rate: Weight = 2e-3,
) -> Autoencoder:
    r"""A code that changes as little as reconstruction allows when its input changes.

    .. math:: \min \; \mathbb{E} \|g(h(x)) - x\|^2 + \lambda \left\|\frac{\partial h(x)}{\partial x}\right\|_F^2

    The penalty is exact, at each example (:class:`ae_jax.objectives.Contractive`). The paper ties the decoder's weights
    to the encoder's, so that a code cannot shrink and be amplified back: that is ``MLP(tied=True)`` in an
    :class:`Autoencoder`. Here they are free, as in the other autoencoders that it is compared with. The code's
    activation is a sigmoid, as in the paper.

    Args:
      weight: lambda, of the squared Jacobian norm.
      code, hidden, activation, likelihood, learning_rate: as of :func:`ae_jax.undercomplete`.

    When to use:
      For codes that hardly change under small changes of the input in any direction, such as noisy measurements to
      compare or to classify.

    Defaults:
      - ``weight=0.1``, ``learning_rate=2e-3``: chosen on the validation split of the digits; the paper, too, chooses
        lambda by validation.

    Failure modes:
      - The code shrinks and the decoder amplifies it back: the norm falls, but no direction is contracted more than
        another. The sigmoid bounds the code from above only; tied weights prevent the shrinking.
      - A large weight makes the code constant and every reconstruction the mean. The history shows the terms
        separately: lower the weight until the reconstruction error falls.
      - The penalty is of first order and concerns small changes only. Against noise of a known kind use
        :func:`denoising`.
      - The weight is in units of the data: after another scaling it must be chosen again.
      - For networks other than :class:`ae_jax.networks.MLP` the exact Jacobian costs a pass for each unit of the code,
        or for each feature where these are fewer. ``Contractive(method="estimated")`` costs one.

    Example:
      >>> contractive(weight=0.5).objective.penalties
      (Contractive(weight=0.5, method='auto', probes=1),)

    References:
      Rifai et al., *Contractive auto-encoders: explicit invariance during feature extraction*, ICML 2011.
    """
    return Autoencoder(
        name="contractive",
        networks=MLP(hidden=hidden, code=code, activation=activation, code_activation="sigmoid"),
        objective=Reconstruction(likelihood=likelihood, penalties=(Contractive(weight=weight),)),
        optimizer=Optimizer(learning_rate=learning_rate),
    )
