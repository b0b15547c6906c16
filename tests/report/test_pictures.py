"""Pictures show the examples, the reconstructions and the weights, all on one scale."""

import jax
import numpy as np
import pytest
from flax import nnx
from matplotlib.figure import Figure

import ae_jax
from ae_jax import Run
from ae_jax.data import Dataset
from ae_jax.evaluation.denoising import corrupted
from ae_jax.evaluation.evaluate import NOISE
from ae_jax.objectives import Reconstruction
from ae_jax.report import filters, prior_samples, reconstructions
from ae_jax.report.canvas import to_png
from ae_jax.report.pictures import first_kernels, mosaic
from ae_jax.types import Shape


def shown(figure: Figure | None) -> np.ndarray:
    """The one picture of a figure that can be drawn."""
    assert figure is not None
    to_png(figure)
    return np.ma.filled(np.ma.asarray(figure.axes[0].images[0].get_array()).astype(float), np.nan)


def test_reconstructions_stand_below_their_originals(run: Run, small: Dataset):
    x = small.test.x[:4]
    damaged = run.scaling.invert(corrupted(NOISE, jax.random.key(0), np.asarray(run.scaling(x))))
    rows = [x, run.reconstruct(x), damaged, run.reconstruct(damaged)]
    figure = reconstructions(run, x)
    np.testing.assert_allclose(shown(figure), mosaic(rows)[..., 0], rtol=1e-4, atol=1e-4)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [
        "original",
        "reconstruction",
        "corrupted",
        "reconstruction\nfrom corrupted",
    ]


def test_all_pictures_have_the_range_of_the_originals(run: Run, small: Dataset):
    x = small.test.x[:4]
    assert reconstructions(run, x).axes[0].images[0].get_clim() == (x.min(), x.max())
    assert reconstructions(run, x, bounds=(-1.0, 20.0)).axes[0].images[0].get_clim() == (-1.0, 20.0)


def test_reconstructions_without_corruption_are_two_rows(run: Run, small: Dataset):
    figure = reconstructions(run, small.test.x[:4], corruption=None)
    assert len(figure.axes[0].get_yticks()) == 2


def test_colour_pictures_are_scaled_to_the_unit_interval(colour_run: Run, colour: Dataset):
    x = colour.test.x[:2]
    picture = shown(reconstructions(colour_run, x))
    np.testing.assert_allclose(picture[:6, :5], (x[0] - float(x.min())) / (float(x.max()) - float(x.min())), atol=1e-6)
    assert picture.min() >= 0
    assert picture.max() <= 1


def test_tabular_data_are_strips(tabular_run: Run, tabular: Dataset):
    figure = reconstructions(tabular_run, tabular.test.x)
    to_png(figure)
    strips = [ax for ax in figure.axes if ax.images]
    assert len(strips) == 4
    np.testing.assert_array_equal(strips[0].images[0].get_array(), tabular.test.x)
    np.testing.assert_allclose(strips[1].images[0].get_array(), tabular_run.reconstruct(tabular.test.x), rtol=1e-5)
    assert len({strip.images[0].get_clim() for strip in strips}) == 1
    assert strips[-1].get_xlabel() == "feature"


def test_samples_are_those_of_the_prior(population: Run):
    samples = population[0].sample(12, seed=3)
    expected = mosaic([samples[:10], samples[10:]])[..., 0]
    np.testing.assert_allclose(shown(prior_samples(population, count=12, seed=3)), expected, rtol=1e-5)


def test_samples_of_tabular_data_are_a_strip(tabular_run: Run):
    np.testing.assert_allclose(shown(prior_samples(tabular_run, count=5)), tabular_run.sample(5), rtol=1e-5)


def test_without_a_prior_there_are_no_samples(run: Run):
    assert prior_samples(run) is None


def test_filters_of_dense_layers_are_columns_of_the_kernel(run: Run):
    kernel = np.asarray(run.params["encoder"][0]["kernel"])[0]
    columns = kernel.T.reshape(-1, 8, 8)
    order = np.argsort(-np.linalg.norm(kernel, axis=0), kind="stable")
    figure = filters(run, count=5)
    np.testing.assert_allclose(shown(figure), mosaic([columns[order[:5]]])[..., 0], rtol=1e-6)
    low, high = figure.axes[0].images[0].get_clim()
    assert low == -high


def test_filters_of_convolutions_are_their_kernels(colour_run: Run):
    kernels = first_kernels(colour_run[1])
    assert kernels is not None
    expected = np.asarray(colour_run.params["encoder"][0]["kernel"])[1]
    np.testing.assert_array_equal(kernels[2], expected[..., 2])
    assert shown(filters(colour_run)).shape[2] == 3


def test_filters_of_tabular_data_are_a_strip(tabular_run: Run):
    assert shown(filters(tabular_run)).shape == (5, 7)


def test_filters_of_a_run_read_from_disk(run: Run, tmp_path_factory: pytest.TempPathFactory):
    again = ae_jax.load(run.save(tmp_path_factory.mktemp("report") / "run"))
    np.testing.assert_allclose(shown(filters(again)), shown(filters(run)))


@ae_jax.component
class Scalings:
    """Networks of one's own, laid out otherwise than the package's."""

    code: int = ae_jax.static(default=64)

    def __call__(self, shape: Shape, outputs: int, rngs: nnx.Rngs) -> nnx.Module:
        return ScalingsNetworks(shape)


class ScalingsNetworks(nnx.Module):
    def __init__(self, shape: Shape):
        self.shape = shape
        self.factor = nnx.Param(jax.numpy.full((), 0.5))

    def encode(self, x):
        return x.reshape(x.shape[0], -1) * self.factor.get_value()

    def decode(self, z):
        return z.reshape(z.shape[0], *self.shape)


def test_networks_of_ones_own_without_filters_have_every_other_picture(small: Dataset):
    autoencoder = ae_jax.Autoencoder(name="mine", networks=Scalings(), objective=Reconstruction())
    run = ae_jax.fit(autoencoder, small, epochs=1, batch_size=16)
    assert filters(run) is None
    assert shown(reconstructions(run, small.test.x[:3])).shape[1] == 3 * 9 - 1


def test_mosaic_leaves_a_gap_and_an_end():
    picture = mosaic([np.zeros((2, 4, 3)), np.ones((1, 4, 3))])[..., 0]
    np.testing.assert_array_equal(picture[:4, :3], 0)
    np.testing.assert_array_equal(picture[5:, :3], 1)
    assert np.isnan(picture[:4, 3]).all()
    assert np.isnan(picture[5:, 4:]).all()
