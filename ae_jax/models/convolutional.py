"""The convolutional autoencoder."""

from ae_jax.models.autoencoder import Autoencoder
from ae_jax.networks import Convolutional
from ae_jax.objectives import Likelihood, Reconstruction, SquaredError
from ae_jax.optimizers import Optimizer
from ae_jax.public import public
from ae_jax.types import Weight


@public
def convolutional(
    *,
    code: int = 16,
    channels: tuple[int, ...] = (16, 32),
    kernel: int = 3,
    activation: str = "gelu",
    likelihood: Likelihood = SquaredError(),
    learning_rate: Weight = 5e-3,
    centred: bool = True,
) -> Autoencoder:
    r"""Shares its weights over the positions of an image.

    .. math:: h^k = \phi(x * W^k + b^k)

    Args:
      channels: of each stage, which halves height and width.
      kernel: side of the square kernels.
      centred: whether training starts at the mean example, by one trained value a pixel that the decoder adds.
      code, activation, likelihood, learning_rate: as of :func:`ae_jax.undercomplete`.

    When to use:
      For images, the more so the larger they are: its error is at most that of :func:`undercomplete` on the digits,
      with fewer parameters, and lower on MNIST.

    Defaults:
      - ``channels=(16, 32)``, ``kernel=3``, ``learning_rate=5e-3``: chosen on the validation split of the digits.
      - ``centred=True``: few or small steps do not reach the mean example.

    Failure modes:
      - Images only: rows of numbers are refused, and a table whose columns have no order should not be made one.
      - Every stage halves height and width: with too many stages the last ones see a single pixel. The digits take two
        stages, to 2 by 2.
      - Receptive fields are small: structure across the whole image is left to the one dense layer before the code.
      - The code follows its input closely: the largest Jacobian norm of the six on MNIST. Where inputs are noisy,
        give its objective a corruption, see :class:`ae_jax.Autoencoder`.

    Example:
      >>> convolutional(channels=(8,)).networks.channels
      (8,)

    References:
      Masci et al., *Stacked convolutional auto-encoders for hierarchical feature extraction*, ICANN 2011.
    """
    return Autoencoder(
        name="convolutional",
        networks=Convolutional(channels=channels, kernel=kernel, code=code, activation=activation, centred=centred),
        objective=Reconstruction(likelihood=likelihood),
        optimizer=Optimizer(learning_rate=learning_rate),
    )
