"""What the literature says of autoencoders, on digits: each with the seeds it was measured on, in seconds."""

import numpy as np
import pytest

import ae_jax
from ae_jax import Autoencoder, Optimizer, Run
from ae_jax.networks import MLP
from ae_jax.objectives import Contractive, KLSparsity, Reconstruction

SEEDS = [0, 1, 2]


def squared_error(run: Run, x: np.ndarray) -> np.ndarray:
    """Of each member, mean over examples of the squared distance of a reconstruction from its input."""
    return np.square(run.reconstruct(x) - x).sum(axis=(2, 3)).mean(axis=1)


def relative_error(run: Run, x: np.ndarray) -> np.ndarray:
    """The squared error over that of the mean image: 0 is perfect, 1 is no better than knowing the mean."""
    return squared_error(run, x) / np.square(x - x.mean(axis=0)).sum(axis=(1, 2)).mean()


@pytest.fixture(scope="module")
def images(digits):
    """Digits to train and to test on, in [0, 1]."""
    return tuple(split.x.astype(np.float32) / 16 for split in (digits.train, digits.test))


def test_an_overcomplete_autoencoder_copies_noise_it_never_saw_and_a_regularised_one_does_not(images, noise):
    """Bengio et al., *Greedy layer-wise training of deep networks*, NIPS 2006; Alain and Bengio, JMLR 2014.

    With more code units than pixels nothing but a penalty keeps an autoencoder from the identity. Measured relative
    errors on noise: plain 1.22 to 1.33, sparse 2.05 to 2.11, contractive 1.96 to 1.99.
    """

    def overcomplete(sparsity: float, contraction: float) -> Autoencoder:
        penalties = KLSparsity(target=0.05, weight=sparsity), Contractive(weight=contraction)
        return Autoencoder(
            name="overcomplete",
            networks=MLP(hidden=(), code=128, code_activation="sigmoid"),
            objective=Reconstruction(penalties=penalties),
            optimizer=Optimizer(learning_rate=5e-3),
        )

    choices = [overcomplete(0.0, 0.0), overcomplete(1.0, 0.0), overcomplete(0.0, 1.0)]
    run = ae_jax.fit(choices, images[0], seeds=SEEDS, epochs=20)
    plain, sparse, contractive = relative_error(run, noise).reshape(3, len(SEEDS))
    assert (sparse > 1.3 * plain).all()
    assert (contractive > 1.3 * plain).all()


def test_independent_noise_cannot_be_compressed_as_digits_can(images):
    """Ng, *Sparse autoencoder*, CS294A lecture notes, 2011, section 2: no structure, nothing to discover.

    Of 64 independent pixels 8 numbers carry an eighth at best. Measured: noise 0.881 to 0.884, digits 0.319 to 0.322.
    """
    small = ae_jax.undercomplete(code=8, hidden=(64,), activation="tanh", learning_rate=5e-3)
    train, test = images[0][:1024], images[1]
    rng = np.random.default_rng(0)
    on_digits = ae_jax.fit(small, train, seeds=SEEDS, epochs=30)
    on_noise = ae_jax.fit(small, rng.uniform(size=train.shape).astype(np.float32), seeds=SEEDS, epochs=30)
    unseen = rng.uniform(size=test.shape).astype(np.float32)
    assert (relative_error(on_noise, unseen) > 0.98 * (1 - 8 / 64)).all()
    assert (relative_error(on_digits, test) < 0.4).all()


def test_a_denoising_autoencoder_s_error_grows_away_from_its_training_distribution(images, noise):
    """Alain and Bengio, *What regularized auto-encoders learn from the data-generating distribution*, JMLR 2014.

    The reconstruction points back to where data lie, so that its distance from the input tells how far off that is.
    Measured squared errors: 1.1 on digits, 1.6, 3.3, 6.0, 14.8 and 37 at the noise levels, 11.7 on shifted digits.
    """
    train, test = images
    run = ae_jax.fit(ae_jax.denoising(noise=0.3, hidden=(64,), learning_rate=5e-3), train, seeds=SEEDS, epochs=20)
    gaussian = np.random.default_rng(0).normal(size=test.shape).astype(np.float32)
    by_noise = [squared_error(run, test + level * gaussian) for level in (0.0, 0.1, 0.2, 0.3, 0.5, 0.8)]
    by_mixture = [
        squared_error(run, (1 - share) * test[: len(noise)] + share * noise) for share in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    assert (np.diff(by_noise, axis=0) > 0).all()
    assert (np.diff(by_mixture, axis=0) > 0).all()
    # Shifted images are further from digits than digits are.
    shifted = np.roll(test, 3, axis=2)
    assert (squared_error(run, shifted) > 2 * squared_error(run, test)).all()
