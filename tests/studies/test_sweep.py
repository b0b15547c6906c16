"""Grids of hyper-parameters: populations, rows, chunks, interruptions."""

import json
import sys

import numpy as np
import pytest

from ae_jax import InvalidInput, TrainingInterrupted
from ae_jax.evaluation import PCA, evaluate
from ae_jax.studies import Sweep, as_json, populations_of, summarise, sweep
from ae_jax.training.compilation import watch_compilation

SETTINGS = {"seeds": [5, 6], "epochs": 2, "batch_size": 16}
SIZES = {"hidden": [(12,)], "code": [3]}
CODES = {"code": [2, 4], "learning_rate": [1e-3, 1e-2], "hidden": [(12,)]}


@pytest.fixture(scope="module")
def weights(small) -> Sweep:
    """Two weights and two learning rates, the second so low that nothing moves."""
    return sweep("contractive", small, SIZES | {"weight": [0.1, 10.0], "learning_rate": [1e-2, 1e-12]}, **SETTINGS)


@pytest.fixture(scope="module")
def structures(small) -> Sweep:
    return sweep("undercomplete", small, CODES, **SETTINGS)


def test_a_grid_of_numbers_is_one_population(weights):
    [run] = weights.runs.values()
    assert run.seeds.tolist() == [5, 6] * 4
    choices = [(m.objective.penalties[0].weight, m.optimizer.learning_rate) for m in run.members]
    expected = [(w, rate) for w in (0.1, 10.0) for rate in (1e-2, 1e-12) for _ in (5, 6)]
    np.testing.assert_allclose(choices, expected, rtol=1e-6)


def test_rows_have_the_settings_of_their_member(weights, small):
    found = evaluate(weights.runs["contractive"], small).rows
    assert len(weights.rows) == len(found) > 0
    for row, expected in zip(weights.rows, found, strict=True):
        weight, rate = [(w, rate) for w in (0.1, 10.0) for rate in (1e-2, 1e-12)][expected["member"] // 2]
        assert row == expected | {"hidden": [12], "code": 3, "weight": weight, "learning_rate": rate}
    contraction = summarise(weights.rows, by=("learning_rate", "weight"))
    heavy, light = (contraction[f"learning_rate=0.01, weight={w}"]["jacobian_norm"].mean for w in (10.0, 0.1))
    assert heavy < light


def test_every_structure_is_a_population(structures):
    assert {name: run.autoencoder.networks.code for name, run in structures.runs.items()} == {
        "undercomplete-1": 2,
        "undercomplete-2": 4,
    }
    assert [setting["code"] for setting in structures.settings] == [2, 2, 4, 4]
    for code in (2, 4):
        expected = (64 * 12 + 12 + 12 * code + code) + (code * 12 + 12 + 12 * 64 + 64)
        expected += (64 * code + code) + (code * 64 + 64)  # the linear shortcuts
        rows = [row for row in structures.rows if row["code"] == code]
        assert {row["value"] for row in rows if row["metric"] == "parameters"} == {expected}
        members = {(rate, seed) for rate in (1e-3, 1e-2) for seed in (5, 6)}
        assert {(row["learning_rate"], row["seed"]) for row in rows} == members


def test_results_are_ready_for_json(structures):
    results = json.loads(as_json(structures.results()))
    assert results["study"] == "sweep"
    assert results["autoencoder"]["name"] == "undercomplete"
    rates = [{"code": code, "learning_rate": rate, "hidden": [12]} for code in (2, 4) for rate in (1e-3, 1e-2)]
    assert results["grid"] == rates
    assert results["rows"] == structures.rows
    assert results["settings"]["seeds"] == [5, 6]


def test_a_grid_divided_into_chunks_has_the_same_results(structures, small):
    assert list(populations_of("undercomplete", small, CODES, seeds=2, chunks=3)[0]) == [
        "undercomplete-1",
        "undercomplete-2",
        "undercomplete-3",
    ]
    found = sweep("undercomplete", small, CODES, chunks=4, **SETTINGS)
    assert len(found.runs) == 4
    for row, expected in zip(found.rows, structures.rows, strict=True):
        assert row == expected | {"member": row["member"], "value": pytest.approx(expected["value"], rel=1e-4)}


@pytest.mark.parametrize(
    ("name", "grid", "fragment"),
    [
        ("sparse", {"wieght": [1.0]}, "unknown hyper-parameter of sparse 'wieght': did you mean 'weight'"),
        ("spars", {"weight": [1.0]}, "unknown autoencoder 'spars': did you mean 'sparse'"),
        ("sparse", {}, "the sweep was given no hyper-parameter"),
        ("sparse", {"weight": []}, "expected one or more values, each once"),
        ("sparse", {"weight": [1.0, 2.0, 1.0]}, "expected one or more values, each once"),
        ("sparse", {"weight": [-1.0]}, "weight=-1.0: expected zero or a number above"),
    ],
)
def test_grids_that_cannot_be_used_are_refused(name, grid, fragment, small):
    with pytest.raises(InvalidInput, match=fragment):
        sweep(name, small, grid, **SETTINGS)


@pytest.mark.usefixtures("unchecked")
def test_values_and_chunks_that_cannot_be_used_are_refused(small):
    with pytest.raises(InvalidInput, match=r"the sweep was given weight=0\.1: expected a list of values"):
        sweep("sparse", small, {"weight": 0.1}, **SETTINGS)
    with pytest.raises(InvalidInput, match="the sweep was given 3 chunks: expected 1 to 2"):
        sweep("sparse", small, {"weight": [0.1, 1.0]}, chunks=3, **SETTINGS)


def test_an_interrupted_sweep_is_resumed_to_the_same_results(structures, small, tmp_path, watch):
    with pytest.raises(TrainingInterrupted) as raised:
        sweep("undercomplete", small, CODES, checkpoints=tmp_path, callbacks=[watch(3)], **SETTINGS)
    so_far = raised.value.run
    assert isinstance(so_far, Sweep)
    assert so_far.rows == [row for row in structures.rows if row["code"] == 2]
    assert {path.name for path in tmp_path.iterdir()} == {"study.json", *structures.runs}
    watched = watch()
    grid = CODES | {"learning_rate": np.array(CODES["learning_rate"])}
    resumed = sweep("undercomplete", small, grid, checkpoints=tmp_path, resume=True, callbacks=[watched], **SETTINGS)
    assert len(watched.seen) < 2
    times = ("wall_s", "compile_s", "programs", "programs_compiled")
    ours, theirs = ({k: v for k, v in study.results().items() if k not in times} for study in (resumed, structures))
    assert as_json(ours) == as_json(theirs)


def test_a_sweep_too_large_for_memory_is_trained_in_parts(weights, small, monkeypatch):
    grid = SIZES | {"weight": [0.1, 10.0], "learning_rate": [1e-2, 1e-12]}
    room_for_five = 4 * 8 * weights.runs["contractive"].parameters * 5
    monkeypatch.setattr(sys.modules["ae_jax.studies.sweep"], "state_budget", lambda: room_for_five)
    with watch_compilation() as compilation:
        found = sweep("contractive", small, grid, **SETTINGS)
    assert {name: len(run) for name, run in found.runs.items()} == {"contractive-1": 4, "contractive-2": 4}
    assert "8 members are trained as 2 populations" in found.messages[0]
    assert compilation.programs <= 6  # the second population needs none


def test_a_sweep_shows_what_was_swept_and_is_a_tidy_frame(weights, small):
    text = repr(weights).splitlines()
    assert text[0] == "Sweep on small"
    assert text[1].endswith("contractive with weight 0.1, 10, learning_rate 0.01, 1e-12")
    assert "<td>" in weights._repr_html_()
    frame = weights.to_frame()
    assert frame.query("metric == 'mse'")[["weight", "seed"]].to_numpy().tolist() == [
        [weight, seed] for weight in (0.1, 0.1, 10.0, 10.0) for seed in (5, 6)
    ]
    (run,) = weights.runs.values()
    evaluated = evaluate(run[[0, 1, 4, 5]], small)
    assert evaluated.to_frame()["weight"].unique().tolist() == [0.1, 10.0]
    rows = [*evaluate(PCA.fit(small, 2), small).rows, *evaluated.rows]
    summary = summarise(rows, by=("weight",))
    assert (list(summary), summary["10.0"]["mse"].count) == (["pca", "0.1", "10.0"], 2)
    with pytest.raises(InvalidInput, match="unknown key of the rows 'weigth': did you mean 'weight'"):
        summarise(rows, by=("weigth",))
