"""Help: every command, its options, units and defaults."""

from importlib import metadata

import pytest

from ae_jax.evaluation import SCORES

COMMANDS = ["compare", "train", "sweep", "jobs", "collect", "evaluate", "encode", "reconstruct"]
COMMANDS += ["reduce", "denoise", "detect", "search", "sample", "data"]


def words(text: str) -> str:
    """Text without the boxes and line breaks that a terminal gives it."""
    return " ".join(word for word in text.split() if word not in ("│", "•"))


def test_help_lists_the_commands(call):
    outcome = call("--help")
    assert outcome.code == 0
    assert outcome.err == ""
    for command in COMMANDS:
        assert f"• {command} " in outcome.out


def test_help_states_exit_codes(call):
    text = words(call("--help").out)
    assert "130 after Ctrl-C and 143 after SIGTERM, once what is trained so far is saved." in text


def test_help_states_how_training_is_saved(call):
    text = words(call("train", "sparse", "--help").out)
    assert "--checkpoint-minutes X minutes after which training is saved" in text
    assert "(default: by the minutes alone)" in text
    assert "--keep N how many checkpoints stay. (default: 2)" in text
    assert "--on-divergence NAME what is done about a loss or gradient that is NaN or infinite" in text


def test_version(call):
    assert call("--version").out == f"ae-jax {metadata.version('ae_jax')}\n"


@pytest.mark.parametrize(
    "command",
    [[command] for command in COMMANDS] + [["data", "list"], ["jobs", "run"], ["jobs", "submit"]],
    ids=" ".join,
)
def test_every_command_has_help(call, command):
    outcome = call(*command, "--help")
    assert outcome.code == 0
    assert outcome.err == ""
    assert outcome.out.startswith(f"usage: ae-jax {' '.join(command)} [-h]")
    assert max(map(len, outcome.out.splitlines()[6:])) <= 80


def test_help_of_detect_names_every_score(call):
    text = words(call("detect", "--help").out)
    assert [score for score in SCORES if score not in text] == []


def test_help_of_compare_states_defaults(call):
    text = words(call("compare", "--help").out)
    assert "the members have the seeds 0 to N-1. (default: 5)" in text
    assert "(default: runs/compare-DATA)" in text
    assert "(default: digits)" in text
    assert "(default: trains all epochs)" in text
    assert "(default: False)" not in text


def test_help_of_train_lists_the_autoencoders(call):
    text = words(call("train", "--help").out)
    assert "variational A generative model: latents drawn from a learned posterior" in text
    assert "ae-jax train NAME --help lists its hyper-parameters." in text


def test_help_of_an_autoencoder_comes_from_its_signature_and_docstring(call):
    text = words(call("train", "contractive", "--help").out)
    assert "contractive: A code that moves as little as reconstruction allows when its input moves." in text
    assert "--weight X lambda, of the squared Jacobian norm. (default: 0.1)" in text
    assert "--hidden [N ...] widths of the encoder's hidden layers; the decoder mirrors them. (default: 256)" in text
    assert "others: linear, elu" in text
    assert "others: BernoulliLikelihood, GaussianLikelihood" in text
    assert "the members have the seeds 0 to N-1. (default: 1)" in text


def test_help_of_a_sweep_takes_many_numbers_and_single_tuples(call):
    text = words(call("sweep", "denoising", "--help").out)
    assert "--noise X [X ...] sigma, standard deviation of the Gaussian noise" in text
    assert "--hidden [N ...] widths" in text
    assert "--activation NAME of the hidden layers" in text
