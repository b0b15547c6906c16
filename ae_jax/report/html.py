"""Writes the report of a study or a run as one HTML file that opens offline."""

import base64
import functools
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import numpy as np
from matplotlib.figure import Figure

from ae_jax.atomic import write_text
from ae_jax.components import to_config
from ae_jax.data import Dataset
from ae_jax.errors import InvalidInput
from ae_jax.evaluation import (
    PCA,
    TASKS,
    Evaluation,
    TaskResult,
    diagnose_training,
    disqualified,
    evaluate,
    evaluate_baseline,
    is_baseline,
    sentences,
)
from ae_jax.networks import code_shape
from ae_jax.report.axes import to_png, to_svg
from ae_jax.report.pictures import Picture, run_pictures, summary_pictures, task_pictures
from ae_jax.report.sentences import data_facts, run_facts, task_sentence, task_tables, training_facts, verdict
from ae_jax.report.tables import (
    ResultsTable,
    Summary,
    disqualified_groups,
    explanations,
    results_table,
    shared_metrics,
    study_summary,
)
from ae_jax.studies import Comparison, Difference, Sweep, best, paired_differences, split_ratio, summarise
from ae_jax.training import Run

_POINTS = 300
"""Points of a map beyond which it is no smaller as SVG."""


class Section(NamedTuple):
    """A section of a report: a title, and what stands below it in this order."""

    title: str
    text: str = ""
    facts: str = ""
    notes: Sequence[str] = ()
    tables: Sequence[ResultsTable] = ()
    pictures: Sequence[Picture] = ()


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
    else:
        page = _page_of_run(study, dataset) if isinstance(study, Run) else _page_of_study(study)
    return _template().render(page)


def _page_of_study(study: Comparison | Sweep) -> dict[str, Any]:
    """The report of a study; of a sweep, with figures of the best settings."""
    summary, differences, heading = study_summary(study)
    dataset, runs, settings = study.dataset, study.runs, ""
    title = f"Comparison of {len(runs)} autoencoders"
    notes = [f"{name} was not evaluated: training was interrupted." for name in runs if name not in summary]
    if isinstance(study, Sweep):
        runs, notes, settings = _best_settings(study, summary), [], f"{len(study.settings)} settings. "
        name = next(iter(study.runs.values())).name if study.runs else "an autoencoder"
        title = f"Sweep of {name} over {' and '.join(study.by)}"
    return {
        "heading": f"{title} on {dataset.name}",
        "answer": verdict(summary, differences),
        "facts": f"{data_facts(dataset)} {settings}{training_facts(study.record)}",
        "notes": [*study.messages, *notes],
        "sections": [_results(summary, differences, heading), *_sections_of(runs, dataset)],
        "configuration": _configuration(study.results()),
    }


def _best_settings(sweep: Sweep, summary: Summary) -> dict[str, Run]:
    """The first member of each setting that is best in some metric."""
    first_members = {
        ", ".join(f"{key}={setting[key]}" for key in sweep.by): run[place * len(sweep.seeds)]
        for name, run in sweep.runs.items()
        for place, setting in enumerate(to_config(point.setting) for point in sweep.populations[name])
    }
    judged = {group: of for group, of in summary.items() if group not in disqualified_groups(sweep)}
    leading = dict.fromkeys(best(judged, metric) for metric in shared_metrics(summary))
    shown = [group for group in leading if group is not None] or list(summary)[:1]
    return {group: first_members[group] for group in shown}


def _page_of_run(run: Run, dataset: Dataset | None) -> dict[str, Any]:
    """The report of one run; with a data set, results beside those of PCA, and figures of examples."""
    results, answer, findings = [], "", diagnose_training(run)
    if dataset is not None and len(dataset.test.x):
        features = int(np.prod(run.shape))
        code = min(math.prod(code_shape(run.autoencoder.networks)), len(dataset.train.x), features)
        own = list(dict.fromkeys(run.seeds.tolist())) if run.has_own_splits(dataset) else None
        baseline = evaluate_baseline(lambda data: PCA.fit(data, code), dataset, own)
        found = Evaluation([*baseline, *evaluate(run, dataset)])
        findings = found.findings
        tested = {"examples": found.examples, "resampled": split_ratio(run, dataset)}
        summary = summarise(found.rows, **tested)
        testable = not (run.swept or disqualified(findings))
        differences = [] if not testable else paired_differences(found.rows, **tested)
        results, answer = [_results(summary, differences, "autoencoder")], verdict(summary, differences)
    return _about(run, dataset) | {
        "heading": f"{run.name} on {run.data.name if dataset is None else dataset.name}",
        "answer": answer,
        "notes": sentences(findings),
        "sections": [*results, Section("Figures", pictures=run_pictures(run, dataset))],
    }


def _page_of_tasks(run: Run, dataset: Dataset, results: Sequence[TaskResult]) -> dict[str, Any]:
    headlines = [sentence for result in results if (sentence := task_sentence(result, run.name))]
    return _about(run, dataset) | {
        "heading": f"Evaluation of {run.name} on {dataset.name}",
        "answer": " ".join(headlines) or "No task could be evaluated with this run and these data.",
        "sections": [
            Section(
                result.task.capitalize(),
                text=TASKS[result.task].meaning,
                notes=result.messages,
                tables=task_tables(result, by_member=bool(run.swept), resampled=_ratio_of(result, run, dataset)),
                pictures=task_pictures(result, run, dataset),
            )
            for result in results
        ],
    }


def _ratio_of(result: TaskResult, run: Run, dataset: Dataset) -> float | None:
    return split_ratio(run, dataset, result.rows[0]["split"]) if result.rows else None


def _about(run: Run, dataset: Dataset | None) -> dict[str, Any]:
    data = [data_facts(dataset)] if dataset is not None else []
    return {
        "facts": " ".join([*data, run_facts(run), training_facts(run.record | {"settings": run.settings})]),
        "notes": sentences(diagnose_training(run)),
        "configuration": _configuration(run.configuration()),
    }


def _sections_of(runs: Mapping[str, Run], dataset: Dataset) -> list[Section]:
    return [Section(name, facts=run_facts(run), pictures=run_pictures(run, dataset)) for name, run in runs.items()]


def _results(summary: Summary, differences: Sequence[Difference], heading: str) -> Section:
    table = results_table(summary, differences, heading=heading)
    if not table.columns:
        return Section("Results", text="There are no results to show.")
    return Section("Results", tables=[table], pictures=summary_pictures(summary))


def _configuration(results: dict[str, Any]) -> str:
    """Everything in results.json but rows, findings and messages; values that are no JSON are shown as text."""
    stated = {key: value for key, value in results.items() if key not in ("rows", "findings", "messages")}
    return json.dumps(stated, indent=2, ensure_ascii=False, default=str)


def _data_url(figure: Figure) -> str:
    """The figure as SVG where it has lines, as PNG where it has images or many points."""
    points = sum(len(np.asarray(drawn.get_offsets())) for ax in figure.axes for drawn in ax.collections)
    pixels = points > _POINTS or any(ax.images for ax in figure.axes)
    kind, drawn = ("png", to_png(figure)) if pixels else ("svg+xml", to_svg(figure))
    return f"data:image/{kind};base64,{base64.b64encode(drawn).decode('ascii')}"


def _footnotes(tables: Sequence[ResultsTable]) -> list[str]:
    return list(dict.fromkeys(note for table in tables if (note := table.footnote("shaded"))))


@functools.cache
def _template() -> jinja2.Template:
    """The page's template beside this file; every value is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ae_jax.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["data_url"] = _data_url
    environment.globals |= {"is_baseline": is_baseline, "explanations": explanations, "footnotes": _footnotes}
    return environment.get_template("report.html")
