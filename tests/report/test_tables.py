"""The same numbers in a terminal of any width, in Markdown and in HTML."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from ae_jax.evaluation import METRICS
from ae_jax.report import console_table, html_table, legend, markdown_table, verdict
from ae_jax.report.verdict import level_with
from ae_jax.studies import Comparison, Interval, summarise

Summary = dict[str, dict[str, Interval]]


def printed(renderable: Any, width: int) -> list[str]:
    console = Console(file=StringIO(), width=width, color_system=None)
    console.print(renderable)
    return console.file.getvalue().splitlines()  # pyright: ignore[reportAttributeAccessIssue]


def test_the_baseline_is_the_first_row(summary: Summary):
    for lines in (printed(console_table(summary), 120), markdown_table(summary).splitlines()):
        names = [line.strip("| ").split()[0] for line in lines[2:6]]
        assert names == ["pca", "a", "b", "broken"]


def test_best_means_are_marked_and_only_they(summary: Summary):
    lines = printed(console_table(summary, explained=False), 120)
    starred = {line.split()[0]: line.count("*") for line in lines if "*" in line}
    assert starred == {"a": 1, "b": 1}
    assert "**0.01000 ± 0.00200**" in markdown_table(summary)
    assert markdown_table(summary, explained=False).count("**") == 4


def test_a_metric_of_one_group_has_no_best(summary: Summary):
    assert "**3.00" not in markdown_table(summary)
    assert "3.00 ± 0.50" in markdown_table(summary)


def test_what_is_missing_or_not_finite_is_a_dash(summary: Summary):
    row = next(line for line in markdown_table(summary).splitlines() if line.startswith("| broken"))
    assert [cell.strip() for cell in row.strip("|").split("|")] == ["broken", "—", "—", "—"]


def test_counts_that_do_not_vary_have_no_interval():
    text = markdown_table({"a": {"parameters": Interval(41552.0, 0.0, 5)}}, explained=False)
    assert "41,552 |" in text
    assert "±" not in text


@pytest.mark.parametrize("width", [60, 80, 120, 250])
def test_no_line_is_wider_than_the_terminal_and_no_number_is_broken(comparison: Comparison, width: int):
    summary = summarise(comparison.rows)
    del summary["pca"]["parameters"]
    lines = printed(console_table(summary), width)
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    for answers in summary.values():
        for metric, answer in answers.items():
            assert f"{answer.mean:{METRICS[metric].format}}" in text
            if answer.half_width and metric != "parameters":
                assert f"{answer.mean:{METRICS[metric].format}} ± {answer.half_width:{METRICS[metric].format}}" in text


def test_a_narrow_terminal_has_more_tables_than_a_wide_one(comparison: Comparison):
    table = console_table(summarise(comparison.rows))
    counts = [len(table.blocks(width)) for width in (60, 80, 120, 250)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1] == 1
    assert [column for block in table.blocks(80) for column in block] == list(range(len(table.cells.metrics)))


def test_means_of_a_column_stand_below_each_other(summary: Summary):
    lines = printed(console_table(summary, explained=False), 120)
    assert lines[3].index("0.02000") == lines[4].index("0.01000") == lines[2].index("0.01150")


def test_the_legend_has_the_unit_and_which_way_is_better(summary: Summary):
    [(label, meaning)] = legend(["mse"])
    assert label == "MSE ↓"
    assert meaning.endswith("(squared model units, lower is better)")
    assert meaning in markdown_table(summary)
    assert "nats" in "\n".join(printed(console_table(summary), 200))


def test_names_are_text_and_never_markup(hostile: str):
    name = f"[red]x|y\n{hostile}"
    summary = {name: {"mse": Interval(0.5, None, 1)}}
    assert "[red]x" in "\n".join(printed(console_table(summary), 200))
    [row] = markdown_table(summary, explained=False).splitlines()[2:]
    assert row.startswith("| [red]x\\|y <script>")
    assert "<script>" not in html_table(summary)


def test_html_has_the_rows_and_marks_the_best(summary: Summary, read: Callable[[str], Any]):
    page = read(html_table(summary))
    assert not page.unbalanced
    assert not page.open
    assert [attributes.get("class") for tag, attributes in page.tags if tag == "td"].count("best") == 2
    assert page.attributes("th", "scope").count("row") == 4
    assert "± 0.00200" in page.texts


def test_an_empty_summary_is_a_sentence():
    assert printed(console_table({}), 80) == ["There are no results to show."]


def test_the_verdict_names_winners_and_who_is_level_with_them(summary: Summary):
    assert verdict(summary) == (
        "b has the lowest MSE (0.01000 ± 0.00200, level with pca). a has the highest kNN (0.900 ± 0.020)."
    )


def test_the_verdict_says_where_nothing_can_be_compared():
    assert "nothing can be compared" in verdict({"a": {"mse": Interval(1.0, None, 1)}})


def test_the_verdict_says_where_one_seed_decided():
    one = {name: {"mse": Interval(value, None, 1)} for name, value in (("a", 1.0), ("b", 2.0))}
    assert verdict(one).endswith("One seed only: chance may have decided.")


def test_level_are_those_whose_intervals_overlap():
    summary = {
        "a": {"mse": Interval(1.0, 0.2, 5)},
        "b": {"mse": Interval(1.3, 0.2, 5)},
        "c": {"mse": Interval(1.5, 0.2, 5)},
        "d": {"mse": Interval(float("nan"), None, 0)},
    }
    assert level_with(summary, "a", "mse") == ["b"]
