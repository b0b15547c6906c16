"""The command ``evaluate``."""

import json as json_format
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import arg

from ae_jax.cli.options import Folder, Json, Label, Labels, RunFolder, Sampler, Source, option
from ae_jax.cli.printing import print_json, print_paths, print_rich, print_table
from ae_jax.cli.session import say
from ae_jax.cli.study import default_folder, writable
from ae_jax.cli.use import dataset_of
from ae_jax.errors import InvalidInput
from ae_jax.training import load

Tasks = Annotated[tuple[str, ...] | None, option("all|NAME [NAME ...]", "as in compare")]
Split = Annotated[Literal["train", "validation", "test"], arg(metavar="SPLIT")]


def evaluate(
    run: RunFolder,
    *,
    data: Source = None,
    label: Label = None,
    split: Split = "test",
    tasks: Tasks = None,
    abnormal: Labels = None,
    sampler: Sampler = "prior",
    out: Folder = None,
    json: Json = False,
) -> int:
    """Evaluates a saved run as compare does, or on tasks.

    Probes learn from the training split of --data. With --tasks, prints a table for each task beside its baselines, and
    writes results.json and report.html.

    Args:
      split: train, validation or test.
      tasks: all, or some of reconstruction, representation, anomaly, retrieval, denoising, generation and
        likelihood.
      out: folder for the results of --tasks.
    """
    from ae_jax import evaluation
    from ae_jax.report import task_tables, write_report
    from ae_jax.studies import split_ratio, summarise, write_results

    fitted = None if sampler == "prior" else sampler
    for name, given in (("--abnormal", abnormal), ("--sampler", fitted), ("--out", out)):
        if given is not None and tasks is None:
            raise InvalidInput(f"{name} was given without --tasks, which alone uses it: name some, or all.")
    loaded = load(run)
    dataset = dataset_of(loaded, data, label)
    by_member = len(set(map(repr, loaded.members))) > 1
    results = {"study": "evaluate", "run": str(run), "data": dataset.describe(), **loaded.configuration()}
    if tasks is None:
        summary = evaluation.evaluate(loaded, dataset, split=split)
        if json:
            print_json(results | {"rows": summary.rows})
        else:
            heading = "member" if by_member else "autoencoder"
            tested = {"examples": summary.examples, "resampled": split_ratio(loaded, dataset, split)}
            print_table(summarise(summary.rows, by=(heading,), split=split, **tested), (), heading)
        return 0
    if "all" in tasks and len(tasks) > 1:
        raise InvalidInput(f"--tasks was given {' '.join(tasks)}: expected all alone, or names.")
    folder = writable(out or default_folder("evaluate", loaded.name, dataset.name))
    _require_own(folder)
    names = "all" if "all" in tasks else tasks
    found = evaluation.evaluate(loaded, dataset, names, split=split, abnormal=abnormal, sampler=sampler)
    if not any(result.rows for result in found):
        raise InvalidInput(" ".join(message for result in found for message in result.messages))
    results["messages"] = [f"{result.task}: {message}" for result in found for message in result.messages]
    results["rows"] = [{"task": result.task, **row} for result in found for row in result.rows]
    written = [
        write_results(folder / "results.json", results),
        write_report(loaded, folder / "report.html", dataset=dataset, results=found),
    ]
    for message in results["messages"]:
        say(message)
    if json:
        print_json(results)
        return 0
    for result in found:
        for table in task_tables(result, by_member=by_member, resampled=split_ratio(loaded, dataset, split)):
            print(f"\n{result.task}{f' of {table.title}' if table.title else ''}\n")
            print_rich(table)
    print_paths(written)
    return 0


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
