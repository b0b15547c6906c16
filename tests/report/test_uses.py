"""Figures of the uses show the examples, curves and marks that they are given."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from sklearn import metrics

from ae_jax import InvalidInput, Run
from ae_jax.data import Dataset
from ae_jax.evaluation import FAMILIES, evaluate_denoising
from ae_jax.report import (
    anomaly_strip,
    denoising_gains,
    denoising_grid_figure,
    denoising_strip,
    image_grid,
    latent_traversals,
    retrieval_strips,
    roc_and_pr,
)
from ae_jax.report.canvas import BLUE, VERMILLION, to_png
from ae_jax.report.pictures import mosaic


def pictures(figure: Figure) -> list[np.ndarray]:
    """Every picture of a figure that can be drawn, without those of colour bars."""
    to_png(figure)
    images = [ax.images[0].get_array() for ax in figure.axes if ax.images]
    return [np.ma.filled(np.ma.asarray(image).astype(float), np.nan) for image in images]


def titles(figure: Figure) -> list[str]:
    return [title for ax in figure.axes if (title := ax.get_title("left"))]


def ticks(figure: Figure, place: int = 0) -> tuple[list[str], list[str]]:
    ax = figure.axes[place]
    return [label.get_text() for label in ax.get_xticklabels()], [label.get_text() for label in ax.get_yticklabels()]


def test_curves_have_two_panels_with_areas_and_chance():
    scores = {"good": np.array([0.1, 0.4, 0.35, 0.8]), "worse_one": np.array([0.9, 0.4, 0.35, 0.8])}
    abnormal = np.array([0, 0, 1, 1])
    figure = roc_and_pr({name: (values, abnormal) for name, values in scores.items()})
    to_png(figure)
    roc, pr = figure.axes
    assert titles(figure) == ["ROC curve", "precision and recall"]
    assert [text.get_text() for text in roc.get_legend().get_texts()] == ["0.750  good", "0.250  worse one"]
    precision = metrics.average_precision_score(abnormal, scores["good"])
    assert pr.get_legend().get_texts()[0].get_text() == f"{precision:.3f}  good"
    chance, good, _ = roc.get_lines()
    np.testing.assert_array_equal(chance.get_xydata(), [[0, 0], [1, 1]])
    np.testing.assert_array_equal(good.get_xdata(), metrics.roc_curve(abnormal, scores["good"])[0])
    assert set(pr.get_lines()[-1].get_ydata()) == {0.5}
    assert roc.get_lines()[1].get_color() != roc.get_lines()[2].get_color()


def test_curves_of_one_kind_are_refused():
    with pytest.raises(InvalidInput, match="all 2 examples are normal"):
        roc_and_pr({"one": (np.array([0.1, 0.2]), np.array([0, 0]))})


def test_gains_have_a_panel_for_each_family_and_a_line_for_each_method(run: Run, small: Dataset):
    rows = evaluate_denoising(run, small)
    figure = denoising_gains(rows)
    to_png(figure)
    assert titles(figure) == ["gaussian", "masking", "salt and pepper"]
    methods = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert methods == ["pca", "gaussian filter", "median filter", "undercomplete"]
    for ax, (family, levels) in zip(figure.axes, FAMILIES.items(), strict=True):
        assert len(ax.containers) == 4
        expected = [
            row["value"]
            for row in rows
            if (row["autoencoder"], row["corruption"], row["metric"]) == ("pca", family, "psnr_gain")
        ]
        assert ax.containers[0].lines[0].get_ydata().tolist() == expected
        assert ax.containers[0].lines[0].get_xdata().tolist() == list(levels)


def test_members_that_diverged_are_not_drawn():
    row = {"autoencoder": "a", "corruption": "masking", "metric": "psnr_gain", "level": 0.1}
    rows = [row | {"value": 3.0, "finite": False}, row | {"value": 1.0}, row | {"value": 2.0}]
    (container,) = denoising_gains(rows).axes[0].containers
    np.testing.assert_array_equal(container.lines[0].get_ydata(), [1.5])


def test_the_grid_shows_every_family_and_level(run: Run, small: Dataset):
    figure = denoising_grid_figure(run, small.test.x)
    assert titles(figure) == ["gaussian, by level", "masking, by level", "salt and pepper, by level"]
    for place, (picture, levels) in enumerate(zip(pictures(figure), FAMILIES.values(), strict=True)):
        assert picture.shape == (2 * 9 - 1, 2 * 4 * 9 - 1)
        assert ticks(figure, place) == (
            [text for level in levels for text in (f"{level:g}", "")],
            ["damaged", "denoised"],
        )
    # Masking sets pixels to zero and leaves the others as they are.
    masked, clean = pictures(figure)[1][:8, :8], small.test.x[0] / 16
    assert np.all((masked == 0) | np.isclose(masked, clean))


def test_the_grid_of_a_table_has_strips(tabular_run: Run, tabular: Dataset):
    figure = denoising_grid_figure(tabular_run, tabular.test.x)
    assert titles(figure)[:2] == ["gaussian: damaged", "gaussian: denoised"]
    assert [picture.shape for picture in pictures(figure)] == [(4 * 6, 7)] * 6


def test_noisy_examples_stand_between_clean_and_denoised(small: Dataset):
    x = small.test.x[:3].astype(float)
    figure = denoising_strip(x, x + 1, x / 2)
    np.testing.assert_allclose(pictures(figure)[0], mosaic([x, x + 1, x / 2])[..., 0])
    assert ticks(figure)[1] == ["clean", "noisy", "denoised"]
    assert figure.axes[0].images[0].get_clim() == (x.min(), x.max())
    unknown = denoising_strip(None, x + 1, x / 2)
    assert ticks(unknown)[1] == ["noisy", "denoised"]
    assert unknown.axes[0].images[0].get_clim() == (x.min() / 2, x.max() / 2)


def test_noisy_rows_of_a_table_are_strips(tabular: Dataset):
    figure = denoising_strip(None, tabular.test.x, tabular.test.x / 2)
    assert titles(figure) == ["noisy", "denoised"]
    np.testing.assert_allclose(pictures(figure)[1], tabular.test.x / 2)


def test_a_grid_of_images_has_rows_of_ten(small: Dataset, colour: Dataset, tabular: Dataset):
    x = small.train.x[:23]
    np.testing.assert_allclose(pictures(image_grid(x))[0], mosaic([x[:10], x[10:20], x[20:]])[..., 0])
    assert pictures(image_grid(colour.test.x))[0].shape[2] == 3
    np.testing.assert_allclose(pictures(image_grid(tabular.train.x))[0], tabular.train.x[:24])


def test_results_stand_beside_their_query_and_wrong_ones_are_marked(small: Dataset):
    x = small.train.x
    figure = retrieval_strips(
        x[:2], x[[[2, 3, 4], [5, 6, 7]]], np.array(["a", "b"]), np.array([list("aba"), list("bbb")])
    )
    expected = [x[[0, 2, 3, 4]], x[[1, 5, 6, 7]]]
    np.testing.assert_allclose(pictures(figure)[0], mosaic(expected)[..., 0])
    assert ticks(figure) == (["query", "1", "2", "3"], ["a", "b"])
    frames = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    colours = [to_hex(frame.get_edgecolor()).upper() for frame in frames]
    assert colours.count(BLUE) == 2
    assert colours.count(VERMILLION) == 1
    (wrong,) = [frame for frame, colour in zip(frames, colours, strict=True) if colour == VERMILLION]
    assert (wrong.get_x(), wrong.get_y(), wrong.get_width()) == (2 * 9 - 0.5, -0.5, 8)
    assert len(figure.axes[0].get_lines()) == 1  # the stroke, for those who tell no colours apart


def test_labels_of_results_are_no_formulas(small: Dataset):
    x = small.train.x
    figure = retrieval_strips(x[:2], x[[[2], [3]]], np.array(["$\\frac$", "$_$"]), np.array([["a"], ["b"]]))
    assert len(pictures(figure)) == 1
    assert ticks(figure)[1] == ["$\\frac$", "$_$"]


def test_results_without_labels_have_no_marks(small: Dataset):
    x = small.train.x
    figure = retrieval_strips(x[:9], np.stack([x[:12]] * 9), count=4)
    assert ticks(figure)[1] == ["query 0", "query 1", "query 2", "query 3"]
    assert ticks(figure)[0][-1] == "10"
    assert not figure.axes[0].get_lines()


def test_results_of_a_table_are_strips_with_marked_ranks(tabular: Dataset):
    x = tabular.train.x
    figure = retrieval_strips(x[:2], x[[[2, 3], [4, 5]]], np.array([0, 1]), np.array([[0, 1], [1, 1]]))
    assert titles(figure) == ["label 0", "label 1"]
    np.testing.assert_allclose(pictures(figure)[0], x[[0, 2, 3]])
    assert ticks(figure)[1] == ["query", "1", "✗ 2"]
    colours = [to_hex(label.get_color()).upper() for label in figure.axes[0].get_yticklabels()]
    assert [colour == VERMILLION for colour in colours] == [False, False, True]


def test_the_most_abnormal_and_the_most_normal_have_scores_and_contributions(small: Dataset):
    x, scores = small.test.x, np.arange(20.0)[::-1]
    explanation = np.linspace(-1, 1, 64).reshape(1, 8, 8) * scores[:, None, None]
    figure = anomaly_strip(x, scores, explanation, count=3)
    assert titles(figure) == [
        "most abnormal",
        "most abnormal: contributions",
        "most normal",
        "most normal: contributions",
    ]
    shown = pictures(figure)
    for picture, part in zip(shown, (x[:3], explanation[:3], x[[19, 18, 17]], explanation[[19, 18, 17]]), strict=True):
        np.testing.assert_allclose(picture, mosaic([part])[..., 0])
    assert ticks(figure, 0)[0] == ["19", "18", "17"]
    assert ticks(figure, 2)[0] == ["0", "1", "2"]
    low, high = figure.axes[1].images[0].get_clim()
    assert low == -high == -19.0


def test_without_an_explanation_there_are_examples_alone(small: Dataset):
    assert titles(anomaly_strip(small.test.x, np.arange(20.0))) == ["most abnormal", "most normal"]


def test_contributions_of_colours_are_summed_over_channels(colour: Dataset):
    x = colour.train.x[:6].astype(float)
    shown = pictures(anomaly_strip(x, np.arange(6.0), x, count=1))
    assert shown[0].shape == (6, 5, 3)
    np.testing.assert_allclose(shown[1], x[5].sum(axis=-1))


def test_abnormal_rows_of_a_table_stand_beside_their_contributions(tabular: Dataset):
    x = tabular.train.x[:6]
    figure = anomaly_strip(x, np.arange(6.0), x**2, count=2)
    np.testing.assert_allclose(pictures(figure)[0], x[[5, 4]])
    np.testing.assert_allclose(pictures(figure)[1], x[[5, 4]] ** 2)
    assert ticks(figure)[1] == ["5", "4"]


def test_traversals_decode_one_unit_at_a_time(run: Run, small: Dataset):
    codes = run.encode(small.test.x).astype(float)
    mean, spread = codes.mean(axis=0), codes.std(axis=0)
    order = np.argsort(-spread)
    figure = latent_traversals(run, small.test.x, units=2, steps=3)
    walked = np.tile(mean, (2, 3, 1))
    for row, unit in enumerate(order[:2]):
        walked[row, :, unit] += np.array([-2.0, 0.0, 2.0]) * spread[unit]
    made = run.decode(walked.reshape(6, 3).astype(np.float32)).reshape(2, 3, 8, 8)
    np.testing.assert_allclose(pictures(figure)[0], mosaic(list(made))[..., 0], rtol=1e-4, atol=1e-4)
    assert ticks(figure)[0] == ["-2", "0", "+2"]
    assert ticks(figure)[1] == [f"unit {unit} (sd {spread[unit]:.2g})" for unit in order[:2]]


def test_traversals_of_a_table_are_strips(tabular_run: Run, tabular: Dataset):
    figure = latent_traversals(tabular_run, tabular.test.x)
    assert [picture.shape for picture in pictures(figure)] == [(9, 7)]
    assert ticks(figure)[1] == ["-2 sd", "mean", "+2 sd"]
