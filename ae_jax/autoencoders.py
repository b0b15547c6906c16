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

    When to use:
      First, and as the yardstick of the others: to reduce dimensions, to compress, to find what reconstructs badly.
      Where a linear map will do, PCA gives it at once and exactly.

    Defaults:
      - ``code=16``: a quarter of the digits' 64 pixels, the size at which autoencoders and PCA are compared.
      - ``hidden=(256,)``, ``activation="gelu"``, ``learning_rate=2e-3``: chosen on the validation split of the digits.
      - ``likelihood=SquaredError()``: what PCA minimises, and what the reference reports.

    Failure modes:
      - A code that is not smaller than the data lets the networks copy their input: the error goes to zero, and the
        code tells no more than the data did. Make it smaller, or add a corruption or a penalty, which is what
        :func:`denoising`, :func:`sparse` and :func:`contractive` do.
      - Nothing holds the code where there are no data: of noisy inputs it makes less than PCA does. Use
        :func:`denoising` where inputs are noisy.
      - Nothing fixes the axes of the code: units of two seeds are not the same units. Compare distances, not units.

    Example:
      >>> undercomplete(code=2, hidden=(64, 32)).networks.hidden
      (64, 32)

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

    When to use:
      Features for a linear classifier, and units that can be looked at one by one, each a detector of its own.

    Defaults:
      - ``code=128``: twice the digits' 64 pixels, as an overcomplete code wants it.
      - ``hidden=()``: one layer each way, as in the reference; so ``activation="gelu"`` matters only to hidden layers
        that you add.
      - ``target=0.05``: the reference's rho.
      - ``weight=1.0``, ``learning_rate=5e-3``: chosen on the validation split of the digits.
      - ``likelihood=SquaredError()``: the reference's, which takes half of it.

    Failure modes:
      - Dead units: with a target near zero or a large weight units fall silent for every input, where the sigmoid is
        flat and no gradient brings them back, and the reconstruction becomes the mean example. Raise the target or
        lower the weight.
      - The penalty holds the mean alone: units may be weakly on for all examples instead of on for a few. They are so
        the more, the smaller the batch that the mean is taken over; the batch times the target should be a few
        examples, and 64 times 0.05 is 3.
      - The divergence is one of probabilities: a code that is no sigmoid's is refused.
        :class:`ae_jax.objectives.L1` takes any code.
      - The penalty is a sum over units and the error one over features: another number of either asks for another
        weight.
      - The code follows its input closely: of the six it makes least of noisy inputs.

    Example:
      >>> sparse(target=0.1).objective.penalties
      (KLSparsity(target=0.1, weight=1.0),)

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

    When to use:
      Codes that hardly move when inputs move a little in any direction: of measurements to compare or to classify.

    Defaults:
      - ``code=16``: a quarter of the digits' 64 pixels, the size at which autoencoders and PCA are compared.
      - ``hidden=(256,)``, ``activation="gelu"``, ``weight=0.1``, ``learning_rate=2e-3``: chosen on the validation split
        of the digits; the paper, too, chooses lambda by validation.
      - ``likelihood=SquaredError()``: one of the paper's two.

    Failure modes:
      - The code shrinks and the decoder amplifies it back: the norm falls, and no direction is contracted more than
        another. The sigmoid bounds the code from above only; tied weights prevent it, see above.
      - A large weight makes the code constant and every reconstruction the mean. The history shows the terms apart:
        lower the weight until the reconstruction no longer stands still.
      - It holds for small changes alone, to first order. Against noise of a known kind use :func:`denoising`.
      - The weight is in units of the data: after another scaling it must be chosen again.
      - Of networks other than :class:`ae_jax.networks.MLP` the exact Jacobian costs a pass for each unit of the code,
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

    When to use:
      To clean data, to find anomalies in tables, and for codes that may be larger than the data without copying them.

    Defaults:
      - ``code=16``: a quarter of the digits' 64 pixels, the size at which autoencoders and PCA are compared.
      - ``hidden=(256,)``, ``activation="gelu"``, ``learning_rate=2e-3``: chosen on the validation split of the digits.
      - ``noise=0.3``: the level at which evaluations corrupt inputs, of data in [0, 1].
      - ``likelihood=SquaredError()``: one of the paper's two.

    Failure modes:
      - Noise of another level or kind than it meets: of little noise it learns to copy, of much only to give averages,
        and Gaussian noise does not teach it to fill in what is masked. ``ae-jax evaluate --questions denoising`` and
        :func:`ae_jax.evaluation.denoising_grid` show levels and kinds beside each other.
      - The noise is in units of the scaled data: 0.3 is much in [0, 1] and little after standardisation.
      - Clean inputs come out smoother than they were, with an error above that of :func:`undercomplete`.

    Example:
      >>> denoising(noise=0.1).objective.corruption
      Gaussian(scale=0.1)

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

    When to use:
      Images, the larger the more: it errs no more than :func:`undercomplete` on the digits with fewer parameters, and
      less on MNIST.

    Defaults:
      - ``code=16``: a quarter of the digits' 64 pixels, the size at which autoencoders and PCA are compared.
      - ``channels=(16, 32)``, ``kernel=3``, ``activation="gelu"``, ``learning_rate=5e-3``: chosen on the validation
        split of the digits.
      - ``likelihood=SquaredError()``: the paper's.

    Failure modes:
      - Images only: rows of numbers are refused, and a table whose columns have no order should not be made one.
      - Every stage halves height and width: of more stages than the image has halves nothing is refused, but the last
        ones see a single pixel. The digits take two, to 2 by 2.
      - Between stages nothing is seen from afar: what is one thing across the whole image is left to the one dense
        layer before the code.
      - The code follows its input closely: the largest Jacobian norm of the six on MNIST. Where inputs are noisy give
        its objective a corruption, see :class:`Autoencoder`.

    Example:
      >>> convolutional(channels=(8,)).networks.channels
      (8,)

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

    When to use:
      To draw new data, to have a likelihood in nats, and for latents that can be moved through step by step.

    Defaults:
      - ``code=16``: a quarter of the digits' 64 pixels, the size at which autoencoders and PCA are compared.
      - ``hidden=(256,)``, ``activation="gelu"``, ``learning_rate=2e-3``: chosen on the validation split of the digits.
      - ``beta=1.0``: the evidence lower bound itself.
      - ``samples=1``: enough where batches are of about a hundred, says the paper.
      - ``likelihood=BernoulliLikelihood()``: the paper's for MNIST, of data in [0, 1]; of others the command line takes
        a Gaussian (:func:`ae_jax.studies.suited`).

    Failure modes:
      - Posterior collapse: latents stay at the prior, whatever the input, the term ``kl`` is near zero, and every
        reconstruction is the mean example. A warm-up, ``beta=Linear(start=0.0, end=1.0, steps=1000)``, a smaller beta
        or a weaker decoder helps.
      - A Gaussian likelihood of scale 1 on data in [0, 1] makes any error cheap, and so collapses. Take a smaller
        scale, or :class:`ae_jax.objectives.LearnedGaussianLikelihood`.
      - Reconstructions are blurred: a latent stands for a region. The error is the largest of the six on the digits.
      - The Bernoulli likelihood of grey values is no density: nats compare with others' on binarised data only.
      - Data outside [0, 1] are refused with a Bernoulli likelihood.

    Example:
      >>> from ae_jax.schedules import Linear
      >>> variational(beta=Linear(start=0.0, end=1.0, steps=500)).objective.beta
      Linear(start=0.0, end=1.0, steps=500)

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
