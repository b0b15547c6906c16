"""What cannot be used is refused in one sentence, with exit code 2, before anything is written."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from ae_jax.cli.parsing import one_sentence

SENTENCES = {
    "": "no command was given: expected right after ae-jax one of compare, train, sweep",
    "comapre": "unknown command 'comapre': did you mean 'compare'?",
    "--seeds 3": "no command was given before --seeds",
    "compare --epoch 3": "unknown option of compare '--epoch': did you mean '--epochs'?",
    "compare --help=1": "unknown option of compare '--help=1': did you mean '--help'?",
    "compare --epochs ten": "--epochs was given 'ten': expected a whole number.",
    "compare --epochs 1.5": "--epochs was given '1.5': expected a whole number.",
    "compare --epochs 0": "fit was given epochs=0: expected a whole number above zero.",
    "compare --patience": "--patience was given no value: expected one.",
    "compare --seeds 0": "fit was given no seeds: expected at least one.",
    "compare --data digts": "unknown data set 'digts': did you mean 'digits'?",
    "compare --data nowhere.npy": "there is no file nowhere.npy",
    "compare --only sprase": "unknown autoencoder 'sprase': did you mean 'sparse'?",
    "compare --only": "--only was given no value: expected at least one.",
    "compare sparse": "compare was given 'sparse', which belongs to no option: see ae-jax compare --help.",
    "train": "no autoencoder was given: expected right after ae-jax train one of undercomplete, sparse",
    "train --weight 1": "no autoencoder was given before --weight",
    "train contractiv": "unknown autoencoder 'contractiv': did you mean 'contractive'?",
    "train contractive --wieght 1": "unknown option of train contractive '--wieght': did you mean '--weight'?",
    "train contractive --weight heavy": "--weight was given 'heavy': expected a number.",
    "train contractive --weight nan": "--weight was given 'nan': expected a number.",
    "train contractive --weight -1": "Contractive was given weight=-1.0: expected zero or a number above.",
    "train contractive --hidden 8 x": "--hidden was given 'x': expected a whole number.",
    "train contractive --activation rleu": "unknown activation 'rleu': did you mean 'relu'?",
    "train sparse --likelihood Gaussian": "unknown likelihood 'Gaussian': did you mean 'GaussianLikelihood'?",
    "train sparse --extend": "--extend was given without --resume: expected both, to go on to more --epochs.",
    "train sparse --keep 0": "Checkpoints was given keep=0: expected a whole number above zero.",
    "train sparse --checkpoint-minutes 0": "Checkpoints was given every_minutes=0.0: expected a number above zero.",
    "train sparse --checkpoint-epochs x": "--checkpoint-epochs was given 'x': expected a whole number.",
    "train sparse --on-divergence ignore": "unknown policy of divergence 'ignore'",
    "sweep sparse --weight 1 2 --members-per-job 2": "--members-per-job was given without --emit-jobs",
    "sweep sparse --weight 1 2 --emit-jobs j.jsonl --resume": "--resume was given with --emit-jobs, which trains",
    "sweep sparse --weight 1 2 --emit-jobs j.jsonl --members-per-job 0": "members_per_job=0: expected a whole number",
    "sweep sparse --weight 1 2 --emit-jobs /proc/j.jsonl": "/proc/j.jsonl cannot be written (",
    "jobs": "no command of jobs was given: expected right after ae-jax jobs one of run, submit.",
    "jobs rnu": "unknown command of jobs 'rnu': did you mean 'run'?",
    "jobs run nowhere.jsonl": "nowhere.jsonl cannot be read (",
    "jobs run nowhere.jsonl --job x": "--job was given 'x': expected a job's number, from 0, or slurm.",
    "jobs submit nowhere.jsonl --partition a": "nowhere.jsonl cannot be read (",
    "collect nowhere.jsonl": "nowhere.jsonl cannot be read (",
    "collect": "collect was given no FILE.jsonl",
    "sweep sparse": "the sweep was given no hyper-parameter: expected some of code, hidden",
    "sweep sparse --weight": "--weight was given no value: expected at least one.",
    "sweep sparse --weight 1 1": "the sweep was given a value of weight twice: expected each once.",
    "sweep sparse --weight 1 x": "--weight was given 'x': expected a number.",
    "evaluate": "evaluate was given no RUN: expected a folder that train wrote",
    "evaluate nowhere": "nowhere is no run: expected a folder with configuration.json",
    "encode nowhere --out codes.txt": "--out was given codes.txt: expected the name of a file that ends in .npy.",
    "compare --scaling standrad": "unknown scaling 'standrad': did you mean 'standard'?",
    "compare --device-budget lots": "--device-budget was given 'lots': expected a size such as 512MB or 2GB.",
    "compare --device-budget 0": "--device-budget was given '0': expected a size such as 512MB or 2GB.",
    "compare --image-size 8 8 8": "--image-size was given 8 8 8: expected a side, or height and width, in pixels.",
    "compare --shape 8": "--shape was given 8: expected height and width, and channels where there are any.",
    "compare --shape 8 x": "--shape was given 'x': expected a whole number.",
    "compare --label kind": "digits was given a label, columns, an image size, a shape or transpose: expected none",
    "compare --data nowhere.csv": "there is no file nowhere.csv",
    "compare --data nowhere": "unknown data set 'nowhere'",
    "compare --data tfds:nothing_of_that_name": "tfds:nothing_of_that_name cannot be read (",
    "data": "no command of data was given: expected right after ae-jax data one of list, prepare.",
    "data prepare": "data prepare was given no NAME: expected of the data set, see ae-jax data list.",
    "data prepare mnits": "unknown data set 'mnits': did you mean 'mnist'?",
    "data prepare mnist --form here": "unknown option of data prepare '--form': did you mean '--from'?",
    "data prepare mnist --timeout 0": "data prepare was given timeout=0.0: expected a number above zero.",
    "data lst": "unknown command of data 'lst': did you mean 'list'?",
}


def refused(outcome, sentence: str) -> None:
    assert outcome.err.startswith("ae-jax: ")
    assert sentence in outcome.err
    assert outcome.err.count("\n") == 1
    assert outcome.err.endswith("\n")
    assert (outcome.code, outcome.out) == (2, "")


TABLES = {
    "--data t.csv": "column 'weight' of t.csv has 1 missing values, the first in row 3: expected a number in every row",
    "--data t.csv --columns height city": "holds 'Oslo' in row 1: expected numbers; name the columns to use with",
    "--data t.csv --columns height heigth": "unknown column of t.csv 'heigth': did you mean 'height'?",
    "--data t.csv --label knid --columns height": "unknown column of t.csv 'knid': did you mean 'kind'?",
    "--data t.csv --columns height same --scaling standard": "column 'same' is constant (1) in the training split",
    "--data t.csv --image-size 8": "t.csv was given --image-size, which a .csv file does not use",
    "--data t.csv:height": "t.csv was given :NAME behind it, which a .csv file does not use",
    "--data empty": "empty holds no image",
    "--data mixed": "mixed holds .npy files beside b.parquet: expected shards of one kind and nothing else",
}


@pytest.mark.parametrize("line", TABLES)
def test_a_source_that_cannot_be_used_is_refused_in_one_sentence(call, line, tmp_path: Path):
    rows = [f"{place},{60 + place if place != 2 else ''},Oslo,{'ab'[place % 2]},1" for place in range(20)]
    (tmp_path / "t.csv").write_text("\n".join(["height,weight,city,kind,same", *rows]))
    (tmp_path / "empty").mkdir()
    (tmp_path / "mixed").mkdir()
    (tmp_path / "mixed" / "a.npy").touch()
    (tmp_path / "mixed" / "b.parquet").touch()
    refused(call("train", "undercomplete", *line.split()), TABLES[line])
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("line", SENTENCES)
def test_a_line_that_cannot_be_used_is_refused_in_one_sentence(call, line, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", "tfds")
    monkeypatch.setenv("AE_JAX_DATA_DIR", "data")
    outcome = call(*line.split())
    refused(outcome, SENTENCES[line])
    assert list(outcome.folder.iterdir()) == []


@pytest.mark.parametrize("place", ["/proc/ae-jax/out", "{file}/out"], ids=["not creatable", "below a file"])
@pytest.mark.parametrize("line", ["compare", "train sparse", "sweep sparse --weight 1 2"])
def test_a_folder_that_cannot_be_written_is_refused_before_training(call, file, line, place, monkeypatch):
    study_results = import_module("ae_jax.studies.study_results")
    monkeypatch.setattr(study_results, "fit", lambda *_, **__: pytest.fail("was trained"))
    out = place.format(file=file)
    refused(call(*line.split(), "--out", out), f"{out} cannot be written (")


def test_a_folder_that_holds_something_else_is_not_replaced(call, tmp_path: Path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("precious")
    refused(call("train", "sparse", "--out", "thesis"), "thesis exists and is no run")
    refused(call("train", "sparse", "--out", "."), "is the current folder or holds it")
    assert (tmp_path / "thesis" / "chapter.tex").read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == ["thesis"]


@pytest.mark.parametrize("place", ["/proc/codes.npy", "{file}/codes.npy"])
def test_a_file_that_cannot_be_written_is_refused(call, run_folder, file, place):
    refused(call("encode", run_folder, "--data", file, "--out", place.format(file=file)), "cannot be written (")


def test_data_outside_the_range_of_the_likelihood_are_refused(call, tmp_path: Path):
    np.save(tmp_path / "wide.npy", np.linspace(-3, 3, 200, dtype=np.float32).reshape(20, 10))
    outcome = call("train", "variational", "--data", "wide.npy", "--likelihood", "BernoulliLikelihood")
    refused(outcome, "the Bernoulli likelihood of variational was given values from -3 to 3")
    assert [path.name for path in tmp_path.iterdir()] == ["wide.npy"]


def test_images_are_needed_by_who_is_asked_for_by_name(call, tmp_path: Path):
    np.save(tmp_path / "rows.npy", np.linspace(0, 1, 200, dtype=np.float32).reshape(20, 10))
    outcome = call("compare", "--only", "convolutional", "--data", "rows.npy", "--batch-size", 4)
    refused(outcome, "convolutional networks were given examples of shape (10,): expected images")


@pytest.mark.usefixtures("embedded")
def test_uses_of_a_run_refuse_what_does_not_fit_it(call, run_folder, tmp_path: Path):
    np.save(tmp_path / "rows.npy", np.zeros((4, 5), np.float32))
    refused(call("encode", run_folder, "--data", "rows.npy"), "rows.npy has shape (4, 5): expected [examples, 8, 8]")
    refused(
        call("encode", run_folder, "--split", "tset"), "unknown split 'tset': did you mean 'test'? Known are all, test"
    )
    refused(call("encode", run_folder, "--member", 4), "the run has 1 members: there is no member 4.")
    refused(call("sample", run_folder), "undercomplete has no prior to sample from: expected a variational")
    refused(call("evaluate", run_folder, "--split", "tset"), "unknown split 'tset': did you mean 'test'?")
    assert [path.name for path in tmp_path.iterdir()] == ["rows.npy"]


def test_data_that_are_not_embedded_must_be_named(call, run_folder):
    refused(call("encode", run_folder), "the run was trained on few, which has no name here: name it with")


BOX = "\x1b[31m╭─ \x1b[1mMissing argument\x1b[0m ──╮\n│\x1b[0m Missing value for argument    \x1b[31m│\n"
BOX += "│ '--data'. Expected 1 values. │\n│ ─────────── │\n│ For full helptext │\n╰─────────────╯\n"


def test_complaints_in_a_terminal_s_box_are_read_too():
    assert one_sentence(BOX) == "--data was given no value: expected one."


def test_a_complaint_of_another_form_is_left_as_it_is():
    assert one_sentence("something else") == "something else"
