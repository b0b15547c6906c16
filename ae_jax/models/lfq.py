"""The autoencoder with lookup-free quantisation: every unit of the code becomes its sign."""

from ae_jax.models.autoencoder import Autoencoder
from ae_jax.models.code_networks import code_networks
from ae_jax.objectives import EntropyQuantized, Likelihood, LookupFree, SquaredError
from ae_jax.optimizers import Optimizer
from ae_jax.public import public
from ae_jax.types import Number, Weight


@public
def lfq(
    *,
    code: int = 48,
    hidden: tuple[int, ...] = (256,),
    grid: tuple[int, ...] = (),
    channels: tuple[int, ...] = (16, 32),
    activation: str = "gelu",
    size: int = 6,
    beta: Weight = 0.05,
    entropy: Weight = 0.1,
    diversity: Number = 1.0,
    temperature: Number = 1.0,
    prior_units: int = 64,
    likelihood: Likelihood = SquaredError(),
    learning_rate: Weight = 5e-3,
) -> Autoencoder:
    r"""An autoencoder with a binary code: every unit becomes its sign, and groups of signs are codes.

    .. math:: \min \; \mathbb{E} \|g(\mathrm{sign}(z)) - x\|^2 + \beta \|z - \mathrm{sign}(z)\|^2
       + \lambda \big(\mathbb{E}\,H(q(k|z)) - \gamma H(\mathbb{E}\,q(k|z))\big), \quad z = h(x)

    Groups of ``size`` units are one of 2**size codes. Of soft codes q(k|z), the first entropy makes each certain and
    the second their mean even (:class:`ae_jax.objectives.EntropyQuantized`).

    Args:
      size: bits of a code, a divisor of ``code``; the entropies are over all 2**size codes.
      entropy: lambda, the weight of both entropies.
      diversity: gamma, the weight of the entropy of the mean, relative to the mean entropy.
      temperature: of the soft codes.
      code, hidden, grid, channels, activation, beta, prior_units, likelihood, learning_rate: as of :func:`ae_jax.vq`.

    When to use:
      For codes of many bits, as vocabularies of language models of images have, and for binary codes that are searched
      by Hamming distance.

    Defaults:
      - ``code=48``, ``size=6``: eight vectors of 64 codes, the bits of :func:`ae_jax.vq`.
      - ``beta=0.05``, ``entropy=0.1``: chosen on the validation split of the digits; the paper states none.
      - ``diversity=1.0``: that of the paper.
      - ``temperature=1.0``: the plain distances.

    Failure modes:
      - Without the entropies few codes are used: the terms ``codes_used`` and ``perplexity`` stay low. Raise
        ``entropy`` or ``diversity``.
      - A ``beta`` that is large beside the reconstruction keeps units at one sign, and examples share codes.
      - Entropies outweigh the reconstruction: codes are even and say little. Lower ``entropy``.
      - Gradients ignore the quantisation: Jacobians of the encoder are those of its output before it.

    Example:
      >>> lfq(size=8).objective.codes
      256

    References:
      Yu et al., *Language model beats diffusion: tokenizer is key to visual generation*, ICLR 2024.
    """
    return Autoencoder(
        name="lfq",
        networks=code_networks("lfq", code, hidden, grid, channels, activation),
        objective=EntropyQuantized(
            likelihood=likelihood,
            quantizer=LookupFree(size=size),
            prior_units=prior_units,
            beta=beta,
            entropy=entropy,
            diversity=diversity,
            temperature=temperature,
        ),
        optimizer=Optimizer(learning_rate=learning_rate),
    )
