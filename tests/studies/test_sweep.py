import dataclasses
import json
import signal
import sys

import jax
import numpy as np
import pytest

from ae_jax import InvalidInput, TrainingInterrupted
from ae_jax.evaluation import evaluate
from ae_jax.studies import Sweep, as_json, summarise, sweep
from ae_jax.studies.sweep import grid_points, populations_of
from ae_jax.training.compilation import watch_compilation

SETTINGS = {"seeds": [5, 6], "epochs": 2, "batch_size": 16}
SIZES = {"hidden": [(12,)], "code": [3]}


@pytest.fixture(scope="module")
def weights(small) -> Sweep:
    """Two weights and two learning rates, the second so low that nothing moves."""
    return sweep("contractive", small, SIZES | {"weight": [0.1, 10.0], "learning_rate": [1e-2, 1e-12]}, **SETTINGS)


@pytest.fixture(scope="module")
def structures(small) -> Sweep:
    grid = {"code": [2, 4], "learning_rate": [1e-3, 1e-2], "hidden": [(12,)]}
    return sweep("undercomplete", small, grid, **SETTINGS)


def test_a_grid_of_numbers_is_one_population(weights):
    assert len(weights.runs) == 1
    run = weights.runs[0]
    assert run.seeds.tolist() == [5, 6] * 4
    choices = [(m.objective.penalties[0].weight, m.optimizer.learning_rate) for m in run.members]
    expected = [(w, rate) for w in (0.1, 10.0) for rate in (1e-2, 1e-12) for _ in (5, 6)]
    np.testing.assert_allclose(choices, expected, rtol=1e-6)


def test_other_numbers_compile_nothing(weights, small):
    grid = SIZES | {"weight": [0.3, 3.0], "learning_rate": [2e-3, 3e-3]}
    with watch_compilation() as compilation:
        again = sweep("contractive", small, grid, **(SETTINGS | {"seeds": [7, 8], "epochs": 3}))
    assert compilation.programs == again.record["programs"] == 0
    assert again.runs[0].history["train"]["loss"].shape == (8, 3)


def test_rows_carry_the_settings_of_their_member(weights, small):
    answers = evaluate(weights.runs[0], small).rows
    assert len(weights.rows) == len(answers) > 0
    for row, answer in zip(weights.rows, answers, strict=True):
        weight, rate = [(w, rate) for w in (0.1, 10.0) for rate in (1e-2, 1e-12)][answer["member"] // 2]
        assert row == answer | {"hidden": [12], "code": 3, "weight": weight, "learning_rate": rate}
    contraction = summarise(weights.rows, by=("learning_rate", "weight"))
    heavy, light = (contraction[f"learning_rate=0.01, weight={w}"]["jacobian_norm"].mean for w in (10.0, 0.1))
    assert heavy < light


def test_members_of_one_seed_start_alike_whatever_their_settings(weights):
    run = weights.runs[0]
    # Members 2 and 6 have seed 5, 3 and 7 seed 6; none of them moved from where it began.
    for leaf in jax.tree.leaves(run.params):
        np.testing.assert_allclose(leaf[2], leaf[6], atol=1e-9)
        np.testing.assert_allclose(leaf[3], leaf[7], atol=1e-9)
    kernel = np.asarray(run.params["encoder"][0]["kernel"])
    assert abs(kernel[2] - kernel[3]).max() > 1e-3
    assert abs(kernel[0] - kernel[2]).max() > 1e-3


def test_every_structure_is_a_population(structures):
    assert [run.autoencoder.networks.code for run in structures.runs] == [2, 4]
    assert [len(run) for run in structures.runs] == [4, 4]
    assert [setting["code"] for setting in structures.settings] == [2, 2, 4, 4]
    for code in (2, 4):
        expected = (64 * 12 + 12 + 12 * code + code) + (code * 12 + 12 + 12 * 64 + 64)
        rows = [row for row in structures.rows if row["code"] == code]
        assert {row["value"] for row in rows if row["metric"] == "parameters"} == {expected}
        assert {(row["learning_rate"], row["seed"]) for row in rows} == {
            (rate, seed) for rate in (1e-3, 1e-2) for seed in (5, 6)
        }


def test_settings_of_one_structure_need_not_stand_together(small):
    # A grid by learning rate first: the code sizes alternate.
    grid = {"learning_rate": [1e-12, 1e-2], "code": [2, 4], "hidden": [()]}
    found = sweep("undercomplete", small, grid, seeds=[5], epochs=1, batch_size=16)
    assert [run.autoencoder.networks.code for run in found.runs] == [2, 4]
    by_setting = {
        (row["learning_rate"], row["code"]): row["value"] for row in found.rows if row["metric"] == "parameters"
    }
    assert by_setting == {(rate, code): 2 * 64 * code + code + 64 for rate in (1e-12, 1e-2) for code in (2, 4)}


def test_networks_of_different_depth_are_swept(small):
    found = sweep("undercomplete", small, {"hidden": [(), (12,)], "code": [2]}, seeds=[5], epochs=1, batch_size=16)
    assert [run.autoencoder.networks.hidden for run in found.runs] == [(), (12,)]


def test_results_are_ready_for_json(structures):
    results = json.loads(as_json(structures.results()))
    assert results["study"] == "sweep"
    assert results["autoencoder"]["name"] == "undercomplete"
    assert results["grid"] == [
        {"code": code, "learning_rate": rate, "hidden": [12]} for code in (2, 4) for rate in (1e-3, 1e-2)
    ]
    assert results["rows"] == structures.rows
    assert results["settings"]["seeds"] == [5, 6]


def test_a_grid_s_points_are_every_combination_the_last_key_fastest():
    assert grid_points("sparse", {"weight": [0.1, 1.0], "target": [0.05, 0.2]}) == [
        {"weight": weight, "target": target} for weight in (0.1, 1.0) for target in (0.05, 0.2)
    ]


def test_numpy_s_numbers_are_python_s(small):
    found = sweep("undercomplete", small, SIZES | {"learning_rate": np.array([1e-3])}, seeds=[5], epochs=1)
    assert [type(setting["learning_rate"]) for setting in found.settings] == [float]
    assert found.rows[0]["learning_rate"] == 1e-3


@pytest.mark.parametrize(
    ("name", "grid", "sentence"),
    [
        ("sparse", {"wieght": [1.0]}, "unknown hyper-parameter of sparse 'wieght': did you mean 'weight'"),
        ("undercomplete", {"beta": [1.0]}, "unknown hyper-parameter of undercomplete 'beta'"),
        ("spars", {"weight": [1.0]}, "unknown autoencoder 'spars': did you mean 'sparse'"),
        ("sparse", {}, "the sweep was given no hyper-parameter: expected some of code, hidden"),
        ("sparse", {"weight": []}, "the sweep was given no value of weight: expected at least one"),
        ("sparse", {"weight": [1.0, 2.0, 1.0]}, "the sweep was given a value of weight twice: expected each once"),
        ("sparse", {"weight": [-1.0]}, "weight=-1.0: expected zero or a number above"),
    ],
)
def test_grids_that_cannot_be_used_are_refused(name, grid, sentence, small):
    with pytest.raises(InvalidInput, match=sentence):
        sweep(name, small, grid, **SETTINGS)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(("given", "said"), [(0.1, "weight=0.1"), ("abc", "weight='abc'")])
def test_a_value_that_is_no_list_is_refused(given, said, small):
    with pytest.raises(InvalidInput, match=f"the sweep was given {said}: expected a list of values"):
        sweep("sparse", small, {"weight": given}, **SETTINGS)


def test_ctrl_c_hands_over_the_populations_so_far(structures, small):
    calls = []

    def interrupt(progress):
        calls.append(progress)
        if len(calls) == 3:
            raise KeyboardInterrupt

    grid = {"code": [2, 4], "learning_rate": [1e-3, 1e-2], "hidden": [(12,)]}
    with pytest.raises(TrainingInterrupted) as raised:
        sweep("undercomplete", small, grid, progress=interrupt, **SETTINGS)
    so_far = raised.value.run
    assert isinstance(so_far, Sweep)
    assert [run.record["interrupted"] for run in so_far.runs] == [False, True]
    assert so_far.rows == [row for row in structures.rows if row["code"] == 2]


def test_a_sweep_that_goes_on_comes_to_the_same(structures, small, tmp_path):
    grid = {"code": [2, 4], "learning_rate": [1e-3, 1e-2], "hidden": [(12,)]}
    told = []

    def interrupt(progress):
        told.append(progress.epoch)
        if len(told) == 3:
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(TrainingInterrupted) as raised:
        sweep("undercomplete", small, grid, checkpoints=tmp_path, progress=interrupt, **SETTINGS)
    assert raised.value.run.names == ["undercomplete-1", "undercomplete-2"]
    assert {path.name for path in tmp_path.iterdir()} == {"study.json", "undercomplete-1", "undercomplete-2"}
    resumed = sweep("undercomplete", small, grid, checkpoints=tmp_path, resume=True, progress=interrupt, **SETTINGS)
    assert told == [1, 2, 1, 2]
    times = ("wall_s", "compile_s", "programs", "programs_compiled")
    ours, theirs = ({k: v for k, v in study.results().items() if k not in times} for study in (resumed, structures))
    assert as_json(ours) == as_json(theirs)


def test_the_first_of_several_structures_is_called_so_before_there_is_another(structures):
    assert dataclasses.replace(structures, runs=structures.runs[:1]).names == ["undercomplete-1"]
    assert structures.populations == 2


def test_a_sweep_too_large_for_memory_is_trained_in_parts_and_says_so(weights, small, monkeypatch):
    grid = SIZES | {"weight": [0.1, 10.0], "learning_rate": [1e-2, 1e-12]}
    parameters = weights.runs[0].parameters
    monkeypatch.setattr(
        sys.modules["ae_jax.studies.sweep"], "room_for_states", lambda: 4 * 8 * parameters * 5
    )  # of five of eight
    with watch_compilation() as compilation:
        found = sweep("contractive", small, grid, **SETTINGS)
    assert [len(run) for run in found.runs] == [4, 4]
    assert found.names == ["contractive-1", "contractive-2"]
    assert found.messages[0].startswith(f"contractive: 8 members of {parameters:,} parameters are trained as 2 popul")
    assert compilation.programs <= 6  # the second population needs none
    ours, whole = (
        {(row["weight"], row["learning_rate"], row["seed"], row["metric"]): row["value"] for row in study.rows}
        for study in (found, weights)
    )
    assert ours.keys() == whole.keys()
    np.testing.assert_allclose([ours[key] for key in whole], list(whole.values()), rtol=2e-4, atol=1e-5)


def test_a_setting_whose_seeds_do_not_fit_is_one_population(small):
    settings = grid_points("contractive", SIZES | {"weight": [0.1, 10.0]})
    populations, messages = populations_of("contractive", small, settings, seeds=10**9)
    assert [[point.place for point in points] for points in populations] == [[0], [1]]
    (message,) = messages
    assert "trained as 2 populations, one after the other" in message
    (one,), messages = populations_of("contractive", small, settings[:1], seeds=10**9)
    assert len(one) == 1
    assert "trained all the same, as the states of all do not fit" in messages[0]


@pytest.mark.parametrize(
    ("backend", "mesh", "sizes"),
    [("cpu", "member=2", [2, 2, 2]), ("gpu", "member=2", [6]), ("gpu", "data=2", [3, 3]), ("gpu", "member=4", [6])],
)
def test_each_accelerator_that_members_are_divided_over_has_its_own_memory(
    monkeypatch, small, weights, backend, mesh, sizes
):
    """Which holds three of six members here; a mesh of two has equal shares of every population."""
    settings = grid_points("contractive", SIZES | {"weight": [0.1, 1.0, 10.0], "learning_rate": [1e-2, 1e-12]})
    room = 4 * 8 * weights.runs[0].parameters * 3
    monkeypatch.setattr(sys.modules["ae_jax.studies.sweep"], "room_for_states", lambda: room)
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    populations, _ = populations_of("contractive", small, settings, seeds=1, mesh=mesh)
    assert [len(points) for points in populations] == sizes


def test_no_seeds_are_refused(small):
    with pytest.raises(InvalidInput, match="fit was given no seeds: expected at least one"):
        sweep("contractive", small, SIZES, seeds=[])


def test_settings_that_diverge_are_named_and_the_others_stay(small):
    grid = SIZES | {"learning_rate": [1e-3, 1e30]}
    with pytest.warns(RuntimeWarning, match="undercomplete diverged in 2 of 4 members"):
        found = sweep("undercomplete", small, grid, **SETTINGS)
    assert len(found.messages) == 1
    assert found.messages[0].startswith("undercomplete diverged in 2 of 4 members, first with seed 5 at epoch 1")
    assert found.runs[0].finite.tolist() == [True, True, False, False]
    errors = {row["learning_rate"]: row["value"] for row in found.rows if row["metric"] == "mse"}
    assert errors[1e-3] < 0.5
