"""Reports open offline, show the results, and escape every name."""

import dataclasses
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import ae_jax
from ae_jax import InvalidInput, Run
from ae_jax.data import Dataset
from ae_jax.evaluation import TASKS, TaskResult, evaluate
from ae_jax.report import report_html, study_summary, task_sentence, write_report
from ae_jax.studies import Comparison, Sweep, summarise

Reader = Callable[[str], Any]


@pytest.fixture(scope="module")
def page_of_comparison(comparison: Comparison) -> str:
    return report_html(comparison)


@pytest.fixture(scope="module")
def page_of_sweep(swept: Sweep) -> str:
    return report_html(swept)


@pytest.fixture(scope="module")
def page_of_run(population: Run, small: Dataset) -> str:
    return report_html(population, dataset=small)


@pytest.fixture(scope="module")
def results(population: Run, small: Dataset) -> list[TaskResult]:
    """Results of every task, of four members in two settings."""
    return evaluate(population, small, "all", abnormal=[1, 8])


@pytest.fixture(scope="module")
def page_of_tasks(population: Run, small: Dataset, results: list[TaskResult]) -> str:
    return report_html(population, dataset=small, results=results)


@pytest.mark.parametrize("name", ["page_of_comparison", "page_of_sweep", "page_of_run", "page_of_tasks"])
def test_reports_are_well_formed_and_self_contained(name: str, read: Reader, request: pytest.FixtureRequest):
    text = request.getfixturevalue(name)
    page = read(text)
    assert not page.unbalanced
    assert not page.open
    assert text.startswith("<!DOCTYPE html>")
    assert len(text) < 3_000_000
    sources = page.attributes("img", "src")
    assert all(re.match(r"data:image/(png|svg\+xml);base64,", source) for source in sources)
    assert not {"script", "link", "iframe"} & {tag for tag, _ in page.tags}
    assert not re.search(r"url\(|@import", text)
    anchors = {f"#{attributes.get('id')}" for _, attributes in page.tags}
    assert set(page.attributes("a", "href")) <= anchors
    assert "width=device-width, initial-scale=1" in page.attributes("meta", "content")
    assert re.search(r'<div class="scroll( cue)?" tabindex="0" role="region" aria-label="[^"]+">\n<table', text)
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert images
    for attributes in images:
        assert attributes["alt"]
    for attributes, picture in zip(images, page.pictures(), strict=True):
        if picture.startswith(b"<?xml"):
            view = ElementTree.fromstring(picture).attrib["viewBox"].split()
            width, height = float(view[2]), float(view[3])
        else:
            assert picture.startswith(b"\x89PNG\r\n\x1a\n")
            assert picture.endswith(b"IEND\xaeB`\x82")
            width, height = struct.unpack(">II", picture[16:24])
        assert int(attributes["width"]) / int(attributes["height"]) == pytest.approx(width / height, rel=0.03)


def test_line_charts_are_vectors_and_images_are_pixels(page_of_run: str, read: Reader):
    page = read(page_of_run)
    kinds = [picture.startswith(b"<?xml") for picture in page.pictures()]
    assert kinds == [alt.startswith(("Mean and", "Every term", "Codes of")) for alt in page.attributes("img", "alt")]
    svg = page.pictures()[kinds.index(True)]
    assert b"<script" not in svg
    assert b"http://" not in svg.replace(b"http://www.w3.org/", b"")  # namespaces


def test_wide_tables_and_figures_have_a_scroll_cue(page_of_comparison: str):
    assert page_of_comparison.count('class="scroll cue"') == 1  # the table of results
    assert 'class="scroll wide cue" tabindex="0"' in page_of_comparison


def test_comparison_has_every_number_and_figure(comparison: Comparison, page_of_comparison: str, read: Reader):
    texts = [text.strip() for text in read(page_of_comparison).texts]
    for name, answers in summarise(comparison.rows).items():
        assert name in texts
        assert name == "raw" or f"{answers['mse'].mean:.5f}" in texts
    # The summary; loss, reconstruction, codes and filters of each; samples of one.
    assert page_of_comparison.count("<figcaption>") == 1 + 2 * 4 + 1
    assert re.search(
        r'<p class="lede">.*(is shown to have the|Not shown to be worse than the best:) ', page_of_comparison
    )
    assert re.search(
        r'<p class="facts">Mean ± .* which contains .*; shaded: not shown to be worse than', page_of_comparison
    )
    assert page_of_comparison.count('class="best"') > 1
    configuration = page_of_comparison[page_of_comparison.index('<section id="configuration">') :]
    assert "&#34;jax&#34;" in configuration
    assert "&#34;batch_size&#34;: 16" in configuration


def test_names_and_messages_are_escaped(
    comparison: Comparison, page_of_comparison: str, hostile: str, run: Run, small: Dataset
):
    assert hostile in comparison.runs
    assert "<script" not in page_of_comparison
    assert "&lt;script&gt;" in page_of_comparison
    result = evaluate(run, small, ["reconstruction"])[0]
    rows = [row | {"autoencoder": hostile} for row in result.rows]
    named = dataclasses.replace(small, name=f'"><img src=x>{hostile}')
    told = result._replace(rows=rows, messages=(f"all is <b>well</b> {hostile}",))
    page = report_html(run, dataset=named, results=[told])
    assert "<script" not in page
    assert "<img src=x" not in page
    assert "all is &lt;b&gt;well&lt;/b&gt;" in page


def test_interrupted_comparison_names_what_was_not_evaluated(comparison: Comparison):
    rows = [row | {"value": float("nan")} for row in comparison.rows if row["autoencoder"] != "variational"]
    runs = {"variational": dataclasses.replace(comparison.runs["variational"], history={})}
    page = report_html(
        dataclasses.replace(comparison, rows=rows, examples=[], runs=runs, messages=["sparse diverged."])
    )
    assert "variational was not evaluated: training was interrupted." in page
    assert "Nothing can be compared" in page
    assert "sparse diverged." in page


def test_sweep_shows_the_best_settings(swept: Sweep, page_of_sweep: str, read: Reader):
    summary, _, _ = study_summary(swept)
    assert list(summary) == ["weight=0.01", "weight=1.0"]
    texts = read(page_of_sweep).texts
    best = min(summary, key=lambda group: summary[group]["mse"].mean)
    assert texts.count(best) >= 3  # the table, the link and the heading of its figures
    assert "Sweep of contractive over weight on small" in texts
    assert "There are no results to show." in report_html(dataclasses.replace(swept, rows=[], examples=[], runs={}))


def test_groups_with_a_disqualifying_fault_are_never_the_best(swept: Sweep, comparison: Comparison):
    summary, differences, _ = study_summary(swept)
    first, second = summary
    assert {differences[0].first, differences[0].second} == {first, second}
    finding = {"finding": "constant_code", "weight": float(first.split("=")[1]), "autoencoder": "contractive"}
    told = dataclasses.replace(swept, findings=[finding], messages=["The code is constant."])
    assert study_summary(told)[1] == []
    page = report_html(told)
    assert "The code is constant." in page
    assert (f"<h2>{first}</h2>" in page, f"<h2>{second}</h2>" in page) == (False, True)
    found = study_summary(dataclasses.replace(comparison, findings=[finding | {"autoencoder": "variational"}]))[1]
    assert found
    assert not any("variational" in (one.first, one.second) for one in found)


def test_run_without_data_has_curves_samples_and_filters(population: Run, read: Reader):
    partly = dataclasses.replace(population, finite=np.array([True, False, True, True]))
    text = report_html(partly)
    page = read(text)
    assert not page.unbalanced
    assert len(page.attributes("img", "alt")) == 3
    assert "table" not in {tag for tag, _ in page.tags}
    assert "variational diverged, in 1 of 4 members, first with seed 6" in text


def test_report_of_tasks_has_a_section_with_a_table_and_figures_for_each(
    page_of_tasks: str, results: list[TaskResult], read: Reader
):
    sections = re.split(r'<section id="', page_of_tasks)[1:]
    for section, result in zip(sections, results, strict=False):
        assert f"<h2>{result.task.capitalize()}</h2>" in section
        assert TASKS[result.task].meaning in section
        assert '<table class="results">' in section
        assert ("<figcaption>" in section) == (result.task != "likelihood")
    assert sections[4].count("<table") == 12  # three families of corruptions at four levels
    assert len(read(page_of_tasks).attributes("img", "src")) == 1 + 2 + 2 + 1 + 2 + 1
    lede = re.search(r'<p class="lede">(.*?)</p>', page_of_tasks)
    assert lede is not None
    assert all(task_sentence(result, "variational") in lede[1] for result in results)
    assert re.search(r"Anomaly: ROC AUC \d\.\d{3} .*\(variational, \w+\); best baseline \d\.\d{3} \(", lede[1])
    assert re.search(r"Denoising: PSNR gain -?\d+\.\d\d dB \(variational, clean\); .* mean over corr", lede[1])
    messages = {message for result in results for message in result.messages}
    assert len(messages) > 4
    assert messages <= set(read(page_of_tasks).texts)
    assert "variational, mahalanobis, member 3" in page_of_tasks


def test_task_that_could_not_be_evaluated_is_a_section_with_its_reason(run: Run, small: Dataset, read: Reader):
    page = read(report_html(run, dataset=small, results=evaluate(run, small, ["generation"])))
    assert not page.unbalanced
    assert "No task could be evaluated with this run and these data." in page.texts
    assert any("undercomplete has no prior to sample from" in text for text in page.texts)


def test_tasks_of_tabular_data_have_figures(tabular_run: Run, tabular: Dataset, read: Reader):
    results = evaluate(tabular_run, tabular, ["reconstruction", "representation", "denoising", "retrieval"])
    page = read(report_html(tabular_run, dataset=tabular, results=results))
    assert len(page.pictures()) == 1 + 2 + 2
    assert "7 features" in "".join(page.texts)


def test_report_is_written_as_a_whole(run: Run, tmp_path: Path):
    path = tmp_path / "new" / "report.html"
    assert write_report(run, path) == path
    assert path.read_text(encoding="utf-8") == report_html(run)
    assert list(path.parent.iterdir()) == [path]


def test_results_of_tasks_need_their_run_and_data(run: Run, small: Dataset, comparison: Comparison):
    for study, dataset in ((run, None), (comparison, small)):
        with pytest.raises(InvalidInput, match="results of tasks: expected the run"):
            report_html(study, dataset=dataset, results=[])


def test_a_run_whose_code_is_a_map_is_reported_beside_pca(small):
    run = ae_jax.fit(ae_jax.vq(code=4, grid=(4, 4), channels=(4,), codes=4), small, epochs=1, batch_size=16)
    assert "pca" in report_html(run, dataset=small)
