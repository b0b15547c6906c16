"""One self-contained page for a comparison, a sweep or a single run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ae_jax.data import Dataset, Split
from ae_jax.errors import InvalidInput
from ae_jax.evaluation import METRICS, TASKS, TaskResult, evaluate, evaluate_pca
from ae_jax.evaluation.evaluate import NOISE
from ae_jax.report import charts, page, pictures
from ae_jax.report.answers import answer_figures, answer_sentence, answer_tables
from ae_jax.report.canvas import shown_member, shown_places
from ae_jax.report.charts import Summary
from ae_jax.report.facts import data_facts, loss_alt, loss_caption, run_facts, training_facts
from ae_jax.report.tables import FOOTNOTE, cells, html_table, legend
from ae_jax.report.verdict import verdict
from ae_jax.studies import Comparison, Sweep, summarise
from ae_jax.studies.results import write_whole
from ae_jax.training import Run

_SHOWN = 10
_CONFIGURATION = ("Configuration", "configuration")


def write_report(
    study: Comparison | Sweep | Run,
    path: str | Path,
    *,
    dataset: Dataset | None = None,
    answers: Sequence[TaskResult] | None = None,
) -> Path:
    """Writes the page of a study or a run: one HTML file that opens offline, whole or not at all.

    Args:
      study: what the page is about.
      path: of the file; its folder is made where there is none.
      dataset: for a run, the data that questions and pictures are of; a study has its own.
      answers: of the run to the questions of uses, which the page is of then; they need the data set.

    Returns:
      The path.

    Raises:
      InvalidInput: the file cannot be written, the data set does not fit the run, or answers lack their run or data.
    """
    if answers is not None:
        if not isinstance(study, Run) or dataset is None:
            raise InvalidInput("write_report was given answers: expected the run that was asked, and dataset=.")
        content = tasks_page(study, dataset, answers)
    elif isinstance(study, Comparison):
        content = comparison_page(study)
    elif isinstance(study, Sweep):
        content = sweep_page(study)
    else:
        content = run_page(study, dataset)
    return write_whole(Path(path), content)


def comparison_page(comparison: Comparison) -> str:
    """The page of a comparison: who won what, the table, and the pictures of every autoencoder."""
    summary = summarise(comparison.rows)
    dataset, runs = comparison.dataset, comparison.runs
    unanswered = [f"{name} was not evaluated: training was interrupted." for name in runs if name not in summary]
    anchors = {name: f"autoencoder-{place}" for place, name in enumerate(runs)}
    return page.document(
        f"Autoencoders on {dataset.name}",
        page.header(
            f"Comparison of {len(runs)} autoencoders on {dataset.name}",
            verdict(summary),
            f"{data_facts(dataset)} {training_facts(comparison.record)}",
        ),
        page.notes([*comparison.messages, *unanswered]),
        page.links([("Results", "results"), *anchors.items(), _CONFIGURATION]),
        results_section(summary, "autoencoder"),
        *[
            page.section(name, anchors[name], page.paragraph(run_facts(run), "facts"), run_figures(run, dataset))
            for name, run in runs.items()
        ],
        configuration_section(comparison.results()),
    )


def sweep_page(sweep: Sweep) -> str:
    """The page of a sweep: the best setting of each metric, the table, and the pictures of those settings."""
    keys = swept_keys(sweep)
    summary = summarise(sweep.rows, by=keys)
    if len(keys) == 1:
        summary = {f"{keys[0]}={group}": metrics for group, metrics in summary.items()}
    winners = list(dict.fromkeys(cells(summary).best.values())) or list(summary)[:1]
    members = first_members(sweep, keys)
    anchors = {group: f"setting-{place}" for place, group in enumerate(winners)}
    name = sweep.runs[0].name if sweep.runs else "an autoencoder"
    dataset = sweep.dataset
    curves = [charts.sweep_summary(sweep.rows, keys, columns=columns) for columns in (3, 1)]
    return page.document(
        f"Sweep of {name} on {dataset.name}",
        page.header(
            f"Sweep of {name} over {' and '.join(keys)} on {dataset.name}",
            verdict(summary),
            f"{data_facts(dataset)} {len(sweep.settings)} settings. {training_facts(sweep.record)}",
        ),
        page.notes(sweep.messages),
        page.links([("Results", "results"), *anchors.items(), _CONFIGURATION]),
        results_section(
            summary,
            "setting",
            page.picture(
                curves[0],
                f"Every metric against {keys[0]}.",
                "Mean with its 95% confidence interval over seeds, against the swept hyper-parameter.",
                narrow=curves[1],
            ),
        ),
        *[
            page.section(
                group,
                anchors[group],
                page.paragraph(run_facts(members[group]), "facts"),
                run_figures(members[group], dataset),
            )
            for group in winners
        ],
        configuration_section(sweep.results()),
    )


def run_page(run: Run, dataset: Dataset | None = None) -> str:
    """The page of one run; with a data set it answers the questions of a comparison beside PCA, and has pictures."""
    summary: Summary = {}
    if dataset is not None and len(dataset.test.x):
        features = int(np.prod(run.shape))
        code = min(getattr(run.autoencoder.networks, "code", features), len(dataset.train.x), features)
        summary = summarise([*evaluate_pca(dataset, code=code), *evaluate(run, dataset)])
    data = run.data.name if dataset is None else dataset.name
    facts = f"{data_facts(dataset)} " if dataset is not None else ""
    return page.document(
        f"{run.name} on {data}",
        page.header(
            f"{run.name} on {data}",
            verdict(summary) if summary else "",
            f"{facts}{run_facts(run)} {training_facts(run.record | {'settings': run.settings})}",
        ),
        page.notes(diverged_members(run)),
        results_section(summary, "autoencoder") if summary else "",
        page.section("Pictures", "pictures", run_figures(run, dataset)),
        configuration_section(run.configuration()),
    )


def tasks_page(run: Run, dataset: Dataset, answers: Sequence[TaskResult]) -> str:
    """The page of a run that was asked the questions of uses: a sentence, tables and figures for each.

    Args:
      run: what was asked.
      dataset: about which data.
      answers: as :func:`ae_jax.evaluation.run_tasks` gave them.
    """
    sentences = [sentence for answer in answers if (sentence := answer_sentence(answer, run.name))]
    by_member = len(set(map(repr, run.members))) > 1
    return page.document(
        f"{run.name} on {dataset.name}: uses",
        page.header(
            f"What {run.name} is good for, on {dataset.name}",
            " ".join(sentences) or "No question could be asked of this run and these data.",
            f"{data_facts(dataset)} {run_facts(run)} {training_facts(run.record | {'settings': run.settings})}",
        ),
        page.notes(diverged_members(run)),
        page.links([*[(answer.task.capitalize(), answer.task) for answer in answers], _CONFIGURATION]),
        *[
            page.section(
                answer.task.capitalize(),
                answer.task,
                page.paragraph(TASKS[answer.task].meaning),
                page.notes(answer.messages),
                tables_of(answer, by_member=by_member),
                answer_figures(answer, run, dataset),
            )
            for answer in answers
        ],
        configuration_section(run.configuration()),
    )


def tables_of(answer: TaskResult, *, by_member: bool) -> str:
    """The tables of an answer and what their columns mean; several are to be opened, each under its title."""
    tables = answer_tables(answer, by_member=by_member)
    if not tables:
        return ""
    shown = [page.scrolling(html_table(table.summary, heading=table.heading)) for table in tables]
    if len(tables) > 1:
        titled = [page.paragraph(table.title) + content for table, content in zip(tables, shown, strict=True)]
        shown = [page.collapsed("Tables", "\n".join(titled), printed=True)]
    metrics = {metric for table in tables for metric in cells(table.summary).metrics}
    meanings = page.definitions(legend(metric for metric in METRICS if metric in metrics))
    return "\n".join(
        [
            *shown,
            page.paragraph(f"{FOOTNOTE.replace('* best mean', 'shaded: best mean')}.".capitalize(), "facts"),
            page.collapsed("What the columns mean", meanings, printed=True),
        ]
    )


def diverged_members(run: Run) -> list[str]:
    """What must be said of members that diverged."""
    return [
        f"The member of seed {seed} diverged." for seed, finite in zip(run.seeds, run.finite, strict=True) if not finite
    ]


def swept_keys(sweep: Sweep) -> list[str]:
    """The hyper-parameters in which settings differ; all of them where there is one setting only."""
    first = sweep.settings[0]
    return [key for key in first if any(setting[key] != first[key] for setting in sweep.settings)] or list(first)


def results_section(summary: Summary, heading: str, *extra: str) -> str:
    """The table with what its columns mean, and its picture."""
    if not cells(summary).metrics:
        return page.section("Results", "results", page.paragraph("There are no results to show."))
    dots = [charts.comparison_summary(summary, columns=columns) for columns in (4, 1)]
    alt = f"A dot with its confidence interval for each {heading} and metric; the numbers are those of the table."
    return page.section(
        "Results",
        "results",
        page.scrolling(html_table(summary, heading=heading)),
        page.paragraph(f"{FOOTNOTE.replace('* best mean', 'shaded: best mean')}.".capitalize(), "facts"),
        page.collapsed("What the columns mean", page.definitions(legend(cells(summary).metrics)), printed=True),
        page.figures(
            *extra,
            page.picture(
                dots[0],
                alt,
                "Mean and 95% confidence interval over seeds; the dotted line is PCA. "
                "An arrow in a title says which way is better."
                if "pca" in summary
                else "Mean and 95% confidence interval over seeds. An arrow in a title says which way is better.",
                narrow=dots[1],
            ),
        ),
    )


def run_figures(run: Run, dataset: Dataset | None) -> str:
    """Loss curves, reconstructions, codes, samples and filters: those that the run and the data allow."""
    name = run.name
    curves = charts.loss_curves(run)
    parts = [
        page.picture(
            curves,
            loss_alt(run),
            loss_caption(run),
            narrow=charts.loss_curves(run, columns=1) if len(charts.curve_terms(run)) > 1 else None,
        )
    ]
    bounds = None
    of_member = "" if len(run) == 1 else f" Seed {shown_member(run).seeds[0]}."
    if dataset is not None:
        split, part = shown_split(dataset)
        x = part.x[shown_places(part.labels, len(part.x), _SHOWN)]
        bounds = float(x.min()), float(x.max())
        parts += [
            page.picture(
                pictures.reconstructions(run, x, bounds=bounds),
                f"{len(x)} {split} examples above their reconstructions by {name}, clean and corrupted.",
                f"Examples of the {split} split and what {name} makes of them, clean and with Gaussian noise "
                f"of standard deviation {NOISE.scale:g} model units.{of_member}",
            ),
            page.picture(
                charts.code_map(run, part.x, part.labels),
                f"Scatter plot of the codes of {name}{' coloured by label' if part.labels is not None else ''}.",
                f"Codes of the {split} split in two dimensions.{of_member}",
            ),
        ]
    parts += [
        page.picture(
            pictures.prior_samples(run, bounds=bounds),
            f"Samples of the prior, decoded by {name}.",
            f"New data: latents drawn from the prior, decoded.{of_member}",
        ),
        page.picture(
            pictures.filters(run),
            f"Weights of the first layer of {name}, a picture for each unit.",
            f"First-layer weights of the units with the largest norms.{of_member}",
        ),
    ]
    return page.figures(*parts)


def shown_split(dataset: Dataset) -> tuple[str, Split]:
    """The split that pictures are of: test, or the first of validation and train that has examples."""
    names = ("test", "validation", "train")
    name = next(name for name in names if len(getattr(dataset, name).x))
    return name, getattr(dataset, name)


def first_members(sweep: Sweep, keys: Sequence[str]) -> dict[str, Run]:
    """The first member of every setting as a single run, by the setting's name in the table.

    Rows are in the order of runs and of their members, so that each change of member or setting is the next member.
    """
    members = [(run, member) for run in sweep.runs for member in range(len(run))]
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


def configuration_section(results: dict[str, Any]) -> str:
    """Everything that results state but the rows, to be opened."""
    return page.section(
        "Configuration",
        "configuration",
        page.collapsed(
            "Settings, versions and device, as in results.json",
            page.as_json({key: value for key, value in results.items() if key not in ("rows", "messages")}),
        ),
    )
