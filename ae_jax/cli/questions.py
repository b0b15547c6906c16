"""What ``evaluate --tasks`` does: asks, writes what was found, prints it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ae_jax.cli.printing import print_json, print_places, print_rich
from ae_jax.cli.saving import writable
from ae_jax.cli.session import say
from ae_jax.errors import InvalidInput

if TYPE_CHECKING:
    from ae_jax.data import Dataset
    from ae_jax.evaluation import TaskResult
    from ae_jax.training import Run

ALL = "all"


def run_tasks_command(
    run: "Run",
    dataset: "Dataset",
    tasks: Sequence[str],
    *,
    source: Path,
    split: str,
    abnormal: Sequence[str] | None,
    out: Path | None,
    as_json: bool,
) -> int:
    """Asks a run the questions of uses, writes results.json and report.html, and prints the tables.

    Args:
      run: what is asked.
      dataset: about which data.
      tasks: names, or ``all``.
      source: the folder that the run was read from.
      split: which the questions are about.
      abnormal: the labels that count as abnormal.
      out: folder for what is written.
      as_json: prints the results as JSON instead of tables.

    Returns:
      The exit code.

    Raises:
      InvalidInput: as :func:`ae_jax.evaluation.evaluate`, all and names, a folder that holds a run or a study, or no
        question could be asked.
    """
    from ae_jax.evaluation import evaluate
    from ae_jax.report import write_report
    from ae_jax.studies import write_results

    if ALL in tasks and (beside := [name for name in tasks if name != ALL]):
        raise InvalidInput(f"--tasks was given all beside {', '.join(beside)}: expected all alone, or names.")
    folder = writable(out or Path("runs") / f"evaluate-{run.name}-{dataset.name}")
    _require_own(folder)
    answers = evaluate(run, dataset, tasks, split=split, abnormal=abnormal)
    if not any(answer.rows for answer in answers):
        raise InvalidInput(" ".join(message for answer in answers for message in answer.messages))
    results = results_of(run, dataset, answers, source)
    written = [
        write_results(folder / "results.json", results),
        write_report(run, folder / "report.html", dataset=dataset, results=answers),
    ]
    for message in results["messages"]:
        say(message)
    if as_json:
        print_json(results)
    else:
        print_answers(answers, by_member=len(set(map(repr, run.members))) > 1)
        print_places(written)
    return 0


def results_of(run: "Run", dataset: "Dataset", answers: Sequence["TaskResult"], source: Path) -> dict[str, Any]:
    """What results.json states."""
    return {
        "study": "evaluate",
        "run": str(source),
        "data": dataset.describe(),
        **run.configuration(),
        "messages": [f"{answer.task}: {message}" for answer in answers for message in answer.messages],
        "rows": [{"task": answer.task, **row} for answer in answers for row in answer.rows],
    }


def _require_own(folder: Path) -> None:
    """Raises a sentence where a folder holds something else than answers, which would be written over."""
    results, held = folder / "results.json", None
    if (folder / "configuration.json").exists():
        held = "a run"
    elif results.exists():
        try:
            study = json.loads(results.read_text(encoding="utf-8"))["study"]
        except (OSError, ValueError, KeyError, TypeError):
            study = None
        held = None if study == "evaluate" else "results of something else"
    if held:
        raise InvalidInput(f"{folder} holds {held}: expected another folder for the answers; choose one with --out.")


def print_answers(answers: Sequence["TaskResult"], *, by_member: bool) -> None:
    """The tables of every question, as wide as the terminal; columns are explained below the last one of each."""
    from ae_jax.report import task_tables

    for answer in answers:
        for table in task_tables(answer, by_member=by_member):
            print(f"\n{answer.task}{f' of {table.title}' if table.title else ''}\n")
            print_rich(table)
