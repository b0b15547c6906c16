"""Figures of numbers show the numbers that they are given."""

import dataclasses

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from sklearn import metrics

from ae_jax import InvalidInput, Run
from ae_jax.data import Dataset
from ae_jax.evaluation import METRICS
from ae_jax.report import (
    Panel,
    code_map,
    comparison_summary,
    denoising_gains,
    draw_examples,
    example_grid,
    loss_curves,
    roc_and_pr,
    study_summary,
    to_png,
)
from ae_jax.report.axes import BLUE, GREY, new_axes, select_member
from ae_jax.report.charts import project
from ae_jax.studies import Comparison, Interval


def drawn(figure: Figure | None) -> Figure:
    """The figure, once it was drawn: some errors show only then."""
    assert figure is not None
    assert to_png(figure).startswith(b"\x89PNG\r\n\x1a\n")
    return figure


def titles(figure: Figure) -> list[str]:
    return [ax.get_title(loc="left") for ax in figure.axes]


def test_loss_curves_are_means_with_bands_over_members(population: Run):
    population = population[[0, 1]]
    figure = drawn(loss_curves(population))
    assert titles(figure) == ["loss", "bernoulli nll", "kl"]
    for ax, term in zip(figure.axes, ("loss", "bernoulli_nll", "kl"), strict=True):
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "nats")
        for line, split in zip(ax.lines, ("train", "validation"), strict=True):
            np.testing.assert_allclose(line.get_ydata(), population.history[split][term].mean(axis=0), rtol=1e-6)
            np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3])
    corners = np.asarray(figure.axes[0].collections[0].get_paths()[0].vertices)
    at_two = corners[np.isclose(corners[:, 0], 2.0), 1]
    losses = population.history["train"]["loss"][:, 1]
    assert (at_two.min(), at_two.max()) == pytest.approx((losses.min(), losses.max()))


def test_loss_curves_have_a_band_for_each_setting(population: Run):
    ax = new_axes(2, columns=2, width=3.0, height=3.0)[1][1]
    figure = drawn(loss_curves(population, ax=ax, title="two rates"))
    assert figure is ax.figure
    assert (ax.get_title(loc="left"), len(ax.lines), len(ax.collections)) == ("two rates", 4, 4)
    labels = [
        f"learning_rate={rate}, {split}, mean of 2" for split in ("train", "validation") for rate in (0.001, 0.01)
    ]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == labels
    losses = population.history["validation"]["loss"]
    np.testing.assert_allclose(ax.lines[3].get_ydata(), losses[2:].mean(axis=0), rtol=1e-6)


def test_figures_are_drawn_on_given_axes(run: Run, small: Dataset):
    ax = new_axes(1, columns=1, width=3.0, height=3.0)[1][0]
    assert code_map(run, small.test.x, ax=ax, title="mine") is ax.figure
    assert ax.get_title(loc="left") == "mine"
    assert example_grid(small.test.x, ax=ax, title="digits") is ax.figure
    assert (ax.get_title(loc="left"), len(ax.images)) == ("digits", 1)
    assert loss_curves(run, title="all").axes[0].get_title(loc="left") == "all"
    curves = {"a": (np.array([0.1, 0.9]), np.array([False, True]))}
    assert roc_and_pr(curves, title="both").get_suptitle() == "both"
    with pytest.raises(InvalidInput, match="a figure of 2 panels was given ax: expected none"):
        draw_examples([Panel([small.test.x]), Panel([small.test.x])], ax=ax)


def test_loss_curves_of_one_term_are_one_panel_of_finite_values_without_a_band(run: Run):
    figure = drawn(loss_curves(run))
    assert titles(figure) == ["loss = squared error"]
    assert not figure.axes[0].collections
    assert loss_curves(dataclasses.replace(run, history={})) is None
    values = np.array([[4.0, 2.0, np.nan, np.nan], [2.0, np.inf, 1.0, np.nan]])
    ax = drawn(loss_curves(dataclasses.replace(run, history={"train": {"loss": values}}))).axes[0]
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), [[1, 3.0], [2, 2.0], [3, 1.0]])
    histories = [{"train": {"loss": np.array([values])}} for values in ([90.0, 1.0], [90.0, -1.0], [9.0, 8.0])]
    scales = [loss_curves(dataclasses.replace(run, history=history)).axes[0].get_yscale() for history in histories]
    assert scales == ["log", "linear", "linear"]


def test_the_first_epochs_do_not_flatten_the_axis_and_are_marked(run: Run):
    epochs = np.arange(60)

    def axis(values):
        return drawn(loss_curves(dataclasses.replace(run, history={"train": {"loss": values[None]}}))).axes[0]

    steep = axis(-90 + 200 * np.exp(-1.5 * epochs) - 0.1 * epochs)
    assert steep.get_xlabel() == "epoch (\u2191 epochs 1 to 3: up to 110)"
    assert -97 < steep.get_ylim()[0] < steep.get_ylim()[1] < -80
    logarithmic = axis(10.0 ** -np.minimum(epochs / 20, 2) + 1e9 * (epochs == 0))
    assert logarithmic.get_yscale() == "log"
    assert 1 < logarithmic.get_ylim()[1] < 10
    gentle = axis(100.0 - epochs)
    assert gentle.get_xlabel() == "epoch"
    assert gentle.get_ylim()[1] > 100


def test_panels_fill_their_rows():
    for count in range(1, 14):
        figure, axes = new_axes(count, columns=4, width=2.0, height=1.0)
        figure.draw_without_rendering()
        grid = axes[0].get_subplotspec().get_gridspec()
        cells = [ax.get_subplotspec() for ax in axes]
        covered = sum((spec.colspan.stop - spec.colspan.start) for spec in cells)
        assert covered == grid.nrows * grid.ncols
        assert (figure.get_figwidth() / 2, figure.get_figheight()) == (-(-count // grid.nrows), -(-count // 4))


def test_intervals_and_axes_stay_within_what_is_possible():
    answers = {"knn_accuracy": Interval(0.99, 0.05, 3), "mse": Interval(0.01, 0.05, 3), "kl": Interval(0.1, 0.3, 3)}
    figure = drawn(comparison_summary({"a": answers, "b": answers}))
    for ax in figure.axes:
        reach = [end for container in ax.containers for end in container.lines[2][0].get_segments()[0][:, 0]]
        limits = next(of for of in METRICS.values() if of.label in ax.get_title(loc="left")).limits
        assert limits[0] <= min(reach) < max(reach) <= limits[1]
        assert limits[0] <= ax.get_xlim()[0] < ax.get_xlim()[1] <= limits[1]


def test_code_map_tells_every_label_apart(run: Run, small: Dataset):
    ax = drawn(code_map(run, small.test.x, small.test.labels)).axes[0]
    classes, counts = np.unique(small.test.labels, return_counts=True)
    assert [len(collection.get_offsets()) for collection in ax.collections] == list(counts)
    styles = {(to_hex(c.get_facecolor()[0]), c.get_paths()[0].vertices.tobytes()) for c in ax.collections}
    assert len(styles) == len(classes)
    names = np.array(["$", "$\\frac$", "_hidden", "plain"])  # shown literally
    legend = drawn(code_map(run, small.test.x, names[np.arange(20) % 4])).axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == sorted(names)
    labels = np.linspace(0, 1, len(small.train.x))
    figure = code_map(run, small.train.x, labels)
    np.testing.assert_allclose(figure.axes[0].collections[0].get_array(), labels)
    assert figure.axes[1].get_ylabel() == "label"


def test_projection_of_one_two_and_more_units():
    codes = np.random.default_rng(0).normal(size=(50, 4)) * [5.0, 2.0, 1.0, 0.1]
    places, names = project(codes)
    values = np.linalg.eigvalsh(np.cov(codes.T))[::-1]
    np.testing.assert_allclose(places.var(axis=0, ddof=1), values[:2])
    assert f"{values[0] / values.sum():.0%}" in names[0]
    np.testing.assert_array_equal(project(codes[:, :2])[0], codes[:, :2])
    np.testing.assert_array_equal(project(codes[:, :1])[0][:, 0], codes[:, 0])
    assert np.isfinite(project(np.ones((1, 3)))[0]).all()


def test_comparison_summary_shows_every_mean_and_interval(comparison: Comparison):
    summary, _, _ = study_summary(comparison)
    figure = drawn(comparison_summary(summary))
    labels = [METRICS[metric].label for metric in METRICS if metric in summary["pca"]]
    assert [title.split(" ↓")[0].split(" ↑")[0] for title in titles(figure)] == labels
    ax = figure.axes[labels.index("MSE")]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == list(summary)
    drawn_groups = [group for group, answers in summary.items() if "mse" in answers]  # raw data have accuracies alone
    means = [container.lines[0].get_xdata()[0] for container in ax.containers]
    assert means == pytest.approx([summary[group]["mse"].mean for group in drawn_groups])
    colours = [container.lines[0].get_color() for container in ax.containers]
    assert colours == [GREY if group.startswith("pca") else BLUE for group in drawn_groups]
    low, high = ax.containers[-1].lines[2][0].get_segments()[0][:, 0]
    answer = summary[drawn_groups[-1]]["mse"]
    assert answer.half_width is not None
    expected = max(answer.mean - answer.half_width, 0.0), answer.mean + answer.half_width  # an error is not below zero
    assert (low, high) == pytest.approx(expected)
    assert comparison_summary({"a": {"mse": Interval(1.0, None, 1)}}) is None


def test_roc_and_pr_have_areas_and_chance():
    scores = {"good": np.array([0.1, 0.4, 0.35, 0.8]), "worse_one": np.array([0.9, 0.4, 0.35, 0.8])}
    abnormal = np.array([0, 0, 1, 1])
    figure = drawn(roc_and_pr({name: (values, abnormal) for name, values in scores.items()}))
    roc, pr = figure.axes
    assert [text.get_text() for text in roc.get_legend().get_texts()] == ["0.750  good", "0.250  worse one"]
    precision = metrics.average_precision_score(abnormal, scores["good"])
    assert pr.get_legend().get_texts()[0].get_text() == f"{precision:.3f}  good"
    np.testing.assert_array_equal(roc.get_lines()[1].get_xdata(), metrics.roc_curve(abnormal, scores["good"])[0])
    assert set(pr.get_lines()[-1].get_ydata()) == {0.5}
    with pytest.raises(InvalidInput, match="all 2 examples are normal"):
        roc_and_pr({"one": (np.array([0.1, 0.2]), np.array([0, 0]))})


def test_denoising_gains_are_means_over_finite_members_by_family_and_level():
    row = {"autoencoder": "a", "corruption": "masking", "metric": "psnr_gain", "level": 0.1}
    rows = [row | {"value": 3.0, "finite": False}, row | {"value": 1.0}, row | {"value": 2.0}]
    rows += [row | {"autoencoder": "b", "level": 0.3, "value": 5.0}, row | {"corruption": "gaussian", "value": 0.5}]
    figure = drawn(denoising_gains(rows))
    assert titles(figure) == ["masking", "gaussian"]
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["a", "b"]
    first, second = figure.axes[0].containers
    np.testing.assert_array_equal(first.lines[0].get_ydata(), [1.5])
    np.testing.assert_array_equal(second.lines[0].get_xydata(), [[0.3, 5.0]])


def test_figures_show_the_first_finite_member(population: Run):
    partly = dataclasses.replace(population, finite=np.array([False, True, True, True]))
    assert select_member(partly).seeds.tolist() == [6]
    assert select_member(dataclasses.replace(population, finite=np.zeros(4, bool))).seeds.tolist() == [5]


def test_figures_leave_the_global_state_alone(run: Run):
    import matplotlib
    from matplotlib import _pylab_helpers

    before, opened = dict(matplotlib.rcParams), set(_pylab_helpers.Gcf.figs)
    drawn(loss_curves(run))
    assert dict(matplotlib.rcParams) == before
    assert set(_pylab_helpers.Gcf.figs) == opened
