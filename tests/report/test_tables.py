"""The same numbers on a console of any width, in Markdown and in sentences."""

import dataclasses
from io import StringIO
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from ae_jax.evaluation import METRICS, TaskResult
from ae_jax.report import results_table, study_summary, task_tables, verdict
from ae_jax.report.tables import Cell, explanations
from ae_jax.studies import Comparison, Difference, Interval

Summary = dict[str, dict[str, Interval]]
BOTH = ("training", "test examples")


@pytest.fixture
def summary() -> Summary:
    """PCA last, so that the table must move it; b is best in MSE, a in accuracy."""
    accuracy = Interval(0.9, 0.02, 5, BOTH)
    return {
        "a": {"mse": Interval(0.02, 0.001, 5, BOTH), "knn_accuracy": accuracy, "kl": Interval(3.0, 0.5, 5, BOTH[:1])},
        "b": {"mse": Interval(0.01, 0.002, 5, BOTH), "knn_accuracy": Interval(0.85, 0.01, 5, BOTH)},
        "broken": {"mse": Interval(float("nan"), None, 0)},
        "pca": {"mse": Interval(0.0115, None, 1), "knn_accuracy": Interval(0.6, None, 1)},
    }


@pytest.fixture
def differences() -> list[Difference]:
    """The tests: b is better than a in MSE and not than PCA, a than all in accuracy, PCA's being worst."""

    def of(metric: str, first: str, second: str, p: float) -> Difference:
        return Difference({"metric": metric}, first, second, Interval(1.0, 0.5, 5, BOTH), p / 6, p, first)

    errors = [of("mse", "b", "a", 0.01), of("mse", "b", "pca", 0.4), of("mse", "pca", "a", 0.3)]
    return [*errors, *(of("knn_accuracy", *pair, 0.01) for pair in (("a", "b"), ("a", "pca"), ("b", "pca")))]


def printed(renderable: Any, width: int) -> list[str]:
    console = Console(file=StringIO(), width=width, color_system=None)
    console.print(renderable)
    return console.file.getvalue().splitlines()  # pyright: ignore[reportAttributeAccessIssue]


def test_the_baseline_is_first_and_those_not_shown_to_be_worse_are_marked(
    summary: Summary, differences: list[Difference]
):
    table = results_table(summary, differences, explained=False)
    for lines in (printed(table, 120), table.to_markdown().splitlines()):
        assert [line.strip("| ").split()[0] for line in lines[2:6]] == ["pca", "a", "b", "broken"]
    assert [str(cell) for cell in table.rows["broken"]] == ["—", "—", "—"]
    constant = results_table({"a": {"parameters": Interval(41552.0, 0.0, 5)}})
    assert str(constant.rows["a"][0]) == "41,552"  # a count that never varies has no interval
    assert printed(results_table({}), 80) == ["There are no results to show."]
    assert {line.split()[0]: line.count("*") for line in printed(table, 120) if "*" in line} == {
        "pca": 1,
        "a": 1,
        "b": 1,
    }
    assert "**0.01000 ± 0.00200**" in table.to_markdown()
    assert "| 3.00 ± 0.50 |" in table.to_markdown()


def test_console_table_fits_its_width_and_shows_every_number(comparison: Comparison):
    summary, _, _ = study_summary(comparison)
    tables = []
    for width in (60, 120, 250):
        lines = printed(results_table(summary), width)
        assert max(map(len, lines)) <= width
        text = "\n".join(lines)
        for answers in summary.values():
            for metric, answer in answers.items():
                assert f"{answer.mean:{METRICS[metric].format}}" in text
        tables.append(sum(line.startswith("autoencoder") for line in lines))
    assert tables[0] > tables[1] > tables[2] == 1


def test_means_of_a_column_align(summary: Summary):
    lines = printed(results_table(summary, explained=False), 120)
    assert lines[3].index("0.02000") == lines[4].index("0.01000") == lines[2].index("0.01150")


def test_explanations_have_units_and_directions(summary: Summary):
    table = results_table(summary)
    label, meaning = explanations(table)[0]
    assert label == "MSE ↓"
    assert meaning.endswith("(squared model units, lower is better)")
    assert meaning in table.to_markdown()
    assert "nats" in "\n".join(printed(table, 200))


def test_chosen_columns_and_digits_of_unknown_metrics():
    table = results_table(
        {"a": {"x": Interval(1.0, None, 1), "y": Interval(2.0, 0.5, 3)}},
        columns={"y": "why", "x": "ex"},
        digits={"x": 1},
        explained=False,
    )
    assert [column.label for column in table.columns] == ["why", "ex"]
    assert list(map(str, table.rows["a"])) == ["2.00 ± 0.50", "1.0"]


def test_names_are_never_markup(hostile: str):
    table = results_table({f"[red]x|y\n{hostile}": {"mse": Interval(0.5, None, 1)}}, explained=False)
    assert "[red]x" in "\n".join(printed(table, 200))
    assert table.to_markdown().splitlines()[2].startswith("| [red]x\\|y <script>")


def test_a_table_says_what_its_intervals_contain_and_what_is_bold(summary: Summary, differences: list[Difference]):
    note = results_table(summary, differences).footnote("bold")
    assert "interval, which contains training and test examples (KL: training alone); bold: not shown to be" in note
    assert "bold" not in results_table(summary).footnote("bold")
    alone = {"a": {"mse": Interval(0.02, 0.001, 1, ("test examples",))}}
    assert results_table(alone).footnote("bold").endswith("which contains test examples alone")


def test_tables_of_a_task_are_tested_where_each_seed_has_its_own_split():
    rows = [
        {"autoencoder": name, "seed": seed, "member": seed, "metric": "psnr", "value": value, "split": "test"}
        for name, values in (("a", (10.0, 10.2, 10.1)), ("b", (20.0, 20.1, 20.3)), ("c", (20.2, 20.0, 20.4)))
        for seed, value in enumerate(values)
    ]
    result = TaskResult("reconstruction", rows)
    (shared,), (own,) = task_tables(result), task_tables(result, resampled=0.3)
    assert "contains training alone" in shared.footnote("bold")
    assert "contains training, splits and test examples; bold:" in own.footnote("bold")
    assert {name: cells[0].undefeated for name, cells in own.rows.items()} == {"a": False, "b": True, "c": True}
    assert {cells[0].undefeated for cells in shared.rows.values()} == {None}


def test_tables_of_a_task_are_tested_over_the_examples_of_a_shared_split():
    rng = np.random.default_rng(0)
    errors = {"pca": 2.0, "a": 1.0, "b": 1.0}
    rows = [
        {"autoencoder": name, "seed": seed, "member": seed, "metric": "mse", "split": "test"}
        | {"value": mean + rng.normal(size=200) * 0.1}
        for name, mean in errors.items()
        for seed in ((None,) if name == "pca" else (0, 1, 2))
    ]
    rows.append({"autoencoder": "a", "seed": 0, "member": 0, "metric": "psnr", "value": 20.0, "split": "test"})
    (table,) = task_tables(TaskResult.of("reconstruction", rows))
    assert {name: cells[0].undefeated for name, cells in table.rows.items()} == {"pca": False, "a": True, "b": True}
    assert {cells[1].undefeated for cells in table.rows.values()} == {None}


def test_intervals_are_cut_to_the_possible_values():
    answers = {"mse": Interval(0.01, 0.02, 3, BOTH), "knn_accuracy": Interval(0.95, 0.1, 3, BOTH)}
    assert list(map(str, results_table({"a": answers}).rows["a"])) == [
        "0.01000 [0.00000, 0.03000]",
        "0.950 [0.850, 1.000]",
    ]


def test_verdict_names_winners_and_those_that_may_be_the_best(summary: Summary, differences: list[Difference]):
    assert "Nothing can be compared" in verdict(summary, [])
    one = {name: {"mse": answers["mse"]._replace(count=1)} for name, answers in summary.items()}
    assert "Only one seed" in verdict(one, differences[:3])
    expected = (
        "a is shown to have the highest kNN (0.900 ± 0.020). Not shown to be worse than the best: b and pca in MSE."
    )
    assert verdict(summary, differences) == expected
    by_seeds = [one._replace(difference=one.difference._replace(over=("training",))) for one in differences]
    assert "Nothing can be compared" in verdict(summary, by_seeds)
    sizes = {
        name: answers | {"code_units": Interval(units, 0.0, 5)}
        for (name, answers), units in zip(summary.items(), (16, 128, 16, 16), strict=True)
    }
    assert "the highest kNN of codes of 16 units (0.900" in verdict(sizes, differences)


def test_a_table_is_a_frame_and_latex():
    summary = {
        "a_b": {"mse": Interval(0.5, 0.01, 5), "kl": Interval(3.0, None, 1)},
        "c": {"mse": Interval(0.25, None, 1)},
    }
    table = results_table(summary, digits=2)
    assert table.to_frame().loc["a_b"].tolist() == ["0.50 ± 0.01", "3.00"]
    lines = table.to_latex().splitlines()
    assert lines[0] == r"\begin{tabular}{lrr}"
    assert r"a\_b & 0.50 $\pm$ 0.01 & 3.00 \\" in lines
    assert r"c & 0.25 & --- \\" in lines
    undefeated = dataclasses.replace(table, rows={"c": (Cell("0.25", undefeated=True), Cell("—"))})
    assert r"c & \textbf{0.25} & --- \\" in undefeated.to_latex().splitlines()
