"""The variational autoencoder."""

from ae_jax.models.autoencoder import Autoencoder, follows_range
from ae_jax.networks import MLP
from ae_jax.objectives import ELBO, BernoulliLikelihood, Likelihood
from ae_jax.optimizers import Optimizer
from ae_jax.public import public
from ae_jax.types import Weight


@follows_range
@public
def variational(
    *,
    code: int = 16,
    hidden: tuple[int, ...] = (256,),
    activation: str = "gelu",
    beta: Weight = 1.0,
    samples: int = 1,
    likelihood: Likelihood = BernoulliLikelihood(),
    learning_rate: Weight = 2e-3,
    shortcut: bool = True,
) -> Autoencoder:
    r"""A generative model: latents drawn from a learned posterior, kept near a standard normal prior.

    .. math:: \min \; \mathbb{E}_{q(z|x)} [-\log p(x|z)] + \beta \, \mathrm{KL}(q(z|x) \| \mathcal{N}(0, I))

    Args:
      code: number of latents.
      hidden: widths of the encoder's hidden layers; the decoder mirrors them.
      activation: of the hidden layers.
      beta: weight of the divergence, 1 for the evidence lower bound; may be a schedule.
      samples: latents drawn for each example and step.
      likelihood: p(x | z).
      learning_rate: of Adam.
      shortcut: whether training starts at probabilistic PCA, by linear maps beside the layers, where the outputs of the
        likelihood are means.

    When to use:
      To sample new data, to measure a likelihood in nats, and to interpolate between latents.

    Defaults:
      - ``code=16``: a quarter of the digits' 64 pixels, the size at which autoencoders and PCA are compared.
      - ``hidden=(256,)``, ``activation="gelu"``, ``learning_rate=2e-3``: chosen on the validation split of the digits.
      - ``beta=1.0``: the evidence lower bound itself.
      - ``samples=1``: enough for batches of about a hundred, according to the paper.
      - ``likelihood=BernoulliLikelihood()``: the paper's for MNIST, for data in [0, 1]; for other data ``fit`` and
        the command line take a Gaussian (:func:`ae_jax.studies.suited`).
      - ``shortcut=True``: it has no effect with a Bernoulli likelihood.

    Failure modes:
      - Posterior collapse: the posterior equals the prior for every input, the term ``kl`` is near zero, and every
        reconstruction is the mean example. A warm-up, ``beta=Linear(start=0.0, end=1.0, steps=1000)``, a smaller beta
        or a weaker decoder helps.
      - A Gaussian likelihood of scale 1 on data in [0, 1] makes every error small, which leads to collapse. Take a
        smaller scale, or :class:`ae_jax.objectives.LearnedGaussianLikelihood`.
      - Reconstructions are blurred, since a latent stands for a region: the error on the digits is large.
      - The Bernoulli likelihood of grey values is not a density: compare nats on binarised data only.
      - Data outside [0, 1] are refused where a Bernoulli likelihood is given.

    Example:
      >>> from ae_jax.schedules import Linear
      >>> variational(beta=Linear(start=0.0, end=1.0, steps=500)).objective.beta
      Linear(start=0.0, end=1.0, steps=500)

    References:
      Kingma and Welling, *Auto-encoding variational Bayes*, ICLR 2014.
    """
    linear = shortcut and not likelihood.unit_interval  # whose outputs are log-odds
    return Autoencoder(
        name="variational",
        networks=MLP(hidden=hidden, code=code, activation=activation, stochastic=True, shortcut=linear),
        objective=ELBO(likelihood=likelihood, beta=beta, samples=samples),
        optimizer=Optimizer(learning_rate=learning_rate),
    )
