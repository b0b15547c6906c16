"""The uses of one autoencoder: what they write is read back and compared with what Python gives."""

import csv
import json
from pathlib import Path

import jax
import numpy as np
import pandas
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

import ae_jax
from ae_jax.cli.denoising import corruption_of, judge_denoising
from ae_jax.cli.detection import explained, truth_of
from ae_jax.cli.using import Use
from ae_jax.corruptions import Masking
from ae_jax.data import ReadOptions
from ae_jax.data.files import read
from ae_jax.errors import InvalidInput
from ae_jax.evaluation import anomaly_score, binarise, retrieval_metrics, search, thresholds_of

TABLES = ["csv", "tsv", "parquet"]


@pytest.fixture(scope="module")
def variational(compared):
    """Two members of a variational autoencoder of images."""
    return compared.folder / "runs" / "compare-few" / "runs" / "variational"


@pytest.fixture(scope="module")
def run(run_folder):
    return ae_jax.load(run_folder)


@pytest.fixture(scope="module")
def x(file):
    with np.load(file) as data:
        return data["x"]


@pytest.fixture(scope="module")
def labels(file):
    with np.load(file) as data:
        return data["y"]


def table(path: Path) -> pandas.DataFrame:
    if path.suffix == ".parquet":
        return pandas.read_parquet(path)
    return pandas.read_csv(path, sep="\t" if path.suffix == ".tsv" else ",")


def succeeded(outcome):
    assert outcome.code == 0, outcome.err
    return outcome


def drawn(path: Path) -> None:
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert min(image.size) > 120
        assert max(image.size) < 3000
        assert len(np.unique(np.asarray(image.convert("L")))) > 10


def summary_of(outcome) -> dict:
    assert succeeded(outcome).err == ""
    return json.loads(outcome.out)


@pytest.mark.parametrize("suffix", TABLES)
def test_reduce_writes_codes_and_labels(call, run_folder, run, file, x, labels, suffix):
    outcome = succeeded(call("reduce", run_folder, "--data", file, "--out", f"codes.{suffix}"))
    assert outcome.out == f"64 examples in 2 numbers each\ncodes.{suffix}: 64 rows of z0, z1, label\n"
    found = table(outcome.folder / f"codes.{suffix}")
    assert list(found.columns) == ["z0", "z1", "label"]
    np.testing.assert_array_equal(found[["z0", "z1"]].to_numpy(np.float32), run.encode(x))
    np.testing.assert_array_equal(found["label"], labels)


def test_reduce_to_an_array_says_that_labels_are_left_out(call, run_folder, run, file, x):
    outcome = succeeded(call("reduce", run_folder, "--data", file, "--out", "codes.npy"))
    assert outcome.out.endswith("codes.npy: float32, shape (64, 2)\n")
    assert outcome.err == (
        "ae-jax: note: codes.npy is written without labels, which a .csv, .tsv or .parquet file keeps.\n"
    )
    np.testing.assert_array_equal(np.load(outcome.folder / "codes.npy"), run.encode(x))


def test_reduce_draws_a_map_and_sums_up(call, run_folder, file):
    outcome = call("reduce", run_folder, "--data", file, "--picture", "map.png", "--json")
    summary = summary_of(outcome)
    assert (summary["use"], summary["autoencoder"], summary["member"], summary["seed"]) == (
        "reduce",
        "undercomplete",
        0,
        0,
    )
    assert (summary["examples"], summary["code"]) == (64, 2)
    assert list(summary["written"]) == ["codes.csv", "map.png"]
    drawn(outcome.folder / "map.png")


@pytest.mark.parametrize(("split", "count"), [("train", 45), ("all", 64)])
def test_splits_of_a_data_set_by_name_keep_their_labels(call, run_folder, embedded, split, count):
    found = table(succeeded(call("reduce", run_folder, "--split", split)).folder / "codes.csv")
    assert len(found) == count
    assert found["label"][:45].tolist() == embedded.train.labels.tolist()


def test_of_several_members_the_first_finite_is_taken_and_named(call, variational, file, x):
    outcome = succeeded(call("reduce", variational, "--data", file))
    assert outcome.err == "ae-jax: note: the run has 2 members; this is member 0, of seed 0.\n"
    other = succeeded(call("reduce", variational, "--data", file, "--member", 1, "--out", "other.csv"))
    assert other.err == ""
    codes = ae_jax.load(variational).encode(x)
    for place, name in enumerate(("codes.csv", "other.csv")):
        found = table(outcome.folder / name).drop(columns="label").to_numpy(np.float32)
        np.testing.assert_array_equal(found, codes[place])


def test_a_single_image_is_one_example(call, run_folder, run, x, tmp_path):
    Image.fromarray(x[5]).save(tmp_path / "one.png")
    found = table(succeeded(call("reduce", run_folder, "--data", "one.png")).folder / "codes.csv")
    np.testing.assert_array_equal(found.to_numpy(np.float32), run.encode(x[5:6]))


def test_denoise_writes_what_reconstruct_gives(call, run_folder, run, file, x):
    outcome = succeeded(call("denoise", run_folder, "--data", file))
    assert outcome.out == "64 examples\ndenoised.npy: float32, shape (64, 8, 8)\n"
    np.testing.assert_array_equal(np.load(outcome.folder / "denoised.npy"), run.reconstruct(x))


@pytest.mark.parametrize("suffix", TABLES)
def test_denoised_rows_keep_labels_and_come_back_in_their_shape(call, run_folder, run, file, x, labels, suffix):
    outcome = succeeded(call("denoise", run_folder, "--data", file, "--out", f"x.{suffix}"))
    contents = read(outcome.folder / f"x.{suffix}", ReadOptions(label="label", shape=(8, 8)))["all"]
    np.testing.assert_array_equal(contents.x, run.reconstruct(x))
    np.testing.assert_array_equal(contents.labels, labels)


def test_denoised_bytes_are_pictures_that_the_run_reads_again(call, run_folder, run, file, x):
    outcome = succeeded(call("denoise", run_folder, "--data", file, "--out", "made/"))
    assert outcome.out.endswith("made/: 64 pictures of 8 x 8, rounded and clipped to bytes\n")
    expected = np.clip(np.rint(run.reconstruct(x)), 0, 255)
    np.testing.assert_array_equal(read(outcome.folder / "made")["all"].x, expected)
    assert succeeded(call("reduce", run_folder, "--data", "made")).out.startswith("64 examples")
    refused(call("denoise", run_folder, "--data", file, "--out", "made/"), "the folder made holds something already")


def test_denoise_damages_by_a_seed_and_judges_by_the_clean_examples(call, run_folder, run, file, x):
    line = ["denoise", run_folder, "--data", file, "--corrupt", "masking:0.4", "--seed", 3]
    summary = summary_of(call(*line, "--json"))
    outcome = succeeded(call(*line, "--picture", "strip.png"))
    clean = np.float32(x) / run.scaling.scale
    noisy = np.asarray(Masking(probability=0.4)(jax.random.key(3), jax.numpy.asarray(clean)))
    denoised = run.reconstruct(noisy * run.scaling.scale)
    np.testing.assert_allclose(np.load(outcome.folder / "denoised.npy"), denoised, atol=1e-4)
    for name, made in (("noisy", noisy), ("denoised", denoised / run.scaling.scale)):
        decibels = -10 * np.log10(np.square(made - clean).mean())
        assert summary["metrics"][f"psnr_{name}"] == pytest.approx(decibels, rel=1e-4)
        assert f"{name}: PSNR {decibels:.2f} dB, SSIM {summary['metrics'][f'ssim_{name}']:.3f}" in outcome.out
    assert (summary["corruption"], summary["level"], summary["noise_seed"]) == ("masking", 0.4, 3)
    assert summary["data_range"] == 1.0
    drawn(outcome.folder / "strip.png")


def test_denoise_is_judged_by_clean_examples_of_a_file(call, run_folder, run, file, x, tmp_path):
    noisy = np.minimum(x + 3, 16).astype(np.uint8)
    np.save(tmp_path / "noisy.npy", noisy)
    summary = summary_of(call("denoise", run_folder, "--data", "noisy.npy", "--clean", file, "--json"))
    error = np.square((noisy.astype(float) - x) / run.scaling.scale).mean()
    assert summary["metrics"]["psnr_noisy"] == pytest.approx(-10 * np.log10(error), rel=1e-5)
    np.save(tmp_path / "less.npy", noisy[:5])
    sentence = "--clean has examples of shape (64, 8, 8) and --data of (5, 8, 8): expected the same examples, without"
    refused(call("denoise", run_folder, "--data", "less.npy", "--clean", file), sentence)


@pytest.mark.parametrize("suffix", [*TABLES, "npy"])
def test_detect_writes_scores_and_what_contributes(call, run_folder, run, file, x, labels, suffix):
    line = ["detect", run_folder, "--data", file, "--reference", file, "--contamination", 0.25, "--explain", 2]
    outcome = succeeded(call(*line, "--out", f"scores.{suffix}"))
    if suffix == "npy":
        found = pandas.DataFrame(np.load(outcome.folder / "scores.npy"))
    else:
        found = table(outcome.folder / f"scores.{suffix}")
    names = ["feature_1", "contribution_1", "feature_2", "contribution_2"]
    assert list(found.columns) == ["index", "score", "abnormal", "label", *names]
    scorer = anomaly_score(run, "reconstruction_error")
    scores, contributions = scorer.score(x), scorer.explain(x)
    np.testing.assert_array_equal(found["index"], np.arange(64))
    np.testing.assert_array_equal(found["score"], scores)
    np.testing.assert_array_equal(found["abnormal"], scores > np.quantile(scores, 0.75))
    np.testing.assert_array_equal(found["label"], labels)
    for row in (0, 40):
        row_, column = np.unravel_index(contributions[row].argmax(), (8, 8))
        assert found["feature_1"][row] == f"{row_},{column}"
        assert found["contribution_1"][row] == contributions[row].max()
        assert found["contribution_2"][row] == np.sort(contributions[row].ravel())[-2]


def test_detect_judges_by_labels_that_are_0_and_1(call, run_folder, run, file, x, labels):
    outcome = call("detect", run_folder, "--data", file, "--picture", "ends.png", "--json")
    summary = summary_of(outcome)
    drawn(outcome.folder / "ends.png")
    scores = anomaly_score(run, "reconstruction_error").score(x)
    assert summary["metrics"]["roc_auc"] == pytest.approx(roc_auc_score(labels, scores))
    assert 0 < summary["metrics"]["average_precision"] < 1


def test_detect_judges_by_the_labels_named(call, run_folder, run, file, x, labels, tmp_path):
    np.savez(tmp_path / "named.npz", x=x, kind=np.where(labels == 1, "odd", np.where(x[:, 0, 2] > 0, "even", "rare")))
    line = ["detect", run_folder, "--data", "named.npz", "--label", "kind"]
    told = succeeded(call(*line)).out
    assert "ROC AUC" not in told
    assert "labels do not say what is abnormal: name those that do with --abnormal\n" in told
    outcome = succeeded(call(*line, "--abnormal", "odd", "rare", "--score", "knn_code", "--reference", file))
    truth = (labels == 1) | (x[:, 0, 2] == 0)
    scores = anomaly_score(run, "knn_code", x).score(x)
    auc = roc_auc_score(truth, scores)
    assert f"ROC AUC {auc:.4f}, average precision" in outcome.out
    assert f", {truth.sum()} abnormal by their labels\n" in outcome.out
    refused(call(*line, "--abnormal", "weird"), "unknown label 'weird'")
    refused(call(*line, "--abnormal", "odd", "rare", "even"), "all 64 examples are abnormal: expected some of both")


def test_detect_compares_with_the_training_split_of_a_data_set_by_name(call, run_folder, run, embedded):
    outcome = succeeded(call("detect", run_folder, "--score", "mahalanobis", "--explain", 1, "--picture", "ends.png"))
    scores = anomaly_score(run, "mahalanobis", embedded.train.x).score(embedded.test.x)
    np.testing.assert_array_equal(table(outcome.folder / "scores.csv")["score"], scores)
    drawn(outcome.folder / "ends.png")


def test_search_finds_neighbours_other_than_the_query(call, run_folder, run, file, x, labels):
    outcome = succeeded(call("search", run_folder, "--data", file, "--k", 3, "--picture", "found.png"))
    codes = run.encode(x)
    expected = search(codes, codes, k=3, exclude_self=True)
    found = table(outcome.folder / "neighbours.csv")
    assert list(found.columns) == ["query", "rank", "index", "distance", "query_label", "label"]
    assert found["query"].tolist() == [query for query in range(64) for _ in range(3)]
    assert found["rank"].tolist() == 64 * [1, 2, 3]
    np.testing.assert_array_equal(found["index"].to_numpy().reshape(64, 3), expected.indices)
    np.testing.assert_array_equal(found["distance"].to_numpy(np.float32).reshape(64, 3), expected.distances)
    assert (found["query"] != found["index"]).all()
    np.testing.assert_array_equal(found["label"], labels[found["index"]])
    np.testing.assert_array_equal(found["query_label"], labels[found["query"]])
    metrics = retrieval_metrics(expected.indices, labels, labels, k=3, exclude_self=True)
    assert f"mAP@3 {metrics['map_at_k']:.4f}, precision@3 {metrics['precision_at_k']:.4f}, recall@3" in outcome.out
    drawn(outcome.folder / "found.png")


@pytest.mark.parametrize("suffix", ["tsv", "parquet", "npy"])
def test_search_compares_bits(call, run_folder, run, file, x, tmp_path, suffix):
    np.save(tmp_path / "asked.npy", x[:5])
    line = ["search", run_folder, "--data", file, "--queries", "asked.npy", "--k", 4, "--binarise"]
    summary = summary_of(call(*line, "--out", f"found.{suffix}", "--json"))
    assert (summary["metric"], summary["binarised"], summary["database"], summary["queries"]) == (
        "hamming",
        True,
        64,
        5,
    )
    assert summary["metrics"] == {}
    codes = run.encode(x)
    thresholds = thresholds_of(codes)
    expected = search(binarise(codes[:5], thresholds), binarise(codes, thresholds), k=4, metric="hamming")
    path = tmp_path / f"found.{suffix}"
    found = pandas.DataFrame(np.load(path)) if suffix == "npy" else table(path)
    assert list(found.columns) == ["query", "rank", "index", "distance", "label"]
    np.testing.assert_array_equal(found["index"].to_numpy().reshape(5, 4), expected.indices)
    np.testing.assert_array_equal(found["distance"].to_numpy().reshape(5, 4), expected.distances)


def test_search_asks_a_data_set_by_name_with_its_test_split(call, run_folder, run, embedded):
    outcome = succeeded(call("search", run_folder, "--metric", "cosine", "--k", 2))
    expected = search(run.encode(embedded.test.x), run.encode(embedded.train.x), k=2, metric="cosine")
    found = table(outcome.folder / "neighbours.csv")
    np.testing.assert_array_equal(found["index"].to_numpy().reshape(-1, 2), expected.indices)
    assert found["query_label"].tolist() == np.repeat(embedded.test.labels, 2).tolist()


def test_queries_may_have_labels_of_another_name(call, run_folder, file, x, labels, tmp_path):
    np.savez(tmp_path / "asked.npz", x=x[:5], kind=labels[:5])
    line = ["search", run_folder, "--data", file, "--label", "y", "--queries", "asked.npz", "--query-label", "kind"]
    found = table(succeeded(call(*line, "--k", 1)).folder / "neighbours.csv")
    assert found["query_label"].tolist() == labels[:5].tolist()


def test_no_query_is_its_own_neighbour(call, run_folder, run, file, x, embedded):
    codes = run.encode(embedded.test.x)
    expected = search(codes, codes, k=2, exclude_self=True).indices
    for queries in ([], ["--queries", "few"]):
        outcome = succeeded(call("search", run_folder, "--split", "test", "--k", 2, *queries))
        found = table(outcome.folder / "neighbours.csv")
        np.testing.assert_array_equal(found["index"].to_numpy().reshape(-1, 2), expected)
    outcome = succeeded(call("search", run_folder, "--data", file, "--queries", file, "--k", 2))
    found = table(outcome.folder / "neighbours.csv")
    assert len(found) == 2 * len(x)
    assert (found["query"] != found["index"]).all()


@pytest.mark.usefixtures("embedded")
@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("--split all", "search was given queries that are among the rows of few, its database, and would find"),
        ("--queries few --split all", "choose --split train, or other examples with --queries."),
        ("--data {file} --queries {file} --split train", "or each row of the database; leave --queries out."),
        ("--data {file} --queries {file} --split all", "or each row of the database; leave --queries out."),
    ],
)
def test_queries_that_are_some_rows_of_the_database_are_refused(call, run_folder, file, line, sentence):
    refused(call("search", run_folder, *line.format(file=file).split()), sentence)


def test_labels_of_queries_agree_as_classes(call, run_folder, file, x, labels, tmp_path):
    np.savez(tmp_path / "asked.npz", x=x[:5], y=labels[:5].astype(str))
    line = ["search", run_folder, "--data", file, "--k", 3, "--json", "--queries"]
    as_text = summary_of(call(*line, "asked.npz"))["metrics"]
    np.savez(tmp_path / "asked.npz", x=x[:5], y=labels[:5].astype(float))
    assert as_text == summary_of(call(*line, "asked.npz"))["metrics"]
    assert as_text["precision_at_k"] > 0


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (np.arange(64) + 0.5, "labels are measurements and name no classes"),
        (np.arange(64), "no query shares its label with another example"),
    ],
)
def test_neighbours_are_written_where_labels_say_nothing_of_them(call, run_folder, x, kind, reason, tmp_path):
    np.savez(tmp_path / "odd.npz", x=x, kind=kind)
    outcome = succeeded(call("search", run_folder, "--data", "odd.npz", "--label", "kind", "--picture", "found.png"))
    assert f"\nmAP, precision and recall were left out, as {reason}\n" in outcome.out
    assert len(table(outcome.folder / "neighbours.csv")) == 640
    drawn(outcome.folder / "found.png")


def test_queries_need_no_label_of_the_databases_name(call, run_folder, x, labels, tmp_path):
    np.savez(tmp_path / "named.npz", x=x, kind=labels)
    np.save(tmp_path / "bare.npy", x[:5])
    line = ["search", run_folder, "--data", "named.npz", "--label", "kind", "--queries", "bare.npy", "--k", 1]
    found = table(succeeded(call(*line)).folder / "neighbours.csv")
    assert list(found.columns) == ["query", "rank", "index", "distance", "label"]


def test_nothing_is_written_where_the_picture_cannot_be_drawn(call, run_folder, file, monkeypatch):
    def fail(_: object) -> bytes:
        raise InvalidInput("no picture.")

    monkeypatch.setattr("ae_jax.report.to_png", fail)
    for use in ("reduce", "denoise", "detect", "search"):
        outcome = call(use, run_folder, "--data", file, "--picture", "p.png")
        refused(outcome, "no picture.")
        assert list(outcome.folder.iterdir()) == []


def test_sample_draws_from_the_prior_by_a_seed(call, variational):
    drawn_ = []
    for seed in (0, 0, 1):
        outcome = succeeded(call("sample", variational, "--n", 3, "--seed", seed, "--member", 1))
        assert outcome.out == "samples.npy: float32, shape (3, 8, 8)\n"
        drawn_.append(np.load(outcome.folder / "samples.npy"))
    np.testing.assert_array_equal(drawn_[0], ae_jax.load(variational)[1].sample(3, seed=0))
    assert np.array_equal(drawn_[0], drawn_[1])
    assert not np.array_equal(drawn_[0], drawn_[2])


@pytest.mark.parametrize("out", ["samples.csv", "samples.parquet", "samples"])
def test_samples_are_written_in_every_format(call, variational, out):
    line = ["sample", variational, "--n", 4, "--member", 0, "--out", out, "--picture", "grid.png"]
    outcome = succeeded(call(*line))
    expected = ae_jax.load(variational)[0].sample(4)
    found = read(outcome.folder / out, ReadOptions(shape=None if out == "samples" else (8, 8)))["all"].x
    np.testing.assert_array_equal(found, np.clip(np.rint(expected), 0, 255) if out == "samples" else expected)
    drawn(outcome.folder / "grid.png")


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Forty rows of two numbers and a class whose name needs quoting."""
    path = tmp_path_factory.mktemp("table") / "people.csv"
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame(rng.normal([170, 100], [10, 20], (40, 2)), columns=["height", "income, net"])
    frame.assign(kind=np.where(frame["height"] > 170, "tall, dark", 'so "short"')).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def run_of_people(call_in, people, tmp_path_factory):
    small = ["--code", 2, "--hidden", 4, "--epochs", 2, "--batch-size", 16, "--out", "run"]
    line = ["train", "variational", "--data", people, "--label", "kind", "--scaling", "standard", *small]
    return succeeded(call_in(tmp_path_factory.mktemp("trained"), *line)).folder / "run"


def test_a_table_is_used_by_its_columns(call, run_of_people, people, tmp_path):
    frame = pandas.read_csv(people)
    frame[["kind", "income, net", "height"]].to_csv(tmp_path / "other.csv", index=False)
    run = ae_jax.load(run_of_people)
    line = ["--data", "other.csv", "--picture", "p.png", "--out"]
    reduced = table(succeeded(call("reduce", run_of_people, *line, "codes.csv")).folder / "codes.csv")
    assert reduced["label"].tolist() == frame["kind"].tolist()
    denoised = table(succeeded(call("denoise", run_of_people, *line, "new.csv")).folder / "new.csv")
    assert list(denoised.columns) == ["height", "income, net", "kind"]
    np.testing.assert_array_equal(denoised.iloc[:, :2].to_numpy(np.float32), run.reconstruct(frame))
    assert denoised["kind"].tolist() == frame["kind"].tolist()
    scored = succeeded(
        call(
            "detect",
            run_of_people,
            *line,
            "scores.csv",
            "--explain",
            1,
            "--score",
            "negative_elbo",
            "--reference",
            people,
            "--abnormal",
            "tall, dark",
        )
    )
    assert set(table(scored.folder / "scores.csv")["feature_1"]) <= {"height", "income, net"}
    found = table(succeeded(call("search", run_of_people, *line, "found.csv", "--k", 2)).folder / "found.csv")
    assert set(found["label"]) == set(frame["kind"])
    samples = succeeded(call("sample", run_of_people, "--out", "s.csv", "--picture", "p.png"))
    with (samples.folder / "s.csv").open(newline="") as file:
        assert next(csv.reader(file)) == ["height", "income, net"]
    drawn(tmp_path / "p.png")


def test_the_range_of_other_data_is_that_of_the_clean_examples(call, run_of_people, people):
    line = ["denoise", run_of_people, "--data", people, "--corrupt", "gaussian:0.5"]
    summary = summary_of(call(*line, "--json"))
    frame = pandas.read_csv(people)
    scaled = np.asarray(ae_jax.load(run_of_people).scaling(frame.iloc[:, :2].to_numpy(np.float32)))
    assert summary["data_range"] == pytest.approx(np.ptp(scaled), rel=1e-5)
    assert set(summary["metrics"]) == {"psnr_noisy", "psnr_denoised"}
    refused(call(*line, "--out", "pictures"), "which examples of shape 2 cannot be: expected a name that ends in")


def test_errors_are_told_where_decibels_mean_nothing(run_of_people):
    run = ae_jax.load(run_of_people)
    clean = np.tile(np.asarray(run.scaling.offset, np.float32), (4, 1))
    use = Use(run, {"metrics": {}}, [])
    judge_denoising(use, clean + np.asarray(run.scaling.scale, np.float32)[None], clean, clean)
    assert use.summary["metrics"] == {"mse_noisy": pytest.approx(1), "mse_denoised": 0}
    assert use.lines[0] == "noisy: mean squared error 1; no PSNR, as all clean values are 0"
    use = Use(run, {"metrics": {}}, [])
    other = clean + np.arange(4, dtype=np.float32)[:, None]
    judge_denoising(use, other, np.full_like(clean, np.nan), other)
    assert use.lines == ["noisy: PSNR inf dB", "denoised: PSNR nan dB"]


def test_pixels_of_a_table_are_pictures_again(call, file, x, labels, tmp_path):
    frame = pandas.DataFrame(x.reshape(64, 64)).rename(columns="pixel{}".format)
    frame.insert(0, "label", labels)
    frame.to_csv(tmp_path / "digits.csv", index=False)
    small = ["--code", 2, "--hidden", 4, "--epochs", 2, "--batch-size", 16, "--out", "run", "--scaling", "unit"]
    line = ["train", "undercomplete", "--data", "digits.csv", "--shape", 8, 8, "--label", "label", *small]
    succeeded(call(*line))
    outcome = succeeded(call("denoise", "run", "--data", "digits.csv", "--out", "made.csv"))
    made = table(outcome.folder / "made.csv")
    assert list(made.columns) == [*(f"pixel{place}" for place in range(64)), "label"]
    expected = ae_jax.load(tmp_path / "run").reconstruct(x)
    np.testing.assert_array_equal(made.drop(columns="label").to_numpy(np.float32).reshape(64, 8, 8), expected)
    pictures = succeeded(call("denoise", "run", "--data", "digits.csv", "--out", "made"))
    assert "made: 64 pictures of 8 x 8, 0 black and 16 white, clipped\n" in pictures.out


REFUSED = {
    "sample {run} --seed -1": "--seed was given '-1': expected a whole number from 0 to 4294967295.",
    "denoise {run} --data {file} --seed 4294967296": "--seed was given '4294967296': expected a whole number from 0",
    "denoise {run} --data {file} --clean {file} --split test": "--split was given test beside --clean: expected none",
    "denoise {run} --data {file} --corrupt gaussian:5": "--corrupt was given Gaussian(scale=5.0), after which values",
    "denoise {run} --data {file} --out made --picture made/p.png": "--picture was given made/p.png, inside made, the",
    "reduce {run} --data {file} --picture /proc/p.png": "choose another place with --picture.",
    "search {run} --data {file} --query-label y": "--query-label was given without --queries, which alone uses it",
    "sample {run}": "undercomplete has no prior to sample from: expected a variational",
    "search {run} --data {file} --metric hamming": "hamming counts bits that differ, and codes are numbers: expected",
    "search {run} --data {file} --metric manhatan": "unknown metric of search 'manhatan'",
    "search {run} --data {file} --k 64": "search was given fewer rows than neighbours: 63 other than the query for",
    "search {run} --data {file} --k 0": "search was given k=0: expected a whole number above zero.",
    "search {run}": "the run was trained on few, which has no name here: name it with --data.",
    "detect {run} --data {file} --contamination 0": "--contamination was given 0: expected a share above 0 and at most",
    "detect {run} --data {file} --contamination 0.6": "--contamination was given 0.6: expected a share above 0 and at",
    "detect {run} --data {file} --contamination 0.1": "--contamination compares with normal examples, and the run was",
    "detect {run} --data {file} --score mahalanobis": "mahalanobis compares with normal examples, and the run was",
    "detect {run} --data {file} --score mahalanobs": "unknown anomaly score 'mahalanobs': did you mean 'mahalanobis'?",
    "detect {run} --data {file} --score negative_elbo": "undercomplete has no evidence lower bound: expected a",
    "detect {run} --data {file} --explain 65": "--explain was given 65: expected a number of features, from 0 to 64.",
    "detect {run} --data wide.npy": "wide.npy has shape (5, 9): expected [examples, 8, 8], as the autoencoder was",
    "detect {run} --data bare.npy --abnormal 1": "--abnormal names labels, and the data have none: expected some",
    "detect {run} --data {file} --abnormal 1 --label kind": "unknown array of",
    "detect {run} --data bare.npy --label kind": "bare.npy was given --label, which a source of its kind does not use",
    "denoise {run} --data {file} --corrupt gauss:0.3": "unknown corruption 'gauss': did you mean 'gaussian'?",
    "denoise {run} --data {file} --corrupt gaussian": "--corrupt was given 'gaussian': expected FAMILY:LEVEL, such as",
    "denoise {run} --data {file} --corrupt masking:2": "Masking was given probability=2.0: expected a probability",
    "denoise {run} --data {file} --corrupt masking:0.1 --clean {file}": "denoise was given --corrupt and --clean",
    "denoise {run} --data {file} --out x.txt": "x.txt has an unknown ending: expected .npy, .csv, .tsv or .parquet, or",
    "reduce {run} --data {file} --out codes.txt": "codes.txt has an unknown ending: expected .npy, .csv, .tsv or",
    "reduce {run} --data {file} --out codes": "codes has no ending, as a folder of pictures, which a table cannot be",
    "reduce {run} --data {file} --out /proc/codes.csv": "/proc/codes.csv cannot be written (",
    "reduce {run} --data {file} --picture map.jpg": "--picture was given map.jpg: expected the name of a file",
    "reduce {run} --data {file} --picture .": "--picture was given .: expected the name of a file that ends in .png",
    "reduce {run} --data {file} --member 3": "the run has 1 members: there is no member 3.",
    "reduce {run} --data {file} --split tset": "unknown split 'tset': did you mean 'test'?",
    "reduce nowhere": "nowhere is no run: expected a folder with configuration.json",
}


def refused(outcome, sentence: str) -> None:
    assert outcome.err.startswith("ae-jax: "), outcome.out
    assert sentence in outcome.err
    assert outcome.err.count("\n") == 1
    assert (outcome.code, outcome.out) == (2, "")


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("line", REFUSED)
def test_what_cannot_be_done_is_refused_in_one_sentence(call, run_folder, file, line, tmp_path, x):
    np.save(tmp_path / "wide.npy", np.zeros((5, 9), np.uint8))
    np.save(tmp_path / "bare.npy", x)
    refused(call(*line.format(run=run_folder, file=file).split()), REFUSED[line])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bare.npy", "wide.npy"]


def test_labels_say_what_is_abnormal():
    assert truth_of(np.array([0.0, 1.0, 1.0]), None).tolist() == [0, 1, 1]
    assert truth_of(np.array([True, False]), ("False",)).tolist() == [0, 1]
    assert truth_of(np.array([True, False]), None).tolist() == [1, 0]
    assert truth_of(np.array([True, False]), ("1",)).tolist() == [1, 0]
    assert truth_of(np.array([0, 0]), None) is None
    assert truth_of(np.array([0.5, 1.5]), None) is None
    assert truth_of(np.array([0, 1, 2]), None) is None
    assert truth_of(np.array([0.0, 1.0, 2.0]), ("2", "1")).tolist() == [0, 1, 1]


def test_labels_that_say_nothing_are_refused_in_a_short_sentence():
    with pytest.raises(InvalidInput, match=r"^unknown label 'x': expected some of 0, 1, 10, 11, 12, ... \(99 in all"):
        truth_of(np.arange(99), ("x",))
    with pytest.raises(InvalidInput, match="--abnormal names labels, and those of the data are measurements: expected"):
        truth_of(np.array([0.5, 1.5]), ("0.5",))


def test_a_name_that_is_too_long_for_a_file_is_refused(call, run_folder, file):
    refused(call("reduce", run_folder, "--data", file, "--picture", f"{'x' * 300}.png"), "another place with --picture")
    refused(call("encode", run_folder, "--data", file, "--out", f"{'x' * 300}.npy"), "another place with --out")


def test_a_level_is_that_of_its_family():
    assert corruption_of("masking", 0.3) == Masking(probability=0.3)


def test_features_without_names_are_indices(run):
    contributions = np.zeros((1, 8, 8))
    contributions[0, 3, 4], contributions[0, 0, 1] = 2.0, -1.0
    found = explained(run, contributions, 64)
    assert (found["feature_1"][0], found["contribution_1"][0]) == ("3,4", 2.0)
    assert (found["feature_64"][0], found["contribution_64"][0]) == ("0,1", -1.0)
