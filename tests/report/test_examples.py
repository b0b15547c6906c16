"""Figures of examples show the examples, the reconstructions and the weights."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

import ae_jax
from ae_jax import Run
from ae_jax.data import Dataset
from ae_jax.evaluation import AnomalyScore, definition_of
from ae_jax.networks import MLP
from ae_jax.objectives import Reconstruction
from ae_jax.report import (
    anomalous_examples,
    denoised_examples,
    first_layer_filters,
    first_layer_kernels,
    latent_traversals,
    mosaic,
    prior_samples,
    reconstructions,
    retrieved_examples,
    scored_examples,
    to_png,
)
from ae_jax.report.axes import VERMILLION
from ae_jax.report.pictures import run_pictures


def pictures(figure: Figure | None) -> list[np.ndarray]:
    """The images of a figure that can be drawn."""
    assert figure is not None
    to_png(figure)
    images = [ax.images[0].get_array() for ax in figure.axes if ax.images]
    return [np.ma.filled(np.ma.asarray(image).astype(float), np.nan) for image in images]


def titles(figure: Figure) -> list[str]:
    return [title for ax in figure.axes if (title := ax.get_title("left"))]


def ticks(figure: Figure, place: int = 0) -> tuple[list[str], list[str]]:
    ax = figure.axes[place]
    return [label.get_text() for label in ax.get_xticklabels()], [label.get_text() for label in ax.get_yticklabels()]


def test_reconstructions_are_below_their_originals(run: Run, small: Dataset):
    x = small.test.x[:4]
    figure = reconstructions(run, x)
    (picture,) = pictures(figure)
    np.testing.assert_allclose(picture[:17], mosaic([x, run.reconstruct(x)])[..., 0], rtol=1e-4, atol=1e-4)
    damaged = np.stack([picture[18:26, 9 * place : 9 * place + 8] for place in range(4)])
    assert not np.allclose(damaged, x)
    np.testing.assert_allclose(picture[27:], mosaic([run.reconstruct(damaged)])[..., 0], rtol=1e-3, atol=1e-3)
    assert ticks(figure)[1] == ["original", "reconstruction", "corrupted", "reconstruction\nfrom corrupted"]
    assert figure.axes[0].images[0].get_clim() == (x.min(), x.max())
    assert ticks(reconstructions(run, x, corruption=None))[1] == ["original", "reconstruction"]


def test_colour_images_are_scaled_to_the_unit_interval(colour_run: Run, colour: Dataset):
    x = colour.test.x[:2]
    (picture,) = pictures(reconstructions(colour_run, x))
    np.testing.assert_allclose(picture[:6, :5], (x[0] - float(x.min())) / (float(x.max()) - float(x.min())), atol=1e-6)
    assert picture.min() >= 0
    assert picture.max() <= 1


def test_tabular_data_are_strips_on_one_scale(tabular_run: Run, tabular: Dataset):
    figure = reconstructions(tabular_run, tabular.test.x)
    original, reconstructed, _, _ = pictures(figure)
    np.testing.assert_array_equal(original, tabular.test.x)
    np.testing.assert_allclose(reconstructed, tabular_run.reconstruct(tabular.test.x), rtol=1e-5)
    assert titles(figure)[3] == "reconstruction from corrupted"
    assert len({ax.images[0].get_clim() for ax in figure.axes if ax.images}) == 1


def test_time_series_are_lines():
    time = np.linspace(0, 6, 40)
    x = np.sin(time + np.arange(12.0)[:, None])
    figure = denoised_examples(x, x + 0.1, x / 2)
    to_png(figure)
    assert [ax.get_title("left") for ax in figure.axes] == [f"example {number}" for number in range(1, 7)]
    for place, ax in enumerate(figure.axes):
        for line, expected in zip(ax.get_lines(), (x, x + 0.1, x / 2), strict=True):
            np.testing.assert_allclose(line.get_ydata(), expected[place])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["clean", "noisy", "denoised"]
    found = retrieved_examples(x[:1], x[None, 1:4], np.array(["a"]), np.array([list("aba")]))
    assert [line.get_linestyle() for line in found.axes[0].get_lines()] == ["-", "-", ":", "-"]
    channels = np.stack([x, -x], axis=-1)
    assert len(denoised_examples(None, channels, channels).axes[0].get_lines()) == 4


def test_samples_are_those_of_the_prior(population: Run, tabular_run: Run, run: Run):
    samples = population[0].sample(12, seed=3)
    (picture,) = pictures(prior_samples(population, count=12, seed=3))
    np.testing.assert_allclose(picture, mosaic([samples[:10], samples[10:]])[..., 0], rtol=1e-5)
    np.testing.assert_allclose(pictures(prior_samples(tabular_run, count=5))[0], tabular_run.sample(5), rtol=1e-5)
    assert prior_samples(run) is None


def test_filters_are_the_kernels_of_the_largest_norm(run: Run, tabular_run: Run):
    kernels = first_layer_kernels(run)
    assert kernels is not None
    assert kernels.shape == (12, 8, 8)
    order = np.argsort(-np.linalg.norm(kernels.reshape(12, -1), axis=1), kind="stable")
    figure = first_layer_filters(run, count=5)
    np.testing.assert_allclose(pictures(figure)[0], mosaic([kernels[order[:5]]])[..., 0], rtol=1e-6)
    low, high = figure.axes[0].images[0].get_clim()
    assert low == -high
    assert pictures(first_layer_filters(tabular_run))[0].shape == (5, 7)
    with pytest.raises(ae_jax.InvalidInput, match="count"):
        first_layer_filters(run, count=0)


def test_kernels_map_examples_to_pre_activations(run: Run, colour_run: Run):
    kernels = first_layer_kernels(run)
    x = np.random.default_rng(0).normal(size=(2, 8, 8)).astype(np.float32)
    hidden = run.apply(first_layer, x)
    difference = np.einsum("nij,kij->nk", x[:1] - x[1:], kernels)
    np.testing.assert_allclose(hidden[:1] - hidden[1:], difference, rtol=1e-4, atol=1e-4)
    assert first_layer_kernels(colour_run[1]).shape == (4, 3, 3, 3)
    assert pictures(first_layer_filters(colour_run))[0].shape[2] == 3


def first_layer(autoencoder, model, scaling, batch):
    return model.networks.encoder[0](batch.reshape(len(batch), -1))


def test_denoised_examples_are_below_noisy_and_clean_ones(small: Dataset, tabular: Dataset):
    x = small.test.x[:3].astype(float)
    figure = denoised_examples(x, x + 1, x / 2)
    np.testing.assert_allclose(pictures(figure)[0], mosaic([x, x + 1, x / 2])[..., 0])
    assert ticks(figure)[1] == ["clean", "noisy", "denoised"]
    assert figure.axes[0].images[0].get_clim() == (x.min(), x.max())
    strips = denoised_examples(None, tabular.test.x, tabular.test.x / 2)
    assert titles(strips) == ["noisy", "denoised"]
    np.testing.assert_allclose(pictures(strips)[1], tabular.test.x / 2)


def test_wrong_results_of_a_query_are_crossed_out(small: Dataset, tabular: Dataset):
    x = small.train.x
    labels = np.array(["a", "$\\frac$"]), np.array([list("aba"), ["$\\frac$"] * 3])
    figure = retrieved_examples(x[:2], x[[[2, 3, 4], [5, 6, 7]]], *labels)
    np.testing.assert_allclose(pictures(figure)[0], mosaic([x[[0, 2, 3, 4]], x[[1, 5, 6, 7]]])[..., 0])
    assert ticks(figure) == (["query", "1", "2", "3"], ["label a", "label $\\frac$"])
    (frame,) = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    assert to_hex(frame.get_edgecolor()).upper() == VERMILLION
    assert (frame.get_x(), frame.get_y(), frame.get_width()) == (2 * 9 - 0.5, -0.5, 8)
    assert len(figure.axes[0].get_lines()) == 1
    unlabelled = retrieved_examples(x[:9], np.stack([x[:12]] * 9), count=4)
    assert ticks(unlabelled)[1] == ["query 0", "query 1", "query 2", "query 3"]
    assert not unlabelled.axes[0].get_lines()
    table = tabular.train.x
    strips = retrieved_examples(table[:2], table[[[2, 3], [4, 5]]], np.array([0, 1]), np.array([[0, 1], [1, 1]]))
    assert titles(strips) == ["label 0", "label 1"]
    assert ticks(strips)[1] == ["query", "1", "✗ 2"]


def test_anomalous_examples_have_scores_and_contributions(small: Dataset):
    x, scores = small.test.x, np.arange(20.0)[::-1]
    explanation = np.linspace(-1, 1, 64).reshape(1, 8, 8) * scores[:, None, None]
    figure = anomalous_examples(x, scores, explanation, count=3)
    parts = (x[:3], explanation[:3], x[[19, 18, 17]], explanation[[19, 18, 17]])
    for picture, part in zip(pictures(figure), parts, strict=True):
        np.testing.assert_allclose(picture, mosaic([part])[..., 0])
    assert ticks(figure, 0)[0] == ["19", "18", "17"]
    assert ticks(figure, 2)[0] == ["0", "1", "2"]
    assert figure.axes[1].images[0].get_clim() == (-19.0, 19.0)
    assert titles(anomalous_examples(x, scores)) == ["most abnormal", "most normal"]


def test_scores_of_conditional_runs_are_explained_by_the_labels_of_the_examples(run: Run, small: Dataset):
    asked = []

    class Noting(AnomalyScore):
        def explain(self, x, *, condition=None, steps=32):
            asked.append(condition)
            return np.zeros(x.shape)

    scorer = Noting(run, "reconstruction_error", definition_of("reconstruction_error"), {})
    figure = scored_examples(scorer, small.test.x, np.arange(20.0), np.arange(20))
    assert asked[0].tolist() == [*range(19, 11, -1), *range(7, -1, -1)]
    assert ticks(figure, 0)[0][0] == "19"


def test_contributions_of_colours_are_summed_and_those_of_a_table_are_strips(colour: Dataset, tabular: Dataset):
    x = colour.train.x[:6].astype(float)
    shown = pictures(anomalous_examples(x, np.arange(6.0), x, count=1))
    assert shown[0].shape == (6, 5, 3)
    np.testing.assert_allclose(shown[1], x[5].sum(axis=-1))
    x = tabular.train.x[:6]
    figure = anomalous_examples(x, np.arange(6.0), x**2, count=2)
    np.testing.assert_allclose(pictures(figure)[1], x[[5, 4]] ** 2)
    assert ticks(figure)[1] == ["5", "4"]


def test_traversals_decode_one_unit_at_a_time(run: Run, small: Dataset, tabular_run: Run, tabular: Dataset):
    codes = run.encode(small.test.x).astype(float)
    mean, spread = codes.mean(axis=0), codes.std(axis=0)
    order = np.argsort(-spread)[:2]
    figure = latent_traversals(run, small.test.x, units=2, steps=3)
    moved = np.tile(mean, (2, 3, 1))
    for row, unit in enumerate(order):
        moved[row, :, unit] += np.array([-2.0, 0.0, 2.0]) * spread[unit]
    decoded = run.decode(moved.reshape(6, 3).astype(np.float32)).reshape(2, 3, 8, 8)
    np.testing.assert_allclose(pictures(figure)[0], mosaic(list(decoded))[..., 0], rtol=1e-4, atol=1e-4)
    assert ticks(figure) == (["-2", "0", "+2"], [f"unit {unit} (sd {spread[unit]:.2g})" for unit in order])
    strips = latent_traversals(tabular_run, tabular.test.x, steps=3)
    assert [picture.shape for picture in pictures(strips)] == [(3, 7)]
    assert ticks(strips)[1] == ["-2", "0", "+2"]


def test_figures_of_a_conditional_autoencoder_take_labels(small: Dataset):
    conditional = ae_jax.Autoencoder(name="mine", networks=MLP(code=2, condition=10), objective=Reconstruction())
    run, x, labels = ae_jax.fit(conditional, small, epochs=1, batch_size=16), small.test.x[:3], small.test.labels[:3]
    expected = mosaic([x, run.reconstruct(x, labels)])[..., 0]
    (picture,) = pictures(reconstructions(run, x, labels, corruption=None))
    np.testing.assert_allclose(picture, expected, rtol=1e-4, atol=1e-4)
    assert first_layer_kernels(run).shape[1:] == (8, 8)
    assert pictures(latent_traversals(run, x, labels, units=1, steps=2))[0].shape == (8, 17)
    assert len(run_pictures(run, small)) == 4
