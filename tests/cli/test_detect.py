"""``detect``: scores, thresholds, explanations, and how well labels agree."""

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ae_jax.cli.detect import abnormal_examples
from ae_jax.data import load
from ae_jax.errors import InvalidInput
from ae_jax.evaluation import anomaly_score


def test_scores_flags_labels_and_contributions_are_written(call, run_folder, run, file, x, labels):
    line = ["detect", run_folder, "--data", file, "--reference", file, "--contamination", 0.25, "--explain", 2]
    found = call(*line, "--out", "scores.npy").table("scores.npy")
    names = ["feature_1", "contribution_1", "feature_2", "contribution_2"]
    assert list(found.columns) == ["index", "score", "abnormal", "label", *names]
    scorer = anomaly_score(run, "reconstruction_error")
    scores, contributions = scorer.score(x), scorer.explain(x)
    np.testing.assert_array_equal(found["score"], scores)
    np.testing.assert_array_equal(found["abnormal"], scores > np.quantile(scores, 0.75))
    np.testing.assert_array_equal(found["label"], labels)
    row, column = np.unravel_index(contributions[40].argmax(), (8, 8))
    assert found["feature_1"][40] == f"{row},{column}"
    assert found["contribution_2"][40] == np.sort(contributions[40].ravel())[-2]


def test_labels_that_are_0_and_1_tell_what_is_abnormal(call, run_folder, run, file, x, labels):
    outcome = call("detect", run_folder, "--data", file, "--picture", "ends.png", "--json")
    scores = anomaly_score(run, "reconstruction_error").score(x)
    assert outcome.json()["metrics"]["roc_auc"] == pytest.approx(roc_auc_score(labels, scores))
    outcome.picture("ends.png")


def test_abnormal_labels_can_be_named(call, run_folder, run, file, x, labels, tmp_path):
    np.savez(tmp_path / "named.npz", x=x, kind=np.where(labels == 1, "odd", np.where(x[:, 0, 2] > 0, "even", "rare")))
    line = ["detect", run_folder, "--data", "named.npz", "--label", "kind"]
    told = call(*line).ok().out
    assert "ROC AUC" not in told
    assert "name those that do with --abnormal\n" in told
    outcome = call(*line, "--abnormal", "odd", "rare", "--score", "knn_code", "--reference", file).ok()
    truth = (labels == 1) | (x[:, 0, 2] == 0)
    auc = roc_auc_score(truth, anomaly_score(run, "knn_code", x).score(x))
    assert f"ROC AUC {auc:.4f}, average precision" in outcome.out
    call(*line, "--abnormal", "weird").refused("unknown label 'weird'")
    call(*line, "--abnormal", "odd", "rare", "even").refused("all 64 examples are abnormal")


def test_the_training_split_of_a_data_set_by_name_is_the_reference(call, run_folder, run, embedded):
    outcome = call("detect", run_folder, "--score", "mahalanobis", "--explain", 1, "--picture", "ends.png")
    scores = anomaly_score(run, "mahalanobis", embedded.train.x).score(embedded.test.x)
    np.testing.assert_array_equal(outcome.table("scores.csv")["score"], scores)
    outcome.picture("ends.png")


def test_the_file_trained_on_is_the_reference_while_it_is_what_it_was(call, run_folder, run, file, x, tmp_path):
    np.savez(tmp_path / "new.npz", x=x[:5])
    found = call("detect", run_folder, "--data", "new.npz", "--contamination", 0.1, "--score", "mahalanobis")
    train = load(file, scaling=run.scaling).train.x
    expected = anomaly_score(run, "mahalanobis", train).score(x[:5])
    np.testing.assert_array_equal(found.table("scores.csv")["score"], expected)
    moved = dataclasses.replace(run, record=run.record | {"source": ["new.npz", 0]}).save(tmp_path / "moved")
    line = ["detect", moved, "--data", "new.npz", "--contamination", 0.1]
    call(*line).refused("compares with normal examples, and new is no longer what the run was trained on")


def test_labels_tell_what_is_abnormal():
    assert abnormal_examples(np.array([0.0, 1.0, 1.0]), None).tolist() == [0, 1, 1]
    assert abnormal_examples(np.array([True, False]), ("False",)).tolist() == [0, 1]
    assert abnormal_examples(np.array([True, False]), None).tolist() == [1, 0]
    assert abnormal_examples(np.array([0.5, 1.5]), None) is None
    assert abnormal_examples(np.array([0, 1, 2]), None) is None
    assert abnormal_examples(np.array([0.0, 1.0, 2.0]), ("2", "1")).tolist() == [0, 1, 1]
    with pytest.raises(InvalidInput, match=r"expected some of 0, 1, 10, 11, 12, ... \(99 in all"):
        abnormal_examples(np.arange(99), ("x",))
    with pytest.raises(InvalidInput, match="the data have measurements as labels"):
        abnormal_examples(np.array([0.5, 1.5]), ("0.5",))


REFUSED = {
    "--data {file} --contamination 0": "--contamination was given 0: expected a share above 0",
    "--data {file} --score mahalanobs": "unknown anomaly score 'mahalanobs': did you mean 'mahalanobis'?",
    "--data {file} --score negative_elbo": "has no evidence lower bound",
    "--data {file} --explain 65": "--explain was given 65: expected a number of features, from 0 to 64.",
    "--data {file} --abnormal 1 --label kind": "unknown array of",
    "--data bare.npy --abnormal 1": "the data have no labels",
    "--data bare.npy --label kind": "bare.npy was given --label",
}


@pytest.mark.parametrize("line", REFUSED)
def test_options_that_cannot_be_used_are_refused(call, run_folder, file, line, x, tmp_path):
    np.save(tmp_path / "bare.npy", x)
    call("detect", run_folder, *line.format(file=file).split()).refused(REFUSED[line])
    assert [path.name for path in tmp_path.iterdir()] == ["bare.npy"]
