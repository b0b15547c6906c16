"""The residual vector-quantised autoencoder: codebooks in a row, each for what the ones before left over."""

from ae_jax.models.autoencoder import Autoencoder
from ae_jax.models.code_networks import code_networks
from ae_jax.objectives import Likelihood, ResidualQuantizer, SquaredError, VectorQuantized, VectorQuantizer
from ae_jax.optimizers import Optimizer
from ae_jax.public import public
from ae_jax.types import Number, Weight


@public
def residual_vq(
    *,
    code: int = 16,
    hidden: tuple[int, ...] = (256,),
    grid: tuple[int, ...] = (),
    channels: tuple[int, ...] = (16, 32),
    activation: str = "gelu",
    books: int = 2,
    codes: int = 64,
    size: int = 4,
    beta: Weight = 0.25,
    decay: Number | None = 0.99,
    dead_after: Number | None = 1000,
    k_means: bool = False,
    prior_units: int = 64,
    likelihood: Likelihood = SquaredError(),
    learning_rate: Weight = 5e-3,
) -> Autoencoder:
    r"""An autoencoder whose code is a sum of entries of several codebooks, from coarse to fine.

    .. math:: \min \; \mathbb{E} \|g(q) - x\|^2 + \beta \sum_l \|r_l - \mathrm{sg}(e_l)\|^2, \quad
       q = \sum_l e_l, \quad r_{l+1} = r_l - \mathrm{sg}(e_l), \quad r_1 = h(x)

    Each vector gets an index of every codebook: the nearest entry :math:`e_l` to what is left of it
    (:class:`ae_jax.objectives.ResidualQuantizer`).

    Args:
      books: number of codebooks.
      codes: number of codes in each.
      size: of each code, a divisor of ``code``.
      k_means: the first codebook starts from k-means of the codes of training examples, the next from what it leaves.
      code, hidden, grid, channels, activation: as of :func:`ae_jax.vq`.
      beta, decay, dead_after, prior_units, likelihood, learning_rate: as of :func:`ae_jax.vq`.

    When to use:
      For a rate that is chosen after training, since the first codebooks alone decode to a coarser result, and for more
      bits a vector than one table can hold.

    Defaults:
      - ``size=4``, ``books=2``, ``codes=64``: four vectors of twice 6 bits, those of :func:`ae_jax.vq`.
      - ``k_means=False``: the codebooks of the paper without its start.

    Failure modes:
      - Later codebooks have little left to say: their share of ``perplexity`` falls. Take fewer or smaller ones.
      - Those of :func:`ae_jax.vq`, in each codebook.

    Example:
      >>> residual_vq(books=4).objective.quantizer.books
      4

    References:
      Zeghidour et al., *SoundStream: an end-to-end neural audio codec*, TASLP 2021.
    """
    return Autoencoder(
        name="residual_vq",
        networks=code_networks("residual_vq", code, hidden, grid, channels, activation),
        objective=VectorQuantized(
            likelihood=likelihood,
            quantizer=ResidualQuantizer(
                books=books,
                book=VectorQuantizer(codes=codes, size=size, trained=decay is None, k_means=k_means),
            ),
            prior_units=prior_units,
            beta=beta,
            decay=decay,
            dead_after=dead_after,
        ),
        optimizer=Optimizer(learning_rate=learning_rate),
    )
