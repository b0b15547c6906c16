"""Writes the report of a study or a run as one HTML file that opens offline."""

import base64
import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import numpy as np
from matplotlib.figure import Figure

from ae_jax.atomic import write_text
from ae_jax.data import Dataset
from ae_jax.errors import InvalidInput
from ae_jax.evaluation import PCA, TASKS, TaskResult, evaluate
from ae_jax.report import charts
from ae_jax.report.axes import to_png
from ae_jax.report.pictures import Picture, run_pictures, summary_picture, task_pictures
from ae_jax.report.sentences import (
    data_facts,
    diverged_members,
    run_facts,
    task_sentence,
    task_tables,
    training_facts,
    verdict,
)
from ae_jax.report.tables import (
    BASELINE,
    ResultsTable,
    Summary,
    best_groups,
    explanations,
    footnote,
    results_table,
    study_summary,
    swept_keys,
)
from ae_jax.studies import Comparison, Sweep, summarise
from ae_jax.training import Run


class Section(NamedTuple):
    """A section of a report: a title, and what stands below it in this order."""

    title: str
    text: str = ""
    facts: str = ""
    notes: Sequence[str] = ()
    tables: Sequence[ResultsTable] = ()
    pictures: Sequence[Picture] = ()


class Page(NamedTuple):
    """A report, as the template ``report.html`` shows it.

    Attributes:
      title: title of the browser's window.
      heading: first heading.
      answer: the results in words.
      facts: data and training in words.
      notes: messages that a reader must know.
      sections: sections with links to them.
      configuration: settings and versions as JSON.
    """

    title: str
    heading: str
    answer: str
    facts: str
    notes: Sequence[str]
    sections: Sequence[Section]
    configuration: str


def write_report(
    study: Comparison | Sweep | Run,
    path: str | Path,
    *,
    dataset: Dataset | None = None,
    results: Sequence[TaskResult] | None = None,
) -> Path:
    """Writes the report of a study or a run to one HTML file, as a whole or not at all.

    Args:
      study: what the report is about.
      path: the file; its folder is made if there is none.
      dataset: for a run, the data that it is evaluated on and that figures show; a study has its own.
      results: of a run, from :func:`ae_jax.evaluation.evaluate`; the report is about these tasks then.

    Returns:
      The path.

    Raises:
      InvalidInput: the file cannot be written, the data set does not fit the run, or results were given without their
        run or data.
    """
    return write_text(Path(path), report_html(study, dataset=dataset, results=results))


def report_html(
    study: Comparison | Sweep | Run, *, dataset: Dataset | None = None, results: Sequence[TaskResult] | None = None
) -> str:
    """Returns the report of :func:`write_report` as text."""
    if results is not None:
        if not isinstance(study, Run) or dataset is None:
            raise InvalidInput("write_report was given results of tasks: expected the run that has them, and dataset=.")
        page = _page_of_tasks(study, dataset, results)
    elif isinstance(study, Comparison):
        page = _page_of_comparison(study)
    elif isinstance(study, Sweep):
        page = _page_of_sweep(study)
    else:
        page = _page_of_run(study, dataset)
    return _environment().get_template("report.html").render(page=page)


def _page_of_comparison(comparison: Comparison) -> Page:
    summary, heading = study_summary(comparison)
    dataset, runs = comparison.dataset, comparison.runs
    missing = [f"{name} was not evaluated: training was interrupted." for name in runs if name not in summary]
    return Page(
        title=f"Autoencoders on {dataset.name}",
        heading=f"Comparison of {len(runs)} autoencoders on {dataset.name}",
        answer=verdict(summary),
        facts=f"{data_facts(dataset)} {training_facts(comparison.record)}",
        notes=[*comparison.messages, *missing],
        sections=[_results(summary, heading), *(_section_of_run(name, run, dataset) for name, run in runs.items())],
        configuration=_configuration(comparison.results()),
    )


def _page_of_sweep(sweep: Sweep) -> Page:
    keys = swept_keys(sweep)
    summary, heading = study_summary(sweep)
    name, dataset = next(iter(sweep.runs.values())).name if sweep.runs else "an autoencoder", sweep.dataset
    shown = list(dict.fromkeys(best_groups(summary).values())) or list(summary)[:1]
    members = first_members(sweep, keys)
    curves = [charts.sweep_summary(sweep.rows, keys, columns=columns) for columns in (3, 1)]
    lines: list[Picture] = []
    if curves[0] is not None:
        caption = "Mean and 95% confidence interval over seeds, by the swept hyper-parameter."
        lines = [Picture(curves[0], f"Every metric by {keys[0]}.", caption, curves[1])]
    return Page(
        title=f"Sweep of {name} on {dataset.name}",
        heading=f"Sweep of {name} over {' and '.join(keys)} on {dataset.name}",
        answer=verdict(summary),
        facts=f"{data_facts(dataset)} {len(sweep.settings)} settings. {training_facts(sweep.record)}",
        notes=sweep.messages,
        sections=[
            _results(summary, heading, lines),
            *(_section_of_run(group, members[group], dataset) for group in shown),
        ],
        configuration=_configuration(sweep.results()),
    )


def _page_of_run(run: Run, dataset: Dataset | None) -> Page:
    """The report of one run; with a data set, results beside those of PCA, and figures of examples."""
    summary: Summary = {}
    if dataset is not None and len(dataset.test.x):
        features = int(np.prod(run.shape))
        code = min(getattr(run.autoencoder.networks, "code", features), len(dataset.train.x), features)
        summary = summarise([*evaluate(PCA.fit(dataset, code), dataset).rows, *evaluate(run, dataset).rows])
    title = f"{run.name} on {run.data.name if dataset is None else dataset.name}"
    facts = f"{data_facts(dataset)} " if dataset is not None else ""
    return Page(
        title=title,
        heading=title,
        answer=verdict(summary) if summary else "",
        facts=f"{facts}{run_facts(run)} {training_facts(run.record | {'settings': run.settings})}",
        notes=diverged_members(run),
        sections=[
            *([_results(summary, "autoencoder")] if summary else []),
            Section("Figures", pictures=run_pictures(run, dataset)),
        ],
        configuration=_configuration(run.configuration()),
    )


def _page_of_tasks(run: Run, dataset: Dataset, results: Sequence[TaskResult]) -> Page:
    sentences = [sentence for result in results if (sentence := task_sentence(result, run.name))]
    by_member = len(set(map(repr, run.members))) > 1
    return Page(
        title=f"{run.name} on {dataset.name}: tasks",
        heading=f"Evaluation of {run.name} on {dataset.name}",
        answer=" ".join(sentences) or "No task could be evaluated with this run and these data.",
        facts=f"{data_facts(dataset)} {run_facts(run)} {training_facts(run.record | {'settings': run.settings})}",
        notes=diverged_members(run),
        sections=[
            Section(
                result.task.capitalize(),
                text=TASKS[result.task].meaning,
                notes=result.messages,
                tables=task_tables(result, by_member=by_member),
                pictures=task_pictures(result, run, dataset),
            )
            for result in results
        ],
        configuration=_configuration(run.configuration()),
    )


def _section_of_run(title: str, run: Run, dataset: Dataset) -> Section:
    return Section(title, facts=run_facts(run), pictures=run_pictures(run, dataset))


def _results(summary: Summary, heading: str, pictures: Sequence[Picture] = ()) -> Section:
    table = results_table(summary, heading=heading)
    if not table.columns:
        return Section("Results", text="There are no results to show.")
    return Section("Results", tables=[table], pictures=[*pictures, *summary_picture(summary, heading)])


def first_members(sweep: Sweep, keys: Sequence[str]) -> dict[str, Run]:
    """Returns the first member of every setting as a single run, by the name of the setting in the table.

    Rows are in the order of runs and of their members, so each change of member or setting is the next member.
    """
    members = [(run, member) for run in sweep.runs.values() for member in range(len(run))]
    found: dict[str, Run] = {}
    place, last = -1, None
    for row in sweep.rows:
        group = ", ".join(f"{key}={row[key]}" for key in keys)
        if (group, row["member"]) != last:
            place, last = place + 1, (group, row["member"])
            if group not in found:
                run, member = members[place]
                found[group] = run[member]
    return found


def _configuration(results: dict[str, Any]) -> str:
    """Everything in results.json but rows and messages; values that are no JSON are shown as text."""
    stated = {key: value for key, value in results.items() if key not in ("rows", "messages")}
    return json.dumps(stated, indent=2, ensure_ascii=False, default=str)


def _data_url(figure: Figure) -> str:
    return f"data:image/png;base64,{base64.b64encode(to_png(figure)).decode('ascii')}"


@functools.cache
def _environment() -> jinja2.Environment:
    """The templates beside this file; every value is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ae_jax.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["data_url"] = _data_url
    note = footnote("shaded")
    environment.globals |= {
        "baseline": BASELINE,
        "explanations": explanations,
        "footnote": f"{note[0].upper()}{note[1:]}.",
    }
    return environment
