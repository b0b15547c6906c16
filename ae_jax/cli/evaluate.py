"""The command ``evaluate``."""

import json as json_format
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from ae_jax.cli.folders import default_folder, writable
from ae_jax.cli.inputs import dataset_of, examples_of, trained_on
from ae_jax.cli.options import Folder, InputData, Json, Label, Labels, RunFolder, Sampler, Source, option
from ae_jax.cli.printing import print_json, print_paths, print_rich, print_table
from ae_jax.cli.session import say
from ae_jax.data import Dataset, Split
from ae_jax.data.sources import examples, is_named, parse_path, same_source
from ae_jax.errors import InvalidInput
from ae_jax.training import Run, load

if TYPE_CHECKING:
    from ae_jax.evaluation import Evaluation

Reference = Annotated[str | None, option("NAME|PATH", "training split of the data trained on")]
Tasks = Annotated[tuple[str, ...] | None, option("all|NAME [NAME ...]", "as in compare")]
Part = Annotated[
    Literal["train", "validation", "test"] | None, option("SPLIT", "test of the data trained on, all of another file")
]


def evaluate(
    run: RunFolder,
    *,
    data: Source = None,
    label: Label = None,
    split: Part = None,
    reference: Reference = None,
    tasks: Tasks = None,
    abnormal: Labels = None,
    sampler: Sampler = "prior",
    out: Folder = None,
    json: Json = False,
) -> int:
    """Evaluates a saved run as compare does, or on tasks.

    Probes, scores and baselines learn from the training split of the data trained on, or of a data set by name; never
    from another file that is evaluated, of which all rows count. With --tasks, prints a table for each task beside its
    baselines, and writes results.json and report.html.

    Args:
      split: train, validation or test.
      reference: examples that probes, scores and baselines learn from.
      tasks: all, or some of reconstruction, representation, anomaly, retrieval, denoising, generation and
        likelihood.
      out: folder for the results of --tasks.
    """
    from ae_jax import evaluation

    fitted = None if sampler == "prior" else sampler
    for name, given in (("--abnormal", abnormal), ("--sampler", fitted), ("--out", out)):
        if given is not None and tasks is None:
            raise InvalidInput(f"{name} was given without --tasks, which alone uses it: name some, or all.")
    loaded = load(run)
    dataset, part = judged(loaded, InputData(data=data, label=label, split=split), reference)
    results = {"study": "evaluate", "run": str(run), "data": dataset.describe(), **loaded.configuration()}
    if tasks is None:
        summary = _results(evaluation.evaluate(loaded, dataset, split=part))
        if json:
            print_json(results | {"rows": summary.rows})
        else:
            print_summary(summary, loaded, dataset, part)
        return 0
    if "all" in tasks and len(tasks) > 1:
        raise InvalidInput(f"--tasks was given {' '.join(tasks)}: expected all alone, or names.")
    folder = writable(out or default_folder("evaluate", loaded.name, dataset.name))
    _require_own(folder)
    names = "all" if "all" in tasks else tasks
    found = _results(evaluation.evaluate(loaded, dataset, names, split=part, abnormal=abnormal, sampler=sampler))
    results["messages"] = [f"{result.task}: {message}" for result in found for message in result.messages]
    results["rows"] = [{"task": result.task, **row} for result in found for row in result.rows]
    written = write_tasks(found, loaded, dataset, folder, results)
    if json:
        print_json(results)
    else:
        print_tasks(found, loaded, dataset, part)
        print_paths(written)
    return 0


def write_tasks(found: "Evaluation", run: Run, dataset: Dataset, folder: Path, results: dict[str, Any]) -> list[Path]:
    """Writes the results of tasks and their report, and says their messages; returns the paths."""
    from ae_jax.report import write_report
    from ae_jax.studies import write_results

    written = [write_results(folder / "results.json", results)]
    written.append(write_report(run, folder / "report.html", dataset=dataset, results=found))
    for message in results["messages"]:
        say(message)
    return written


def print_summary(summary: "Evaluation", run: Run, dataset: Dataset, split: str) -> None:
    """Prints the summary of a run, or of each member where they differ in numbers."""
    from ae_jax.studies import split_ratio, summarise

    heading = "member" if run.swept else "autoencoder"
    tested = {"examples": summary.examples, "resampled": split_ratio(run, dataset, split)}
    print_table(summarise(summary.rows, by=(heading,), split=split, **tested), (), heading)


def print_tasks(found: "Evaluation", run: Run, dataset: Dataset, split: str) -> None:
    """Prints the tables of each task."""
    from ae_jax.report import task_tables
    from ae_jax.studies import split_ratio

    for result in found:
        for table in task_tables(result, by_member=bool(run.swept), resampled=split_ratio(run, dataset, split)):
            print(f"\n{result.task}{f' of {table.title}' if table.title else ''}\n")
            print_rich(table)


def _results(found: "Evaluation") -> "Evaluation":
    """Returns the results, or raises what they say where there are none."""
    if not found.rows:
        raise InvalidInput(" ".join(message for result in found for message in result.messages))
    return found


def judged(run: Run, given: InputData, reference: str | None) -> tuple[Dataset, str]:
    """Returns the data set to evaluate on and its split: of a file other than trained on, all rows as ``test``."""
    source, trained = given.data, run.record.get("source")
    own = source is None or is_named(source) or (trained is not None and same_source(trained[0], source))
    if reference is None and (source is None or own or examples(source, run.data, label=given.label) is None):
        return dataset_of(run, source, given.label), given.split or "test"
    try:
        learned = InputData(data=reference)
        train = trained_on(run) if reference is None else examples_of(run, learned, by_default="train")
    except InvalidInput as error:
        raise InvalidInput(f"baselines and scores learn from training data, and {error}") from error
    test = examples_of(run, given)
    dataset = Dataset(
        name=run.data.name if source is None else source if is_named(source) else parse_path(source)[0].stem,
        train=Split(train.x, train.labels),
        validation=Split(train.x[:0]),
        test=Split(test.x, test.labels),
        scaling=run.scaling,
        columns=run.data.columns,
        reading=run.data.reading,
    )
    return dataset, "test"


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
