"""The conditional variational autoencoder."""

from ae_jax.models.autoencoder import Autoencoder, follows_range
from ae_jax.networks import MLP
from ae_jax.objectives import ELBO, BernoulliLikelihood, Likelihood
from ae_jax.optimizers import Optimizer
from ae_jax.public import public
from ae_jax.types import Weight


@follows_range
@public
def conditional(
    *,
    classes: int = 10,
    code: int = 16,
    hidden: tuple[int, ...] = (256,),
    activation: str = "gelu",
    beta: Weight = 1.0,
    samples: int = 1,
    likelihood: Likelihood = BernoulliLikelihood(),
    learning_rate: Weight = 2e-3,
) -> Autoencoder:
    r"""A variational autoencoder whose encoder and decoder see the label of each example.

    .. math:: \min \; \mathbb{E}_{q(z|x,y)} [-\log p(x|z,y)] + \beta \, \mathrm{KL}(q(z|x,y) \| \mathcal{N}(0, I))

    Labels are one-hot encoded and appended to the examples and to the latents, so that latents describe what labels do
    not: the style of a digit, not which digit it is.

    Args:
      classes: number of classes of the labels, at most; the command line takes it from the data.
      code, hidden, activation, beta, samples, likelihood, learning_rate: as of :func:`ae_jax.variational`.

    When to use:
      To draw new examples of a chosen class (``run.sample(10, condition=3)``), to change the class of an example and
      keep its style, and for latents free of a known factor.

    Defaults:
      - ``classes=10``: those of the digits and of MNIST.

    Failure modes:
      - It needs the label of every example, also when it encodes and reconstructs; a wrong label gives a reconstruction
        between the two classes.
      - Its bound is of :math:`\log p(x | y)`, which is not comparable with the :math:`\log p(x)` of models that predict
        the class too: it is lower by up to the entropy of the labels, 2.3 nats for ten equal classes.
      - Codes say little about the class; a classifier on them is worse than on those of :func:`ae_jax.variational`.
      - Posterior collapse, as of :func:`ae_jax.variational`; sooner, the more the labels tell.

    Example:
      >>> import ae_jax
      >>> run = ae_jax.fit(conditional(code=2, hidden=()), ae_jax.data.digits(), epochs=1)
      >>> run.sample(3, condition=7).shape
      (3, 8, 8)

    References:
      Kingma et al., *Semi-supervised learning with deep generative models*, NeurIPS 2014 (M2);
      Sohn et al., *Learning structured output representation using deep conditional generative models*, NeurIPS 2015.
    """
    return Autoencoder(
        name="conditional",
        networks=MLP(hidden=hidden, code=code, activation=activation, stochastic=True, condition=classes),
        objective=ELBO(likelihood=likelihood, beta=beta, samples=samples),
        optimizer=Optimizer(learning_rate=learning_rate),
    )
