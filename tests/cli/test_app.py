"""Commands, their help, and arguments that cannot be used: one message, exit code 2, and nothing is written."""

from importlib import import_module, metadata
from pathlib import Path

import numpy as np
import pytest

from ae_jax.cli.app import COMMANDS
from ae_jax.models import NAMED

PAGES = [[name] for name in COMMANDS] + [["data", "list"], ["data", "prepare"], ["sweep", "denoising"]]


def words(text: str) -> str:
    """Text without the boxes and line breaks that a terminal gives it."""
    return " ".join(word for word in text.split() if word not in ("│", "•"))


def test_version(call):
    assert call("--version").out == f"ae-jax {metadata.version('ae_jax')}\n"


def test_help_lists_the_commands_and_exit_codes(call):
    outcome = call("--help").ok()
    assert [command for command in COMMANDS if f"• {command} " not in outcome.out] == []
    assert "130 after Ctrl-C and 143 after SIGTERM" in words(outcome.out)


@pytest.mark.parametrize("command", PAGES, ids=" ".join)
def test_every_command_has_help(call, command):
    outcome = call(*command, "--help").ok()
    assert outcome.err == ""
    assert outcome.out.startswith(f"usage: ae-jax {' '.join(command)} [-h]")


@pytest.mark.parametrize("name", NAMED)
def test_every_named_autoencoder_can_be_trained_and_swept(call, name):
    command = "sweep" if name > "m" else "train"
    assert f"usage: ae-jax {command} {name.replace('_', '-')}" in call(command, name, "--help").ok().out


def test_hyperparameters_come_from_signature_and_docstring(call):
    text = words(call("train", "contractive", "--help").out)
    assert "--weight FLOAT lambda, of the squared Jacobian norm. (default: 0.1)" in text
    assert "--hidden [INT [INT ...]] widths of the encoder's hidden layers; the decoder mirrors them." in text
    assert "{linear,elu,gelu" in text
    assert "(default: 1)" in text
    assert "--weight [FLOAT [FLOAT ...]]" in words(call("sweep", "contractive", "--help").out)


REFUSED = {
    "": "Expected one of {compare, train, sweep",
    "comapre": "Unrecognized options: comapre",
    "compare --epoch 3": "Unrecognized options: --epoch, 3",
    "compare --epochs 0": "fit was given epochs=0: expected a whole number above zero.",
    "compare --seeds 0": "fit was given no seeds",
    "compare --data digts": "unknown data set 'digts': did you mean 'digits'?",
    "compare --scaling standrad": "invalid choice 'standrad' for argument '--scaling'",
    "compare --device-budget lots": "--device-budget was given 'lots': expected a size",
    "compare --image-size 8 8 8": "--image-size was given (8, 8, 8): expected a side",
    "compare --label kind": "digits was given options such as a label",
    "compare --data tfds:nothing_of_that_name": "tfds:nothing_of_that_name cannot be read (",
    "train contractiv": "Unrecognized options: contractiv",
    "train contractive --weight nan": "Contractive was given weight=nan: expected zero or a number above.",
    "train contractive --activation rleu": "invalid choice 'rleu' for argument '--activation'",
    "train sparse --likelihood Gaussian": "invalid choice 'Gaussian' for argument '--likelihood'",
    "train sparse --extend": "--extend was given without --resume",
    "train sparse --distributed node1:8476,2/2": "--distributed was given 'node1:8476,2/2': expected HOST:PORT",
    "train sparse --mesh data=3": "takes 3 devices and there are 1",
    "sweep sparse": "the sweep was given no hyper-parameter",
    "sweep sparse --weight 1 1": "expected one or more values, each once",
    "sweep sparse --weight 1 2 --chunks 3": "the sweep was given 3 chunks: expected 1 to 2",
    "sweep sparse --weight 1 2 --collect": "1 of 1 chunks are unfinished (sparse)",
    "sweep sparse --weight 1 2 --submit slurm --mesh data=1": "--submit was given with --mesh or --distributed",
    "sweep sparse --weight 1 2 --submit slurm --submit-options x": "--submit-options was given 'x': expected KEY=VALUE",
    "sweep sparse --weight 1 2 --submit-options x=1": "--submit-options was given without --submit",
    "evaluate": "Missing from ae-jax evaluate: RUN",
    "evaluate nowhere": "nowhere is no run",
    "data": "Expected one of {list, prepare}",
    "data prepare mnits": "unknown data set 'mnits': did you mean 'mnist'?",
    "data prepare mnist --timeout 0": "data prepare was given timeout=0.0",
}


@pytest.mark.parametrize("line", REFUSED)
def test_arguments_that_cannot_be_used_are_refused(call, line, monkeypatch):
    monkeypatch.setenv("AE_JAX_DATA_DIR", "data")
    outcome = call(*line.split())
    outcome.refused(REFUSED[line])
    assert list(outcome.folder.iterdir()) == []


@pytest.mark.parametrize("line", ["compare", "train sparse", "sweep sparse --weight 1 2"])
def test_a_folder_that_cannot_be_written_is_refused_before_training(call, file, line, monkeypatch):
    module = import_module("ae_jax.studies.study_results")
    monkeypatch.setattr(module, "fit", lambda *_, **__: pytest.fail("was trained"))
    call(*line.split(), "--out", f"{file}/out").refused("cannot be written (")


def test_a_folder_that_holds_something_else_is_not_replaced(call, tmp_path: Path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("precious")
    call("train", "sparse", "--out", "thesis").refused("thesis exists and is no run")
    call("train", "sparse", "--out", ".").refused("is the current folder or holds it")
    assert (tmp_path / "thesis" / "chapter.tex").read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == ["thesis"]


def test_data_that_do_not_suit_an_autoencoder_are_refused(call, tmp_path: Path):
    np.save(tmp_path / "wide.npy", np.linspace(-3, 3, 200, dtype=np.float32).reshape(20, 10))
    line = ["--data", "wide.npy", "--scaling", "none", "--likelihood", "BernoulliLikelihood"]
    for command in (["train", "variational"], ["sweep", "variational", "--code", 2]):
        call(*command, *line).refused("the Bernoulli likelihood of variational was given values from -3 to 3")
    call("compare", "--autoencoders", "convolutional", *line[:2]).refused(
        "convolutional networks were given examples of shape"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["wide.npy"]
