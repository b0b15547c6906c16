"""The command ``evaluate``."""

import json as json_format
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import arg

from ae_jax.cli.options import Folder, Label, Labels, RunFolder, Source
from ae_jax.cli.printing import print_json, print_paths, print_rich, print_table
from ae_jax.cli.session import say
from ae_jax.cli.study import default_folder, writable
from ae_jax.cli.use import dataset_of
from ae_jax.errors import InvalidInput

if TYPE_CHECKING:
    from ae_jax.evaluation import Evaluation
    from ae_jax.training import Run

Tasks = Annotated[
    tuple[str, ...] | None, arg(metavar="all|NAME [NAME ...]", help_behavior_hint="(default: as in compare)")
]
Split = Annotated[Literal["train", "validation", "test"], arg(metavar="SPLIT")]


def evaluate(
    run: RunFolder,
    *,
    data: Source = None,
    label: Label = None,
    split: Split = "test",
    tasks: Tasks = None,
    abnormal: Labels = None,
    out: Folder = None,
    json: bool = False,
) -> int:
    """Evaluates a saved run as compare does, or on tasks.

    With --tasks, prints a table for each task beside its baselines, and writes results.json and report.html.

    Args:
      run: a folder that train wrote, or one in runs/ of a comparison or sweep.
      data: a data set by its name, tfds:NAME, or a file or folder; probes learn from its training split.
      label: name of the label column of a table, or of the labels in a .npz or .mat file.
      split: train, validation or test.
      tasks: all, or some of reconstruction, representation, anomaly, retrieval, denoising, generation and
        likelihood.
      abnormal: for the task anomaly, the labels of abnormal examples.
      out: folder for the results of --tasks.
      json: print the results as JSON instead of tables.
    """
    from ae_jax import evaluation
    from ae_jax.studies import summarise
    from ae_jax.training import load

    for option, given in (("--abnormal", abnormal), ("--out", out)):
        if given is not None and tasks is None:
            raise InvalidInput(f"{option} was given without --tasks, which alone uses it: name some, or all.")
    loaded = load(run)
    dataset = dataset_of(loaded, data, label)
    by_member = len(set(map(repr, loaded.members))) > 1
    results = {"study": "evaluate", "run": str(run), "data": dataset.describe(), **loaded.configuration()}
    if tasks is None:
        rows = evaluation.evaluate(loaded, dataset, split=split).rows
        if json:
            print_json(results | {"rows": rows})
        else:
            heading = "member" if by_member else "autoencoder"
            print_table(summarise(rows, by=(heading,), split=split), heading)
        return 0
    if "all" in tasks and len(tasks) > 1:
        raise InvalidInput(f"--tasks was given {' '.join(tasks)}: expected all alone, or names.")
    folder = writable(out or default_folder("evaluate", loaded.name, dataset.name))
    _require_own(folder)
    found = evaluation.evaluate(loaded, dataset, "all" if "all" in tasks else tasks, split=split, abnormal=abnormal)
    if not any(result.rows for result in found):
        raise InvalidInput(" ".join(message for result in found for message in result.messages))
    write_tasks(loaded, dataset, found, results, folder, json=json, by_member=by_member)
    return 0


def write_tasks(
    run: "Run",
    dataset: Any,
    found: "Evaluation",
    results: dict[str, Any],
    folder: Path,
    *,
    json: bool,
    by_member: bool,
) -> None:
    """Writes the results of tasks as results.json and report.html, and prints tables or JSON."""
    from ae_jax.report import task_tables, write_report
    from ae_jax.studies import write_results

    results["messages"] = [f"{result.task}: {message}" for result in found for message in result.messages]
    results["rows"] = [{"task": result.task, **row} for result in found for row in result.rows]
    written = [
        write_results(folder / "results.json", results),
        write_report(run, folder / "report.html", dataset=dataset, results=found),
    ]
    for message in results["messages"]:
        say(message)
    if json:
        print_json(results)
        return
    for result in found:
        for table in task_tables(result, by_member=by_member):
            print(f"\n{result.task}{f' of {table.title}' if table.title else ''}\n")
            print_rich(table)
    print_paths(written)


def _require_own(folder: Path) -> None:
    """Raises where a folder holds a run, or results of another command, which would be overwritten."""
    results, held = folder / "results.json", None
    if (folder / "configuration.json").exists():
        held = "a run"
    elif results.exists():
        try:
            study = json_format.loads(results.read_text(encoding="utf-8"))["study"]
        except (OSError, ValueError, KeyError, TypeError):
            study = None
        held = None if study == "evaluate" else "other results"
    if held:
        raise InvalidInput(f"{folder} holds {held}: expected another folder; choose one with --out.")
