import json

import numpy as np
import pytest

from ae_jax.evaluation import METRICS
from ae_jax.studies import Interval, as_json, best, interval, summarise, write_results


def row(autoencoder, seed, metric, value, **further):
    return {"autoencoder": autoencoder, "seed": seed, "metric": metric, "value": value, "split": "test", **further}


def means(**values):
    return {group: {"mse": Interval(mean, None, 1), "kl": Interval(mean, None, 1)} for group, mean in values.items()}


def test_an_interval_is_student_s_own():
    # Student 1908, hours of sleep gained by ten patients; R 4.3, t.test(sleep): 1.58, from 0.7001142 to 2.4598858.
    hours = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]
    mean, half_width, count, _ = interval(hours)
    np.testing.assert_allclose([mean, mean - half_width, mean + half_width], [1.58, 0.7001142, 2.4598858], rtol=1e-7)
    assert count == 10


def test_one_value_has_no_interval_and_none_has_no_mean():
    assert interval([4.0]) == Interval(4.0, None, 1)
    mean, half_width, count, _ = interval([])
    assert np.isnan(mean)
    assert (half_width, count) == (None, 0)
    # None is what results.json holds in place of NaN.
    assert interval([1.0, float("nan"), 2.0, float("inf"), None, 3.0]) == interval([1.0, 2.0, 3.0])


def test_groups_stand_in_order_of_appearance_and_metrics_in_the_table_s():
    rows = [
        row("b", 0, "kl", 1.0),
        row("b", 0, "mse", 0.5),
        row("a", 0, "mse", 0.1),
        row("b", 1, "mse", 0.7),
        row("a", 0, "mse", 9.0) | {"split": "validation"},
    ]
    summary = summarise(rows)
    assert list(summary) == ["b", "a"]
    assert list(summary["b"]) == ["mse", "kl"]
    assert summary["b"]["mse"] == interval([0.5, 0.7])
    assert summary["a"] == {"mse": Interval(0.1, None, 1)}
    assert summarise(rows, split="validation") == {"a": {"mse": Interval(9.0, None, 1)}}
    assert summarise(rows, split="train") == {}


def test_several_keys_make_groups_of_their_combinations():
    rows = [
        row("sparse", seed, "mse", weight * 10 + target + seed, weight=weight, target=target)
        for weight in (1, 2)
        for target in (0.05, 0.1)
        for seed in (0, 1)
    ]
    summary = summarise(rows, by=("weight", "target"))
    assert list(summary) == [
        "weight=1, target=0.05",
        "weight=1, target=0.1",
        "weight=2, target=0.05",
        "weight=2, target=0.1",
    ]
    assert summary["weight=2, target=0.1"]["mse"] == interval([20.1, 21.1])
    assert list(summarise(rows, by=("weight",))) == ["1", "2"]
    assert summarise(rows, by=("weight",))["1"]["mse"].count == 4


def test_members_that_diverged_are_left_out_of_means():
    rows = [row("a", 0, "mse", 0.5), row("a", 1, "mse", 70.0, finite=False), row("a", 2, "mse", 0.7, finite=True)]
    assert summarise(rows)["a"]["mse"] == interval([0.5, 0.7])


def test_best_is_low_or_high_as_the_metric_says():
    summary = {
        "a": {"mse": Interval(0.1, None, 1), "knn_accuracy": Interval(0.5, None, 1)},
        "b": {"mse": Interval(0.2, None, 1), "knn_accuracy": Interval(0.9, None, 1)},
        "c": {"knn_accuracy": Interval(0.7, None, 1)},
    }
    assert METRICS["mse"].better == "low"
    assert METRICS["knn_accuracy"].better == "high"
    assert best(summary, "mse") == "a"
    assert best(summary, "knn_accuracy") == "b"


def test_nothing_is_best_where_no_way_is_better_or_nobody_has_a_number():
    assert METRICS["kl"].better is None
    assert best(means(a=0.1, b=0.2), "kl") is None
    assert best(means(a=0.1), "negative_elbo") is None
    assert best({}, "mse") is None
    assert best(means(a=float("nan")), "mse") is None
    assert best(means(a=float("nan"), b=0.3), "mse") == "b"


def test_results_are_json_in_which_values_that_are_not_finite_are_null(tmp_path):
    value = float("nan")
    results = {"rows": [{"value": value, "other": 1.5}], "pair": (np.float64("-inf"), 2)}
    path = write_results(tmp_path / "new" / "folder" / "results.json", results)
    assert path == tmp_path / "new" / "folder" / "results.json"
    assert path.read_text() == as_json(results)
    assert json.loads(path.read_text(), parse_constant=pytest.fail) == {
        "rows": [{"value": None, "other": 1.5}],
        "pair": [None, 2],
    }
