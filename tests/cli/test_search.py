"""``search``: neighbours of queries in a database, by codes or bits."""

import numpy as np
import pytest

from ae_jax.evaluation import binarise, retrieval_metrics, search, thresholds_of


def test_neighbours_other_than_the_query_are_found(call, run_folder, run, file, x, labels):
    outcome = call("search", run_folder, "--data", file, "--k", 3, "--picture", "found.png")
    codes = run.encode(x)
    expected = search(codes, codes, k=3, exclude_self=True)
    found = outcome.table("neighbours.csv")
    assert list(found.columns) == ["query", "rank", "index", "distance", "query_label", "label"]
    assert found["query"].tolist() == [query for query in range(64) for _ in range(3)]
    assert found["rank"].tolist() == 64 * [1, 2, 3]
    np.testing.assert_array_equal(found["index"].to_numpy().reshape(64, 3), expected.indices)
    np.testing.assert_array_equal(found["distance"].to_numpy(np.float32).reshape(64, 3), expected.distances)
    np.testing.assert_array_equal(found["label"], labels[found["index"]])
    np.testing.assert_array_equal(found["query_label"], labels[found["query"]])
    metrics = retrieval_metrics(expected.indices, labels, labels, k=3, exclude_self=True)
    assert f"mAP@3 {metrics['map_at_k']:.4f}, precision@3 {metrics['precision_at_k']:.4f}, recall@3" in outcome.out
    outcome.picture("found.png")


def test_bits_are_compared(call, run_folder, run, file, x, tmp_path):
    np.save(tmp_path / "asked.npy", x[:5])
    line = ["search", run_folder, "--data", file, "--queries", "asked.npy", "--k", 4, "--binarise"]
    outcome = call(*line, "--out", "found.tsv", "--json")
    summary = outcome.json()
    expected = {"metric": "hamming", "binarised": True, "database": 64, "queries": 5, "metrics": {}}
    assert summary | expected == summary
    codes = run.encode(x)
    thresholds = thresholds_of(codes)
    expected = search(binarise(codes[:5], thresholds), binarise(codes, thresholds), k=4, metric="hamming")
    found = outcome.table("found.tsv")
    assert list(found.columns) == ["query", "rank", "index", "distance", "label"]
    np.testing.assert_array_equal(found["index"].to_numpy().reshape(5, 4), expected.indices)
    np.testing.assert_array_equal(found["distance"].to_numpy().reshape(5, 4), expected.distances)


def test_queries_may_have_labels_of_another_name_or_none(call, run_folder, file, x, labels, tmp_path):
    np.savez(tmp_path / "asked.npz", x=x[:5], kind=labels[:5])
    np.save(tmp_path / "bare.npy", x[:5])
    line = ["search", run_folder, "--data", file, "--label", "y", "--k", 1, "--queries"]
    found = call(*line, "asked.npz", "--query-label", "kind").table("neighbours.csv")
    assert found["query_label"].tolist() == labels[:5].tolist()
    assert "query_label" not in call(*line, "bare.npy").table("neighbours.csv").columns


def test_queries_are_the_test_split_by_default_and_never_their_own_neighbours(call, run_folder, run, file, embedded):
    codes = run.encode(embedded.test.x)
    expected = search(codes, codes, k=2, exclude_self=True).indices
    found = call("search", run_folder, "--metric", "cosine", "--k", 2).table("neighbours.csv")
    nearest = search(codes, run.encode(embedded.train.x), k=2, metric="cosine").indices
    np.testing.assert_array_equal(found["index"].to_numpy().reshape(-1, 2), nearest)
    for queries in ([], ["--queries", "few"]):
        found = call("search", run_folder, "--split", "test", "--k", 2, *queries).table("neighbours.csv")
        np.testing.assert_array_equal(found["index"].to_numpy().reshape(-1, 2), expected)
    found = call("search", run_folder, "--data", file, "--queries", file, "--k", 2).table("neighbours.csv")
    assert len(found) == 128
    assert (found["query"] != found["index"]).all()


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (np.arange(64) + 0.5, "labels are measurements and name no classes"),
        (np.arange(64), "no query shares its label with another example"),
    ],
)
def test_neighbours_are_written_where_labels_tell_nothing_of_them(call, run_folder, x, kind, reason, tmp_path):
    np.savez(tmp_path / "odd.npz", x=x, kind=kind)
    outcome = call("search", run_folder, "--data", "odd.npz", "--label", "kind", "--picture", "found.png")
    assert f"were left out, as {reason}\n" in outcome.ok().out
    assert len(outcome.table("neighbours.csv")) == 640
    outcome.picture("found.png")


REFUSED = {
    "--data {file} --query-label y": "--query-label was given without --queries",
    "--data {file} --metric hamming": "hamming counts bits that differ",
    "--data {file} --metric manhatan": "invalid choice 'manhatan'",
    "--data {file} --k 64": "search was given fewer rows than neighbours",
    "--data {file} --k 0": "search was given k=0",
    "--split all": "would find themselves",
    "--queries few --split all": "expected --split train, or other examples with --queries.",
}


@pytest.mark.usefixtures("embedded")
@pytest.mark.parametrize("line", REFUSED)
def test_options_that_cannot_be_used_are_refused(call, run_folder, file, line):
    outcome = call("search", run_folder, *line.format(file=file).split())
    outcome.refused(REFUSED[line])
    assert list(outcome.folder.iterdir()) == []
