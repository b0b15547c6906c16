"""The undercomplete autoencoder."""

from ae_jax.models.autoencoder import Autoencoder
from ae_jax.networks import MLP
from ae_jax.objectives import Likelihood, Reconstruction, SquaredError
from ae_jax.optimizers import Optimizer
from ae_jax.public import public
from ae_jax.types import Weight


@public
def undercomplete(
    *,
    code: int = 16,
    hidden: tuple[int, ...] = (256,),
    activation: str = "gelu",
    likelihood: Likelihood = SquaredError(),
    learning_rate: Weight = 5e-4,
    shortcut: bool = True,
) -> Autoencoder:
    r"""The plain autoencoder: a code smaller than the data.

    .. math:: \min_{h, g} \; \mathbb{E} \|g(h(x)) - x\|^2, \quad \dim h(x) < \dim x

    With linear networks it finds the subspace of PCA (Baldi and Hornik, 1989); hidden layers bend it. Training starts
    at PCA of the training examples, by linear maps beside the layers (``shortcut``), and where no epoch has a
    lower validation loss than that start, the start is kept.

    Args:
      code: size of the code.
      hidden: widths of the encoder's hidden layers; the decoder mirrors them.
      activation: of the hidden layers.
      likelihood: the reconstruction loss.
      learning_rate: of Adam.
      shortcut: whether training starts at PCA, by linear maps beside the layers.

    When to use:
      First, and as the reference for the others: to reduce dimensions, to compress, to find examples that reconstruct
      badly. Where a linear map is enough, PCA gives it at once and exactly.

    Defaults:
      - ``code=16``: a quarter of the digits' 64 pixels, the size at which autoencoders and PCA are compared.
      - ``hidden=(256,)``, ``activation="gelu"``: chosen on the validation split of the digits.
      - ``learning_rate=5e-4``: of 2e-3 to 2e-4, the largest that leaves the start at PCA without a detour on small
        tables (scikit-learn's wine, ADBench's Pima) and synthetic heartbeats; on the digits all come to one error.
      - ``shortcut=True``: after 30 epochs on the digits 0.6 of PCA's error, without it 0.8; on small tables and
        heartbeats at or below PCA's, without it above.
      - ``likelihood=SquaredError()``: the error that PCA minimises and that the reference reports.

    Failure modes:
      - A code that is not smaller than the data lets the networks copy their input: the error goes to zero, and the
        code is no more useful than the data. Make it smaller, or add a corruption or a penalty, as :func:`denoising`,
        :func:`sparse` and :func:`contractive` do.
      - Nothing constrains the code away from the data: noisy inputs are reconstructed worse than by PCA. Use
        :func:`denoising` where inputs are noisy.
      - Nothing fixes the axes of the code: unit 3 of two seeds means two things. Compare distances, not units.

    Example:
      >>> undercomplete(code=2, hidden=(64, 32)).networks.hidden
      (64, 32)

    References:
      Hinton and Salakhutdinov, *Reducing the dimensionality of data with neural networks*, Science 2006.
    """
    return Autoencoder(
        name="undercomplete",
        networks=MLP(hidden=hidden, code=code, activation=activation, shortcut=shortcut),
        objective=Reconstruction(likelihood=likelihood),
        optimizer=Optimizer(learning_rate=learning_rate),
    )
