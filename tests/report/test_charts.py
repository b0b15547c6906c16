"""Figures of numbers show the numbers."""

import dataclasses

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

import ae_jax
from ae_jax import Run
from ae_jax.data import Dataset
from ae_jax.evaluation import METRICS
from ae_jax.report import code_map, comparison_summary, loss_curves, sweep_summary
from ae_jax.report.canvas import BLUE, GREY, shown_member, shown_places, to_png
from ae_jax.report.charts import plane
from ae_jax.studies import Comparison, Interval, Sweep, interval, summarise


def drawn(figure: Figure | None) -> Figure:
    """The figure, after it was drawn: what breaks only then breaks here."""
    assert figure is not None
    assert to_png(figure).startswith(b"\x89PNG\r\n\x1a\n")
    return figure


def titles(figure: Figure) -> list[str]:
    return [ax.get_title(loc="left") for ax in figure.axes]


def test_loss_curves_are_the_means_of_the_history(population: Run):
    figure = drawn(loss_curves(population))
    assert titles(figure) == ["loss", "bernoulli nll", "kl"]
    for ax, term in zip(figure.axes, ("loss", "bernoulli_nll", "kl"), strict=True):
        assert ax.get_ylabel() == "nats"
        assert ax.get_xlabel() == "epoch"
        for line, split in zip(ax.lines, ("train", "validation"), strict=True):
            np.testing.assert_allclose(line.get_ydata(), population.history[split][term].mean(axis=0), rtol=1e-6)
            np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3])


def test_loss_curves_have_a_band_from_the_lowest_to_the_highest_member(population: Run):
    ax = drawn(loss_curves(population)).axes[0]
    corners = ax.collections[0].get_paths()[0].vertices
    losses = population.history["train"]["loss"]
    at_two = np.asarray(corners)[np.isclose(np.asarray(corners)[:, 0], 2.0), 1]
    assert at_two.min() == pytest.approx(losses[:, 1].min())
    assert at_two.max() == pytest.approx(losses[:, 1].max())


def test_loss_curves_of_one_term_are_one_panel_without_a_band(run: Run):
    figure = drawn(loss_curves(run))
    assert titles(figure) == ["loss = squared error"]
    assert figure.axes[0].get_ylabel() == "squared model units"
    assert not figure.axes[0].collections


def test_loss_curves_leave_out_members_that_stopped_and_values_that_are_not_finite(run: Run):
    values = np.array([[4.0, 2.0, np.nan, np.nan], [2.0, np.inf, 1.0, np.nan]])
    ax = drawn(loss_curves(dataclasses.replace(run, history={"train": {"loss": values}}))).axes[0]
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), [1, 2, 3])
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [3.0, 2.0, 1.0])


def test_loss_curves_of_no_epoch_are_none(run: Run):
    assert loss_curves(dataclasses.replace(run, history={})) is None


def test_loss_curves_stay_linear_where_a_term_is_not_positive(run: Run):
    histories = [{"train": {"loss": np.array([values])}} for values in ([90.0, 1.0], [90.0, -1.0], [9.0, 8.0])]
    figures = [drawn(loss_curves(dataclasses.replace(run, history=history))) for history in histories]
    assert [figure.axes[0].get_yscale() for figure in figures] == ["log", "linear", "linear"]


def test_code_map_places_two_dimensional_codes_as_they_are(small: Dataset):
    run = ae_jax.fit(ae_jax.undercomplete(code=2, hidden=()), small, epochs=1, batch_size=16)
    ax = drawn(code_map(run, small.test.x)).axes[0]
    np.testing.assert_allclose(ax.collections[0].get_offsets(), run.encode(small.test.x), rtol=1e-5)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("code unit 1", "code unit 2")


def test_code_map_colours_every_label_and_names_it(run: Run, small: Dataset):
    ax = drawn(code_map(run, small.test.x, small.test.labels)).axes[0]
    classes = [str(label) for label in np.unique(small.test.labels)]
    assert [collection.get_label() for collection in ax.collections] == classes
    assert [len(collection.get_offsets()) for collection in ax.collections] == list(
        np.unique(small.test.labels, return_counts=True)[1]
    )
    assert [text.get_text() for text in ax.texts] == classes
    styles = {(to_hex(c.get_facecolor()[0]), c.get_paths()[0].vertices.tobytes()) for c in ax.collections}
    assert len(styles) == len(classes)


def test_code_map_shows_labels_as_they_are(run: Run, small: Dataset):
    names = np.array(["$", "$\\frac$", "_hidden", "plain"])
    figure = drawn(code_map(run, small.test.x, names[np.arange(20) % 4]))
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == sorted(names)


def test_code_map_of_many_numbers_is_a_colour_scale(run: Run, small: Dataset):
    labels = np.linspace(0, 1, len(small.train.x))
    figure = drawn(code_map(run, small.train.x, labels))
    np.testing.assert_allclose(figure.axes[0].collections[0].get_array(), labels)
    assert figure.axes[1].get_ylabel() == "label"


def test_code_map_of_one_unit(tabular_run: Run, tabular: Dataset):
    ax = drawn(code_map(tabular_run, tabular.test.x)).axes[0]
    np.testing.assert_allclose(
        np.asarray(ax.collections[0].get_offsets())[:, 0], tabular_run.encode(tabular.test.x)[:, 0], rtol=1e-5
    )


def test_plane_is_that_of_principal_components():
    codes = np.random.default_rng(0).normal(size=(50, 4)) * [5.0, 2.0, 1.0, 0.1]
    places, names = plane(codes)
    values = np.linalg.eigvalsh(np.cov(codes.T))[::-1]
    np.testing.assert_allclose(places.var(axis=0, ddof=1), values[:2])
    assert f"{values[0] / values.sum():.0%}" in names[0]


def test_plane_of_a_single_code_is_finite():
    assert np.isfinite(plane(np.ones((1, 3)))[0]).all()


def test_comparison_summary_shows_every_mean_and_interval(comparison: Comparison):
    summary = summarise(comparison.rows)
    figure = drawn(comparison_summary(summary))
    assert [title.split(" ↓")[0].split(" ↑")[0] for title in titles(figure)] == [
        METRICS[metric].label for metric in METRICS if metric in summary["pca"]
    ]
    ax = figure.axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == list(summary)
    for container, answers in zip(ax.containers, summary.values(), strict=True):
        assert container.lines[0].get_xdata() == pytest.approx([answers["mse"].mean])
    low, high = ax.containers[1].lines[2][0].get_segments()[0][:, 0]
    answer = summary["undercomplete"]["mse"]
    assert (low, high) == pytest.approx((answer.mean - answer.half_width, answer.mean + answer.half_width))


def test_comparison_summary_sets_the_baseline_apart(summary: dict[str, dict[str, Interval]]):
    ax = drawn(comparison_summary(summary)).axes[0]
    colours = [container.lines[0].get_color() for container in ax.containers]
    assert colours == [BLUE, BLUE, GREY]
    assert next(line for line in ax.lines if line.get_linestyle() == ":").get_xdata()[0] == 0.0115


def test_comparison_summary_of_one_group_is_none():
    assert comparison_summary({"a": {"mse": Interval(1.0, None, 1)}}) is None


def test_sweep_summary_has_a_line_for_each_other_setting(swept: Sweep):
    figure = drawn(sweep_summary(swept.rows, ["weight", "code"]))
    ax = figure.axes[0]
    assert ax.get_xlabel() == "weight"
    assert ax.get_xscale() == "log"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["code=2", "code=3"]
    values = [
        interval([row["value"] for row in swept.rows if row["metric"] == "mse" and (row["weight"], row["code"]) == at])
        for at in ((0.01, 2), (0.1, 2), (1.0, 2))
    ]
    np.testing.assert_allclose(
        np.asarray(ax.containers[0].lines[0].get_ydata(), float), [answer.mean for answer in values]
    )


def test_sweep_summary_needs_three_numbers(swept: Sweep):
    assert sweep_summary(swept.rows, ["code"]) is None


def test_shown_member_is_the_first_that_stayed_finite(population: Run):
    partly = dataclasses.replace(population, finite=np.array([False, True, True, True]))
    assert shown_member(partly).seeds.tolist() == [6]
    nowhere = dataclasses.replace(population, finite=np.zeros(4, bool))
    assert shown_member(nowhere).seeds.tolist() == [5]


def test_shown_places_are_of_every_class(small: Dataset):
    labels = small.train.labels
    assert labels is not None
    assert labels[shown_places(labels, len(labels), 10)].tolist() == list(range(10))
    assert shown_places(None, 3, 10) == [0, 1, 2]


def test_figures_leave_the_global_state_alone(run: Run):
    import matplotlib
    from matplotlib import _pylab_helpers

    before = dict(matplotlib.rcParams)
    drawn(loss_curves(run))
    assert dict(matplotlib.rcParams) == before
    assert not _pylab_helpers.Gcf.figs
