"""The critical-difference diagram shows the ranks, the distance and what it joins."""

import numpy as np
import pytest

from ae_jax.report import critical_difference
from ae_jax.report.canvas import BLUE, GREY, INK, to_png
from ae_jax.studies import Ranking

RANKS = {"best": 1.25, "good": 1.75, "$fair$": 3.5, "poor": 4.0, "worst": 4.5}


def ranking(**changes):
    given = Ranking(
        ranks=RANKS,
        questions=12,
        statistic=30.0,
        p_value=1e-6,
        critical_difference=1.76,
        level=0.05,
        groups=(("best", "good"), ("$fair$", "poor", "worst")),
    )
    return given._replace(**changes)


def drawn(ranked):
    figure = critical_difference(ranked, title="all of them")
    assert to_png(figure).startswith(b"\x89PNG\r\n\x1a\n")
    return figure


def lines(ax, colour):
    return [line for line in ax.lines if line.get_color() == colour]


def test_every_name_stands_with_its_rank_on_the_line():
    (ax,) = drawn(ranking()).axes
    assert {text.get_text().strip() for text in ax.texts} >= {
        "best 1.25",
        "good 1.75",
        "3.50 $fair$",
        "4.00 poor",
        "4.50 worst",
    }
    dots = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(sorted(dots), sorted(RANKS.values()))
    assert ax.get_xlim() == (5, 1)


def test_leads_go_from_the_line_to_the_names_without_crossing():
    (ax,) = drawn(ranking()).axes
    leads = {line.get_xdata()[0]: (line.get_xdata()[-1], line.get_ydata()[-1]) for line in lines(ax, GREY)}
    assert sorted(leads) == sorted(RANKS.values())
    right = [leads[rank] for rank in (1.25, 1.75)]
    left = [leads[rank] for rank in (4.5, 4.0, 3.5)]
    assert {end for end, _ in right} == {1}
    assert {end for end, _ in left} == {5}
    for side in (right, left):  # the outermost lead is the highest
        depths = [depth for _, depth in side]
        assert depths == sorted(depths, reverse=True)
        assert len(set(depths)) == len(depths)


def test_a_bar_joins_each_group_and_no_two_are_on_one_level():
    (ax,) = drawn(ranking()).axes
    bars = lines(ax, BLUE)
    assert [sorted(bar.get_xdata()) for bar in bars] == [
        pytest.approx([1.25, 1.75], abs=0.05),
        pytest.approx([3.5, 4.5], abs=0.05),
    ]
    assert len({bar.get_ydata()[0] for bar in bars}) == 2
    lowest = min(bar.get_ydata()[0] for bar in bars)
    assert lowest > max(min(lead.get_ydata()) for lead in lines(ax, GREY))


def test_without_a_group_there_is_no_bar():
    (ax,) = drawn(ranking(groups=())).axes
    assert not lines(ax, BLUE)


def test_the_critical_difference_is_drawn_to_scale_and_named():
    (ax,) = drawn(ranking()).axes
    spans = [
        np.ptp(line.get_xdata()) for line in lines(ax, INK) if line.get_marker() == "None" and line.get_ydata()[0] > 0
    ]
    assert max(spans) == pytest.approx(1.76)
    assert "critical difference 1.76, level 0.05" in [text.get_text() for text in ax.texts]
    wide = drawn(ranking(critical_difference=9.0)).axes[0]
    ends = [line.get_xdata() for line in lines(wide, INK)]
    assert max(np.max(end) for end in ends) <= 5


def test_what_was_ranked_is_said_and_whether_anything_differs():
    figure = drawn(ranking())
    assert figure.axes[0].get_title(loc="left") == "all of them"
    assert figure.get_supxlabel() == "average rank over 12 questions, 1 is best; Friedman's test p < 0.001"
    said = drawn(ranking(p_value=0.25)).get_supxlabel()
    assert said.endswith("p = 0.250: none is shown to differ")
