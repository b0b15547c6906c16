"""``encode``, ``reconstruct``, ``reduce`` and ``sample``: files are read back and compared with what Python gives."""

import dataclasses
import subprocess
import sys

import numpy as np
import pandas
import pytest
from PIL import Image

import ae_jax
from ae_jax import InvalidInput
from ae_jax.data import ReadOptions
from ae_jax.data.files import read
from ae_jax.evaluation import anomaly_score

USES = ["reduce", "denoise", "detect", "search"]


@pytest.mark.usefixtures("embedded")
@pytest.mark.parametrize(("split", "count"), [(None, 13), ("train", 45), ("all", 64)])
def test_encode_takes_the_test_split_unless_another_is_named(call, run_folder, split, count):
    chosen = [] if split is None else ["--data", "few", "--split", split]
    outcome = call("encode", run_folder, *chosen, "--out", "below/codes.npy")
    assert outcome.array("below/codes.npy").shape == (count, 2)


def test_a_file_is_taken_whole_unless_a_split_is_named(call, variational, file):
    assert call("encode", variational, "--data", file).array("codes.npy").shape == (2, 64, 16)
    assert call("encode", variational, "--data", file, "--split", "test").array("codes.npy").shape == (2, 13, 16)


def test_a_split_is_that_of_the_member_and_members_of_several_splits_say_so(call, variational, file):
    chosen = ["--data", file, "--split", "test"]
    together = call("encode", variational, *chosen, "--out", "both.npy")
    assert "members were trained on splits of their own; this split is of no member" in together.err
    alone = call("encode", variational, *chosen, "--member", 1)
    assert alone.err == ""
    own = ae_jax.data.load(str(file)).resplit(1).test
    np.testing.assert_array_equal(alone.array("codes.npy"), ae_jax.load(variational)[1].encode(own.x))


def test_one_member_has_no_leading_axis(call, variational, file, x):
    made = call("reconstruct", variational, "--data", file, "--member", 1).array("reconstructions.npy")
    np.testing.assert_array_equal(made, ae_jax.load(variational)[1].reconstruct(x))


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_reduce_writes_codes_and_labels(call, run_folder, run, file, x, labels, suffix):
    outcome = call("reduce", run_folder, "--data", file, "--out", f"codes.{suffix}")
    assert outcome.ok().out == f"64 examples, 2 numbers each\ncodes.{suffix}: 64 rows of z0, z1, label\n"
    found = outcome.table(f"codes.{suffix}")
    assert list(found.columns) == ["z0", "z1", "label"]
    np.testing.assert_array_equal(found[["z0", "z1"]].to_numpy(np.float32), run.encode(x))
    np.testing.assert_array_equal(found["label"], labels)


def test_reduce_draws_a_map_and_prints_a_summary(call, run_folder, file):
    outcome = call("reduce", run_folder, "--data", file, "--picture", "map.png", "--json")
    summary = outcome.json()
    expected = {"use": "reduce", "autoencoder": "undercomplete", "member": 0, "seed": 0, "examples": 64, "code": 2}
    assert summary | expected == summary
    assert list(summary["written"]) == ["codes.csv", "map.png"]
    outcome.picture("map.png")


def test_of_several_members_the_first_finite_is_taken_and_named(call, variational, file, x):
    outcome = call("reduce", variational, "--data", file).ok()
    assert outcome.err == "ae-jax: note: the run has 2 members; this is member 0, of seed 0.\n"
    other = call("reduce", variational, "--data", file, "--member", 1, "--out", "other.csv").ok()
    assert other.err == ""
    codes = ae_jax.load(variational).encode(x)
    for place, name in enumerate(("codes.csv", "other.csv")):
        found = outcome.table(name).drop(columns="label").to_numpy(np.float32)
        np.testing.assert_array_equal(found, codes[place])


def test_a_single_image_is_one_example(call, run_folder, run, x, tmp_path):
    Image.fromarray(x[5]).save(tmp_path / "one.png")
    found = call("reduce", run_folder, "--data", "one.png").table("codes.csv")
    assert found["id"].tolist() == ["one.png"]
    np.testing.assert_array_equal(found[["z0", "z1"]].to_numpy(np.float32), run.encode(x[5:6]))


def test_sample_draws_from_the_prior_by_a_seed(call, variational):
    line = ["sample", variational, "--n", 3, "--member", 1, "--seed"]
    first, again, other = (call(*line, seed).array("samples.npy") for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, ae_jax.load(variational)[1].sample(3, seed=0))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("out", ["samples.csv", "samples"])
def test_samples_are_written_in_every_format(call, variational, out):
    outcome = call("sample", variational, "--n", 4, "--member", 0, "--out", out, "--picture", "grid.png").ok()
    expected = ae_jax.load(variational)[0].sample(4)
    found = read(outcome.folder / out, ReadOptions(shape=None if out == "samples" else (8, 8)))["all"].x
    np.testing.assert_array_equal(found, np.clip(np.rint(expected), 0, 255) if out == "samples" else expected)
    outcome.picture("grid.png")


def test_the_labels_of_examples_are_the_condition_of_a_conditional_run(call, file, x, labels):
    small = ["--code", 2, "--hidden", 4, "--epochs", 1, "--batch-size", 16, "--out", "run"]
    outcome = call("train", "conditional", "--data", file, *small).ok()
    run = ae_jax.load(outcome.folder / "run")
    codes = call("encode", "run", "--data", file).array("codes.npy")
    np.testing.assert_array_equal(codes, run.encode(x, labels))
    assert len(call("detect", "run", "--data", file, "--reference", file, "--contamination", 0.1).table("scores.csv"))
    drawn = call("sample", "run", "--n", 2, "--condition", 1).array("samples.npy")
    np.testing.assert_array_equal(drawn, run.sample(2, condition=1))
    call("sample", "run", "--condition", "x").refused("unknown label 'x'")
    np.savez(outcome.folder / "others.npz", x=x, y=labels + 5)
    for command in ("encode", "reconstruct", "detect", "evaluate"):
        call(command, "run", "--data", "others.npz").refused("5 was not trained on: expected one of the classes 0, 1.")


def test_more_samples_than_memory_holds_are_refused(call, variational):
    call("sample", variational, "--member", 0, "--n", 2**31 - 1).refused("fit in memory")


def test_nothing_is_written_where_the_picture_cannot_be_drawn(call, run_folder, file, monkeypatch):
    def fail(_: object) -> bytes:
        raise InvalidInput("no picture.")

    monkeypatch.setattr("ae_jax.report.to_png", fail)
    for use in USES:
        outcome = call(use, run_folder, "--data", file, "--picture", "p.png")
        outcome.refused("no picture.")
        assert list(outcome.folder.iterdir()) == []


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Forty rows of two numbers, a text and a class whose name needs quoting."""
    path = tmp_path_factory.mktemp("table") / "people.csv"
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame(rng.normal([170, 100], [10, 20], (40, 2)), columns=["height", "income, net"])
    kind = np.where(frame["height"] > 170, "tall, dark", 'so "short"')
    frame.assign(city="Oslo", kind=kind).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def run_of_people(call_in, people, tmp_path_factory):
    options = ["--columns", "height", "income, net", "--label", "kind", "--scaling", "standard"]
    small = ["--code", 2, "--hidden", 4, "--epochs", 2, "--batch-size", 16, "--out", "run"]
    outcome = call_in(tmp_path_factory.mktemp("trained"), "train", "variational", "--data", people, *options, *small)
    assert "variational has likelihood=GaussianLikelihood(scale=0.1), which fits the data" in outcome.ok().err
    return outcome.folder / "run"


def test_a_table_is_used_by_its_columns_and_in_its_units(call, run_of_people, people, tmp_path):
    frame = pandas.read_csv(people)
    frame[["kind", "income, net", "height"]].to_csv(tmp_path / "other.csv", index=False)
    run = ae_jax.load(run_of_people)
    line = [run_of_people, "--data", "other.csv"]
    np.testing.assert_array_equal(call("encode", *line).array("codes.npy"), run.encode(frame))
    np.testing.assert_array_equal(call("reconstruct", *line).array("reconstructions.npy"), run.reconstruct(frame))
    assert call("reduce", *line).table("codes.csv")["label"].tolist() == frame["kind"].tolist()
    denoised = call("denoise", *line, "--out", "new.csv", "--picture", "p.png").table("new.csv")
    assert list(denoised.columns) == ["height", "income, net", "kind"]
    np.testing.assert_array_equal(denoised.iloc[:, :2].to_numpy(np.float32), run.reconstruct(frame))
    score = ["--score", "negative_elbo", "--explain", 1, "--reference", people, "--abnormal", "tall, dark"]
    scores = call("detect", *line, *score).table("scores.csv")
    assert set(scores["feature_1"]) <= {"height", "income, net"}
    samples = call("sample", run_of_people, "--out", "s.csv").table("s.csv")
    assert list(samples.columns) == ["height", "income, net"]
    results = call("evaluate", *line, "--json").json()
    assert "knn_accuracy" in {row["metric"] for row in results["rows"]}


def test_pixels_of_a_table_are_pictures_again(call, x, labels, tmp_path):
    frame = pandas.DataFrame(x.reshape(64, 64)).rename(columns="pixel{}".format)
    frame.insert(0, "label", labels)
    frame.to_csv(tmp_path / "digits.csv", index=False)
    small = ["--code", 2, "--hidden", 4, "--epochs", 2, "--batch-size", 16, "--out", "run", "--scaling", "unit"]
    call("train", "undercomplete", "--data", "digits.csv", "--shape", 8, 8, "--label", "label", *small).ok()
    made = call("denoise", "run", "--data", "digits.csv", "--out", "made.csv").table("made.csv")
    assert list(made.columns) == [*(f"pixel{place}" for place in range(64)), "label"]
    expected = ae_jax.load(tmp_path / "run").reconstruct(x)
    np.testing.assert_array_equal(made.drop(columns="label").to_numpy(np.float32).reshape(64, 8, 8), expected)
    pictures = call("denoise", "run", "--data", "digits.csv", "--out", "made").ok()
    assert "made: 64 pictures of 8 x 8, 0 black and 16 white, clipped\n" in pictures.out


REFUSED = {
    "encode {run} --data rows.npy": "rows.npy has shape (4, 5): expected [examples, 8, 8]",
    "encode {run} --data {file} --out /proc/codes.npy": "cannot be written (",
    "encode {run} --data {file} --member 4": "the run has 1 members: there is no member 4.",
    "sample {run}": "has no prior to sample from",
    "sample {run} --seed -1": "--seed was given -1: expected a whole number from 0",
    "reduce {run} --data {file} --out codes.txt": "codes.txt has an unknown ending",
    "reduce {run} --data {file} --out codes": "codes has no ending",
    "reduce {run} --data {file} --picture map.jpg": "--picture was given map.jpg",
    "reduce {run} --data {file} --picture /proc/p.png": "cannot be written (",
    "reduce {run} --data {file} --split tset": "invalid choice 'tset'",
    "reduce nowhere": "nowhere is no run",
}


@pytest.mark.parametrize("line", REFUSED)
def test_uses_that_do_not_fit_the_run_are_refused(call, run_folder, file, line, tmp_path):
    np.save(tmp_path / "rows.npy", np.zeros((4, 5), np.float32))
    call(*line.format(run=run_folder, file=file).split()).refused(REFUSED[line])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.npy"]


def without_source(run_folder, place, source=None):
    """A copy of a run that does not know where its data are, or that they are elsewhere."""
    run = ae_jax.load(run_folder)
    run.record.pop("source")
    return dataclasses.replace(run, record=run.record | ({"source": [source, 0]} if source else {})).save(place)


def test_the_data_trained_on_are_found_where_they_were(call, run_folder, file, x, tmp_path):
    assert ae_jax.load(run_folder).record["source"] == [str(file), 0]
    codes = call("encode", run_folder).array("codes.npy")
    np.testing.assert_array_equal(codes, ae_jax.load(run_folder).encode(ae_jax.data.load(file).test.x))
    for source, sentence in ((None, "has no name here: give"), ("gone.npz", "has no name here and is not at gone.npz")):
        call("encode", without_source(run_folder, tmp_path / "run", source)).refused(sentence)


def test_rows_that_cannot_be_used_do_not_stop_the_others_and_ids_are_written(call, run_of_people, people, tmp_path):
    frame = pandas.read_csv(people).head(6).assign(who=list("abcdef")).astype({"height": object})
    frame.loc[1, "height"], frame.loc[4, "income, net"] = "tall", np.nan
    frame.to_csv(tmp_path / "new.csv", sep=";", index=False)
    for use, names in (("encode", ["z0", "z1"]), ("reconstruct", ["height", "income, net"]), ("reduce", ["z0", "z1"])):
        outcome = call(use, run_of_people, "--data", "new.csv", "--id", "who", "--out", "out.csv").ok()
        assert "new.csv: 2 of 6 rows are left out, rows 2, 5: (1) column 'height'" in outcome.err
        assert "--columns" not in outcome.err
        table = outcome.table("out.csv")
        assert list(table.columns)[:4] == ["index", "id", *names]
        assert (table["index"].tolist(), table["id"].tolist()) == ([0, 2, 3, 5], list("acdf"))
    for use, columns in (("detect", ["index", "id"]), ("search", ["index", "query_id", "id"]), ("denoise", ["id"])):
        line = [use, run_of_people, "--data", "new.csv", "--id", "who", "--out", "out.csv"]
        table = call(*line, *(["--k", 3] if use == "search" else [])).table("out.csv")
        assert set(columns) <= set(table.columns)
        assert set(table["id"]) == set("acdf")


def test_all_members_are_written_into_one_table(call, variational, file, x):
    table = call("encode", variational, "--data", file, "--out", "codes.csv").table("codes.csv")
    assert table["member"].tolist() == [0] * 64 + [1] * 64
    codes = np.concatenate(ae_jax.load(variational).encode(x))
    np.testing.assert_array_equal(table.drop(columns="member").to_numpy(np.float32), codes)


def test_names_of_image_files_are_written(call, run_folder, run, x, tmp_path):
    (tmp_path / "images").mkdir()
    for name, image in (("a.png", Image.fromarray(x[3])), ("b.png", Image.fromarray(x[4]).convert("RGBA"))):
        image.save(tmp_path / "images" / name)
    table = call("detect", run_folder, "--data", "images").table("scores.csv")
    assert table["id"].tolist() == ["a.png", "b.png"]
    np.testing.assert_array_equal(table["score"], anomaly_score(run, "reconstruction_error").score(x[3:5]))


OWN = """
from typing import ClassVar

import jax.numpy as jnp

import ae_jax


@ae_jax.component
class Spread:
    name: ClassVar[str] = "spread"
    weight: float = 0.1

    def __call__(self, model, key, batch, code):
        return jnp.square(code).sum(axis=-1)


if __name__ == "__main__":
    objective = ae_jax.objectives.Reconstruction(penalties=(Spread(),))
    networks = ae_jax.networks.MLP(hidden=(), code=2)
    mine = ae_jax.Autoencoder(name="mine", networks=networks, objective=objective)
    ae_jax.fit(mine, ae_jax.data.load("digits"), epochs=1).save("saved")
"""


@pytest.mark.slow
def test_the_run_of_a_script_is_loaded_by_importing_the_script(call, tmp_path):
    (tmp_path / "script.py").write_text(OWN)
    subprocess.run([sys.executable, "script.py"], cwd=tmp_path, check=True)
    call("encode", "saved").refused("unknown component 'Spread': import the file that defines this class first")
    assert call("encode", "saved", "--import", tmp_path / "script.py").array("codes.npy").shape == (359, 2)


@pytest.mark.parametrize("command", ["encode", "reconstruct", "sample", "evaluate", *USES])
def test_every_command_that_loads_a_run_says_that_it_executes_what_it_imports(call, command):
    text = " ".join(call(command, "--help").ok().out.replace("│", " ").split())
    assert "--import FILE.py" in text
    assert "they are executed" in text


def test_a_sampler_is_fitted_once_and_saved_with_the_run(call, variational, file):
    line = ["sample", variational, "--n", 3, "--data", file, "--member", 1, "--sampler", "normal"]
    first = call(*line).array("samples.npy")
    np.testing.assert_array_equal(first, ae_jax.load(variational)[1].sample(3, sampler="normal"))
    np.testing.assert_array_equal(call(*line).array("samples.npy"), first)
    call(*line[:-1], "nonsense").refused("unknown sampler 'nonsense'")


def test_a_table_with_empty_cells_is_trained_on_and_imputed(call, tmp_path):
    rng = np.random.default_rng(0)
    table = pandas.DataFrame(
        rng.normal(size=(60, 1)) * [1.0, 20.0, -3.0] + rng.normal(size=(60, 3)), columns=list("abc")
    )
    table = table.mask(rng.uniform(size=table.shape) < 0.2)
    table.to_csv(tmp_path / "holes.csv", index=False)
    how = ["--code", 1, "--hidden", 8, "--epochs", 2, "--batch-size", 16]
    call("train", "missing", "--data", tmp_path / "holes.csv", "--out", tmp_path / "run", *how).ok()
    line = ["impute", tmp_path / "run", tmp_path / "holes.csv", "--samples", 20]
    outcome = call(*line, "--imputations", 2, "--out", "full.csv")
    mean, draw = outcome.table("full.csv"), outcome.table("full-2.csv")
    for filled in (mean, draw):
        assert list(filled.columns) == list("abc")
        assert not filled.isna().any(axis=None)
        known = table.notna().to_numpy()
        np.testing.assert_allclose(filled.to_numpy()[known], table.to_numpy()[known], rtol=1e-5)
    assert not (tmp_path / "full-3.csv").exists()
    codes = call("encode", tmp_path / "run", "--data", tmp_path / "holes.csv", "--out", "codes.npy").array("codes.npy")
    assert codes.shape == (60, 1)
    assert np.isfinite(codes).all()
    assert "holes.csv: " in call("detect", tmp_path / "run", "--data", tmp_path / "holes.csv").ok().err
    for command in (["detect"], ["explore", "--export", "page.html"], ["evaluate", "--tasks", "reconstruction"]):
        call(*command[:1], tmp_path / "run", *command[1:]).ok()
    call("train", "variational", "--data", tmp_path / "holes.csv").refused("missing values")


@pytest.mark.slow
def test_a_comparison_takes_empty_cells_where_every_autoencoder_does(call, tmp_path):
    table = pandas.DataFrame(np.random.default_rng(0).normal(size=(60, 3)), columns=list("abc"))
    table.mask(table > 1).to_csv(tmp_path / "holes.csv", index=False)
    line = ["compare", "--data", tmp_path / "holes.csv", "--seeds", 1, "--epochs", 1, "--autoencoders", "missing"]
    call(*line, "--out", tmp_path / "compared").ok()
    call(*line, "variational").refused("missing values")
