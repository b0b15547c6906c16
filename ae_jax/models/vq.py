"""The vector-quantised autoencoder: codes are entries of a learned codebook."""

from ae_jax.models.autoencoder import Autoencoder
from ae_jax.models.code_networks import code_networks
from ae_jax.objectives import Likelihood, SquaredError, VectorQuantized, VectorQuantizer
from ae_jax.optimizers import Optimizer
from ae_jax.public import public
from ae_jax.types import Number, Weight


@public
def vq(
    *,
    code: int = 16,
    hidden: tuple[int, ...] = (256,),
    grid: tuple[int, ...] = (),
    channels: tuple[int, ...] = (16, 32),
    activation: str = "gelu",
    codes: int = 64,
    size: int = 2,
    beta: Weight = 0.25,
    decay: Number | None = 0.99,
    dead_after: Number | None = 1000,
    cosine: bool = False,
    rotation: bool = False,
    k_means: bool = False,
    prior_units: int = 64,
    likelihood: Likelihood = SquaredError(),
    learning_rate: Weight = 5e-3,
) -> Autoencoder:
    r"""An autoencoder with a discrete code: every part of it is an entry of a learned codebook.

    .. math:: \min \; \mathbb{E} \|g(e) - x\|^2 + \beta \|h(x) - \mathrm{sg}(e)\|^2, \quad
       e = \arg\min_{e_k} \|h(x) - e_k\|

    The encoder's output is split into vectors of one size, each replaced by its nearest code
    (:class:`ae_jax.objectives.VectorQuantized`). The decoder's gradient passes to the encoder as if nothing had been
    replaced. ``run.encode`` gives the quantised code.

    Args:
      code: size of the code, or number of its channels with ``grid``.
      hidden: widths of the encoder's hidden layers; the decoder mirrors them. Not used with ``grid``.
      grid: height and width of a convolutional code, for images; empty for dense layers.
      channels: of each convolutional stage, which halves height and width; used with ``grid`` alone.
      activation: of the hidden layers or stages.
      codes: number of codes in the codebook.
      size: of each code, a divisor of ``code``.
      beta: weight of the commitment of the encoder to its codes.
      decay: of the moving averages that the codes follow; None trains them by a loss.
      dead_after: number of examples without a use after which a code is replaced by a random vector of the batch;
        None replaces none.
      cosine: vectors and codes have norm one, so that the nearest code is that of the smallest angle.
      rotation: gradients pass the quantisation by the rotation of the vector onto its code, instead of unchanged.
      k_means: the codebook starts at the centres of k-means of the codes of training examples.
      prior_units: width of the autoregressive prior over codes, which ``run.sample`` draws from.
      likelihood: the reconstruction loss.
      learning_rate: of Adam.

    When to use:
      For codes that are symbols: to compress data to a known number of bits, or to model codes as a sequence.

    Defaults:
      - ``code=16``, ``hidden=(256,)``, ``activation="gelu"``: those of :func:`ae_jax.undercomplete`.
      - ``codes=64``, ``size=2``: eight vectors of 6 bits for each example.
      - ``grid=()``, ``channels=(16, 32)``: these two stages leave 2 by 2 places of an image of 8 by 8.
      - ``beta=0.25``, ``decay=0.99``, ``likelihood=SquaredError()``: those of the papers.
      - ``dead_after=1000``: about an epoch of the digits.
      - ``cosine=False``, ``rotation=False``, ``k_means=False``: the codebook of the first paper.
      - ``prior_units=64``: enough for eight indices of 64 codes.
      - ``learning_rate=5e-3``: chosen on the validation split of the digits.

    Failure modes:
      - Few codes are used: the terms ``codes_used`` (a share) and ``perplexity``, both of one batch, stay low. Lower
        ``dead_after`` or the number of codes, or set ``cosine`` or ``k_means``.
      - The commitment is small beside the reconstruction loss, and the encoder's output runs away from its codes: raise
        beta. It is a sum over the code, so that its weight depends on the size of the code.
      - With ``decay=None`` dead codes are pulled to vectors of the batch at the learning rate, and fewer are in use.
      - Gradients ignore the quantisation: Jacobians of the encoder are those of its output before it.
      - Samples mix parts that do not belong together: the prior is small; raise ``prior_units``, or train for longer
        where the term ``prior_nll`` still falls.

    Example:
      >>> images = vq(grid=(2, 2), code=8, size=8)
      >>> images.networks.code, images.objective.decay
      ((2, 2, 8), 0.99)

    References:
      van den Oord et al., *Neural discrete representation learning*, NeurIPS 2017, appendix A.1;
      Razavi et al., *Generating diverse high-fidelity images with VQ-VAE-2*, NeurIPS 2019;
      Yu et al., *Vector-quantized image modeling with improved VQGAN*, ICLR 2022 (cosine);
      Fifty et al., *Restructuring vector quantization with the rotation trick*, ICLR 2025 (rotation).
    """
    quantizer = VectorQuantizer(
        codes=codes, size=size, trained=decay is None, cosine=cosine, rotation=rotation, k_means=k_means
    )
    return Autoencoder(
        name="vq",
        networks=code_networks("vq", code, hidden, grid, channels, activation),
        objective=VectorQuantized(
            likelihood=likelihood,
            quantizer=quantizer,
            prior_units=prior_units,
            beta=beta,
            decay=decay,
            dead_after=dead_after,
        ),
        optimizer=Optimizer(learning_rate=learning_rate),
    )
