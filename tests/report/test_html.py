"""Pages open offline, hold what was asked, and run nothing that a name brings along."""

import dataclasses
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ae_jax import InvalidInput, Run
from ae_jax.data import Dataset
from ae_jax.evaluation import TASKS, TaskResult, run_tasks
from ae_jax.report import (
    answer_sentence,
    answer_tables,
    comparison_page,
    run_page,
    sweep_page,
    tasks_page,
    write_report,
)
from ae_jax.report.html import first_members
from ae_jax.studies import Comparison, Sweep, summarise

Reader = Callable[[str], Any]


@pytest.fixture(scope="module")
def page_of_comparison(comparison: Comparison) -> str:
    return comparison_page(comparison)


@pytest.fixture(scope="module")
def page_of_sweep(swept: Sweep) -> str:
    return sweep_page(swept)


@pytest.fixture(scope="module")
def page_of_run(population: Run, small: Dataset) -> str:
    return run_page(population, small)


@pytest.fixture(scope="module")
def answers(population: Run, small: Dataset) -> list[TaskResult]:
    """To every question of use, of four members in two settings."""
    return run_tasks(population, small, abnormal=[1, 8])


@pytest.fixture(scope="module")
def page_of_questions(population: Run, small: Dataset, answers: list[TaskResult]) -> str:
    return tasks_page(population, small, answers)


@pytest.fixture(params=["page_of_comparison", "page_of_sweep", "page_of_run", "page_of_questions"])
def text(request: pytest.FixtureRequest) -> str:
    return request.getfixturevalue(request.param)


def test_pages_are_well_formed(text: str, read: Reader):
    page = read(text)
    assert not page.unbalanced
    assert not page.open
    assert text.startswith("<!DOCTYPE html>")


def test_pages_load_nothing(text: str, read: Reader):
    page = read(text)
    sources = page.attributes("img", "src") + page.attributes("source", "srcset")
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert all(target.startswith("#") for target in page.attributes("a", "href"))
    assert not {"script", "link", "iframe"} & {tag for tag, _ in page.tags}
    assert not re.search(r"url\(|@import", text)


def test_links_lead_somewhere(text: str, read: Reader):
    page = read(text)
    anchors = [attributes.get("id") for _, attributes in page.tags]
    assert {target[1:] for target in page.attributes("a", "href")} <= set(anchors)


def test_pictures_are_pngs_with_words_and_their_own_shape(text: str, read: Reader):
    page = read(text)
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert images
    assert all(attributes["alt"] for attributes in images)
    for picture in page.pictures():
        assert picture.startswith(b"\x89PNG\r\n\x1a\n")
        assert picture.endswith(b"IEND\xaeB`\x82")
    for attributes, picture in zip(images, page.pictures(), strict=False):
        width, height = struct.unpack(">II", picture[16:24])
        assert int(attributes["width"]) / int(attributes["height"]) == pytest.approx(width / height, rel=0.03)


def test_pages_fit_a_phone(text: str, read: Reader):
    assert "width=device-width, initial-scale=1" in read(text).attributes("meta", "content")
    assert '<div class="scroll" tabindex="0"><table' in text


def test_the_comparison_has_every_number_and_every_autoencoder(
    comparison: Comparison, page_of_comparison: str, read: Reader
):
    texts = [text.strip() for text in read(page_of_comparison).texts]
    for name, answers in summarise(comparison.rows).items():
        assert name in texts
        assert f"{answers['mse'].mean:.5f}" in texts
    captions = page_of_comparison.count("<figcaption>")
    assert captions == 1 + 3 * 4 + 1  # the summary; loss, reconstruction, codes and filters of each; samples of one


def test_the_comparison_says_who_won(page_of_comparison: str):
    assert re.search(r'<p class="lede">.* the lowest MSE \(0\.\d{5}', page_of_comparison)


def test_the_comparison_has_configuration_and_versions(page_of_comparison: str):
    details = page_of_comparison[page_of_comparison.index('<section id="configuration">') :]
    assert "<details>" in details
    assert "&quot;jax&quot;" in details
    assert "&quot;batch_size&quot;: 16" in details


def test_names_are_escaped_everywhere(
    comparison: Comparison, page_of_comparison: str, hostile: str, small: Dataset, population: Run
):
    assert hostile in comparison.runs
    assert "<script" not in page_of_comparison
    assert "&lt;script&gt;" in page_of_comparison
    named = dataclasses.replace(small, name=f'"><img src=x>{hostile}')
    page = run_page(population, named)
    assert "<script" not in page
    assert "<img src=x" not in page


def test_messages_are_shown(comparison: Comparison):
    told = dataclasses.replace(comparison, messages=("sparse diverged in 2 of 2 members & <b>stopped</b>.",))
    assert "sparse diverged in 2 of 2 members &amp; &lt;b&gt;stopped&lt;/b&gt;." in comparison_page(told)


def test_an_interrupted_comparison_says_what_has_no_answers(comparison: Comparison):
    rows = [row for row in comparison.rows if row["autoencoder"] != "variational"]
    runs = comparison.runs | {"variational": dataclasses.replace(comparison.runs["variational"], history={})}
    page = comparison_page(dataclasses.replace(comparison, rows=rows, runs=runs))
    assert "variational was not evaluated: training was interrupted." in page


def test_a_comparison_whose_numbers_are_all_nan_is_still_a_page(comparison: Comparison, read: Reader):
    rows = [row | {"value": float("nan")} for row in comparison.rows]
    page = read(comparison_page(dataclasses.replace(comparison, rows=rows)))
    assert not page.unbalanced
    assert "nothing can be compared" in "".join(page.texts)


def test_a_sweep_without_answers_is_still_a_page(swept: Sweep, read: Reader):
    page = read(sweep_page(dataclasses.replace(swept, rows=[], runs=[])))
    assert not page.unbalanced
    assert "There are no results to show." in page.texts


def test_the_sweep_shows_the_best_settings(swept: Sweep, page_of_sweep: str, read: Reader):
    summary = summarise(swept.rows, by=["weight", "code"])
    assert len(summary) == 6
    texts = read(page_of_sweep).texts
    best = min(summary, key=lambda group: summary[group]["mse"].mean)
    assert texts.count(best) >= 3  # the table, the link and the heading of its pictures
    assert "Sweep of contractive over weight and code on small" in texts


def test_members_of_a_sweep_are_found_by_setting(swept: Sweep):
    members = first_members(swept, ["weight", "code"])
    assert list(members) == list(summarise(swept.rows, by=["weight", "code"]))
    for group, run in members.items():
        penalty = run.members[0].objective.penalties[0]
        assert group == f"weight={round(penalty.weight, 6)}, code={run.autoencoder.networks.code}"
        assert run.seeds.tolist() == [0]


def test_a_sweep_of_one_number_names_it(swept: Sweep):
    rows = [row for row in swept.rows if row["code"] == 2]
    settings = [setting for setting in swept.settings if setting["code"] == 2]
    page = sweep_page(dataclasses.replace(swept, rows=rows, settings=settings, runs=swept.runs[:1]))
    assert "weight=0.01</th>" in page


def test_a_run_without_data_has_its_curves_and_weights(population: Run, read: Reader):
    page = read(run_page(population))
    assert not page.unbalanced
    assert len(page.attributes("img", "alt")) == 3  # loss, samples, filters
    assert "table" not in {tag for tag, _ in page.tags}


def test_a_run_is_shown_on_the_split_that_there_is(run: Run, unlabelled: Dataset):
    page = run_page(run, unlabelled)
    assert "Codes of the validation split" in page
    assert "<table" not in page


def test_a_run_of_tabular_or_colour_data(
    tabular_run: Run, tabular: Dataset, colour_run: Run, colour: Dataset, read: Reader
):
    for run, data in ((tabular_run, tabular), (colour_run, colour)):
        page = read(run_page(run, data))
        assert not page.unbalanced
        assert "7 features" in "".join(page.texts) or "6 x 5 x 3 features" in "".join(page.texts)


def test_a_member_that_diverged_is_named(population: Run):
    partly = dataclasses.replace(population, finite=np.array([True, False, True, True]))
    assert "The member of seed 6 diverged." in run_page(partly)


def test_the_report_is_written_whole(comparison: Comparison, page_of_comparison: str, tmp_path: Path):
    path = tmp_path / "new" / "report.html"
    assert write_report(comparison, path) == path
    assert path.read_text(encoding="utf-8") == page_of_comparison
    assert list(path.parent.iterdir()) == [path]
    assert path.stat().st_size < 3_000_000


def test_reports_of_sweeps_and_runs_are_written_too(swept: Sweep, run: Run, tmp_path: Path):
    assert "Sweep of contractive" in write_report(swept, tmp_path / "sweep.html").read_text(encoding="utf-8")
    assert "undercomplete on small" in write_report(run, str(tmp_path / "run.html")).read_text(encoding="utf-8")


def test_a_report_that_cannot_be_written_is_a_sentence(run: Run, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match=r"report\.html cannot be written \(.*\): choose another folder\."):
        write_report(run, tmp_path / "file" / "report.html")


def test_a_report_over_a_folder_leaves_nothing_behind(run: Run, tmp_path: Path):
    (tmp_path / "report.html").mkdir()
    with pytest.raises(InvalidInput, match="cannot be written"):
        write_report(run, tmp_path / "report.html")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_the_page_of_questions_has_a_section_with_a_table_and_figures_for_each(page_of_questions: str, read: Reader):
    page = read(page_of_questions)
    sections = re.split(r'<section id="', page_of_questions)[1:]
    assert [section.split('"')[0] for section in sections] == [*TASKS, "configuration"]
    for section, question in zip(sections, TASKS.values(), strict=False):
        assert question.meaning in section
        assert '<table class="results">' in section
        assert "<figcaption>" in section
    assert sections[4].count("<table") == 12  # three families of corruptions at four levels
    assert len(page.pictures()) == 1 + 2 + 2 + 1 + 2 + 1
    assert len(page_of_questions) < 3_000_000


def test_the_page_of_questions_answers_in_its_header(page_of_questions: str, answers: list[TaskResult]):
    lede = re.search(r'<p class="lede">(.*?)</p>', page_of_questions)
    assert lede is not None
    for answer in answers:
        assert answer_sentence(answer, "variational") in lede[1]
    assert re.search(r"Anomaly: ROC AUC \d\.\d{3} .*\(variational, \w+\); best baseline \d\.\d{3} \(", lede[1])
    assert re.search(
        r"Denoising: PSNR gain -?\d+\.\d\d dB \(variational, clean\); .* mean over corruptions and levels", lede[1]
    )


def test_the_page_of_questions_has_every_message(page_of_questions: str, answers: list[TaskResult], read: Reader):
    texts = read(page_of_questions).texts
    messages = [message for answer in answers for message in answer.messages]
    assert len(messages) > 4
    assert set(messages) <= set(texts)


def test_members_of_different_settings_have_rows_of_their_own(page_of_questions: str, answers: list[TaskResult]):
    assert "variational, mahalanobis, member 3" in page_of_questions
    (table,) = answer_tables(answers[0])
    assert list(table.summary) == ["pca", "variational"]
    assert table.summary["variational"]["psnr"].count == 4
    (table,) = answer_tables(answers[0], by_member=True)
    assert list(table.summary) == ["pca", *(f"variational, member {member}" for member in range(4))]


def test_names_and_messages_of_questions_are_escaped(
    population: Run, small: Dataset, answers: list[TaskResult], hostile: str
):
    named = dataclasses.replace(small, name=f'"><img src=x>{hostile}')
    rows = [row | {"autoencoder": hostile} for row in answers[0].rows]
    told = answers[0]._replace(rows=rows, messages=(f"all is <b>well</b> {hostile}",))
    page = tasks_page(population, named, [told])
    assert "<script" not in page
    assert "<img src=x" not in page
    assert "all is &lt;b&gt;well&lt;/b&gt;" in page


def test_a_question_that_was_not_asked_is_a_section_with_its_reason(run: Run, small: Dataset, read: Reader):
    page = read(tasks_page(run, small, run_tasks(run, small, ["generation"])))
    assert not page.unbalanced
    assert "No question could be asked of this run and these data." in page.texts
    assert any("undercomplete has no prior to sample from" in text for text in page.texts)
    assert "table" not in {tag for tag, _ in page.tags}


def test_answers_of_a_table_are_a_page(tabular_run: Run, tabular: Dataset, read: Reader):
    answers = run_tasks(tabular_run, tabular, ["reconstruction", "representation", "denoising", "retrieval"])
    page = read(tasks_page(tabular_run, tabular, answers))
    assert not page.unbalanced
    assert len(page.pictures()) == 1 + 2 + 2


def test_write_report_writes_the_page_of_questions(
    population: Run, small: Dataset, answers: list[TaskResult], tmp_path: Path, comparison: Comparison
):
    path = write_report(population, tmp_path / "report.html", dataset=small, answers=answers[:1])
    assert "<title>variational on small: uses</title>" in path.read_text()
    for study, dataset in ((population, None), (comparison, small)):
        with pytest.raises(InvalidInput, match="was given answers: expected the run that was asked, and dataset="):
            write_report(study, tmp_path / "other.html", dataset=dataset, answers=answers)
