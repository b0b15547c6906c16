"""The named autoencoders: each a short function from hyper-parameters to networks and an objective."""

from collections.abc import Callable

from ae_jax.components import component, static
from ae_jax.corruptions import Gaussian
from ae_jax.errors import require_known
from ae_jax.networks import MLP, Convolutional, NetworksBuilder, functional
from ae_jax.objectives import (
    ELBO,
    BernoulliLikelihood,
    Contractive,
    KLSparsity,
    Likelihood,
    Objective,
    Reconstruction,
    SquaredError,
)
from ae_jax.optimizers import Optimizer
from ae_jax.requirements import require_part
from ae_jax.types import Key, Number, Params, Shape, Weight


@component
class Autoencoder:
    """Networks, what is minimised and how: a value whose numbers are leaves of a pytree.

    Any networks, objective and optimiser go together, so that a new autoencoder is an expression:

    Attributes:
      name: what results call it.
      networks: how to build the networks from a data shape, :mod:`ae_jax.networks`.
      objective: what is minimised, :mod:`ae_jax.objectives`.
      optimizer: how, :class:`ae_jax.optimizers.Optimizer`.

    Raises:
      InvalidInput: a part that is none of its kind.

    Example:
      >>> denoising_contractive_convolutional = Autoencoder(
      ...     name="mine",
      ...     networks=Convolutional(channels=(8,), code=4),
      ...     objective=Reconstruction(corruption=Gaussian(scale=0.2), penalties=(Contractive(weight=0.01),)),
      ... )
      >>> jax.tree.leaves(denoising_contractive_convolutional)
      [0.2, 0.01, 0.001]
    """

    name: str = static()
    networks: NetworksBuilder
    objective: Objective
    optimizer: Optimizer = Optimizer()

    def __post_init__(self) -> None:
        require_part(self, str, "the name that results call it", name=self.name)
        require_part(self, NetworksBuilder, "networks, such as MLP()", networks=self.networks)
        require_part(self, Objective, "an objective, such as Reconstruction()", objective=self.objective)
        require_part(self, Optimizer, "an Optimizer()", optimizer=self.optimizer)

    def init(self, shape: Shape, key: Key) -> Params:
        """Fresh parameters for examples of this shape."""
        return functional.init(self.networks, shape, key, self.objective.likelihood.outputs)

    def bind(self, shape: Shape, params: Params):
        """The networks with these parameters, with ``encode`` and ``decode``."""
        return functional.bind(self.networks, shape, params, self.objective.likelihood.outputs)


def undercomplete(
    *,
    code: int = 16,
    hidden: tuple[int, ...] = (256,),
    activation: str = "gelu",
    likelihood: Likelihood = SquaredError(),
    learning_rate: Weight = 2e-3,
) -> Autoencoder:
    r"""A code smaller than the data, and nothing else.

    .. math:: \min_{h, g} \; \mathbb{E} \|g(h(x)) - x\|^2, \quad \dim h(x) < \dim x

    With linear networks it finds the subspace of PCA (Baldi and Hornik, 1989); hidden layers bend it.

    Args:
      code: size of the code.
      hidden: widths of the encoder's hidden layers; the decoder mirrors them.
      activation: of the hidden layers.
      likelihood: the reconstruction loss.
      learning_rate: of Adam.

    References:
      Hinton and Salakhutdinov, *Reducing the dimensionality of data with neural networks*, Science 2006.
    """
    return Autoencoder(
        name="undercomplete",
        networks=MLP(hidden=hidden, code=code, activation=activation),
        objective=Reconstruction(likelihood=likelihood),
        optimizer=Optimizer(learning_rate=learning_rate),
    )


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

    References:
      Ng, *Sparse autoencoder*, CS294A lecture notes, 2011.
    """
    return Autoencoder(
        name="sparse",
        networks=MLP(hidden=hidden, code=code, activation=activation, code_activation="sigmoid"),
        objective=Reconstruction(likelihood=likelihood, penalties=(KLSparsity(target=target, weight=weight),)),
        optimizer=Optimizer(learning_rate=learning_rate),
    )


def contractive(
    *,
    code: int = 16,
    hidden: tuple[int, ...] = (256,),
    activation: str = "gelu",
    weight: Weight = 0.1,
    likelihood: Likelihood = SquaredError(),
    learning_rate: Weight = 2e-3,
) -> Autoencoder:
    r"""A code that moves as little as reconstruction allows when its input moves.

    .. math:: \min \; \mathbb{E} \|g(h(x)) - x\|^2 + \lambda \left\|\frac{\partial h(x)}{\partial x}\right\|_F^2

    The penalty is exact, at each example (:class:`ae_jax.objectives.Contractive`). The paper ties the decoder's weights
    to the encoder's, so that a code cannot shrink and be amplified back: that is ``MLP(tied=True)`` in an
    :class:`Autoencoder`. Here they are free, as in the other autoencoders that it is compared with.

    Args:
      code: size of the code.
      hidden: widths of the encoder's hidden layers; the decoder mirrors them.
      activation: of the hidden layers; the code's is a sigmoid, as in the paper.
      weight: lambda, of the squared Jacobian norm.
      likelihood: the reconstruction loss.
      learning_rate: of Adam.

    References:
      Rifai et al., *Contractive auto-encoders: explicit invariance during feature extraction*, ICML 2011.
    """
    return Autoencoder(
        name="contractive",
        networks=MLP(hidden=hidden, code=code, activation=activation, code_activation="sigmoid"),
        objective=Reconstruction(likelihood=likelihood, penalties=(Contractive(weight=weight),)),
        optimizer=Optimizer(learning_rate=learning_rate),
    )


def denoising(
    *,
    code: int = 16,
    hidden: tuple[int, ...] = (256,),
    activation: str = "gelu",
    noise: Number = 0.3,
    likelihood: Likelihood = SquaredError(),
    learning_rate: Weight = 2e-3,
) -> Autoencoder:
    r"""Reconstructs the clean example from a corrupted one, and so learns where data lie.

    .. math:: \min \; \mathbb{E} \|g(h(x + \sigma\epsilon)) - x\|^2, \quad \epsilon \sim \mathcal{N}(0, I)

    Another corruption is ``Reconstruction(corruption=Masking(probability=0.25))`` in an :class:`Autoencoder`.

    Args:
      code: size of the code.
      hidden: widths of the encoder's hidden layers; the decoder mirrors them.
      activation: of the hidden layers.
      noise: sigma, standard deviation of the Gaussian noise, in units of the (scaled) data.
      likelihood: the reconstruction loss.
      learning_rate: of Adam.

    References:
      Vincent et al., *Extracting and composing robust features with denoising autoencoders*, ICML 2008.
    """
    return Autoencoder(
        name="denoising",
        networks=MLP(hidden=hidden, code=code, activation=activation),
        objective=Reconstruction(likelihood=likelihood, corruption=Gaussian(scale=noise)),
        optimizer=Optimizer(learning_rate=learning_rate),
    )


def convolutional(
    *,
    code: int = 16,
    channels: tuple[int, ...] = (16, 32),
    kernel: int = 3,
    activation: str = "gelu",
    likelihood: Likelihood = SquaredError(),
    learning_rate: Weight = 5e-3,
) -> Autoencoder:
    r"""Shares its weights over the places of an image.

    .. math:: h^k = \phi(x * W^k + b^k)

    Args:
      code: size of the code.
      channels: of each stage, which halves height and width.
      kernel: side of the square kernels.
      activation: of every stage.
      likelihood: the reconstruction loss.
      learning_rate: of Adam.

    References:
      Masci et al., *Stacked convolutional auto-encoders for hierarchical feature extraction*, ICANN 2011.
    """
    return Autoencoder(
        name="convolutional",
        networks=Convolutional(channels=channels, kernel=kernel, code=code, activation=activation),
        objective=Reconstruction(likelihood=likelihood),
        optimizer=Optimizer(learning_rate=learning_rate),
    )


def variational(
    *,
    code: int = 16,
    hidden: tuple[int, ...] = (256,),
    activation: str = "gelu",
    beta: Weight = 1.0,
    samples: int = 1,
    likelihood: Likelihood = BernoulliLikelihood(),
    learning_rate: Weight = 2e-3,
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

    References:
      Kingma and Welling, *Auto-encoding variational Bayes*, ICLR 2014.
    """
    return Autoencoder(
        name="variational",
        networks=MLP(hidden=hidden, code=code, activation=activation, stochastic=True),
        objective=ELBO(likelihood=likelihood, beta=beta, samples=samples),
        optimizer=Optimizer(learning_rate=learning_rate),
    )


NAMED: dict[str, Callable[..., Autoencoder]] = {
    function.__name__: function
    for function in (undercomplete, sparse, contractive, denoising, convolutional, variational)
}
"""The named autoencoders by their names."""


def named(name: str) -> Callable[..., Autoencoder]:
    """The function that makes the autoencoder of that name.

    Raises:
      InvalidInput: nobody bears that name; the sentence has the nearest one.

    Example:
      >>> named("sparse")(weight=2.0).name
      'sparse'
    """
    require_known("autoencoder", name, NAMED)
    return NAMED[name]
