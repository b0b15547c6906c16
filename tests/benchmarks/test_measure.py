"""Rows of a work against peers who pretend."""

import numpy as np
import pytest

from ae_jax import InvalidInput
from ae_jax.benchmarks import measure as room
from ae_jax.benchmarks.images import blobs
from ae_jax.benchmarks.measure import measure, require_installed, same_work, works_named
from ae_jax.benchmarks.roofline import Machine
from ae_jax.benchmarks.works import WORKS

MACHINE = Machine((8, 8, 8), 1e9, 1e9, {})


def training(seconds, loss):
    return lambda epochs: ([seconds] * epochs, [9.0] * (epochs - 1) + [loss])


@pytest.fixture
def pretend(monkeypatch):
    """We take 0.5 s an epoch; peers take what they are given, or raise it."""

    def with_peers(**peers):
        def prepare(name, task):
            if isinstance(peer := peers[name.replace("-", "_")], Exception):
                raise peer
            return training(*peer)

        monkeypatch.setattr(room, "_ours", lambda work, task: training(0.5, 2.0))
        monkeypatch.setattr(room, "prepare", prepare)
        monkeypatch.setattr(room, "missing", lambda name: None if name.replace("-", "_") in peers else "a package")

    return with_peers


def rows_of(name, **settings):
    return measure(WORKS[name], WORKS[name].batches[0], blobs(512), MACHINE, memory=False, **settings)


def test_a_row_states_the_ratio_and_that_the_work_is_the_same(pretend):
    pretend(pytorch=(1.0, 2.01), jax_scan=(0.25, 2.0))
    rows, roof = rows_of("autoencoder", peers=["pytorch", "jax-scan"], rounds=2)
    assert [row["peer"] for row in rows] == ["pytorch", "jax-scan"]
    assert [row["ratio"] for row in rows] == [2.0, 0.5]
    first = rows[0]
    assert (first["ratio_low"], first["ratio_high"], first["ours_s"], first["peer_s"]) == (2.0, 2.0, 0.5, 1.0)
    assert (first["work"], first["batch"], first["examples"], first["rounds"]) == ("autoencoder", 64, 512, 2)
    assert (first["ours_loss"], first["peer_loss"], first["same_work"]) == (2.0, 2.01, True)
    assert (first["ours_images_per_s"], first["peer_images_per_s"]) == (1024, 512)
    assert first["compile_s"] == 0.0
    assert same_work(rows)
    assert roof["work"] == "autoencoder"
    assert roof["fraction"] > 0


def test_another_loss_marks_the_row(pretend):
    pretend(pytorch=(1.0, 2.5), jax_scan=(1.0, float("nan")))
    rows, _ = rows_of("autoencoder", peers=["pytorch", "jax-scan"], rounds=1)
    assert [row["same_work"] for row in rows] == [False, False]
    assert not same_work(rows)


def test_whoever_cannot_take_part_has_a_row_that_says_why(pretend):
    pretend(pytorch=(1.0, 2.0), pytorch_compiled=RuntimeError("no compiler.\nMore of it"), pythae=(3.0, 2.0))
    rows, _ = rows_of("autoencoder", rounds=1)
    reasons = {row["peer"]: row.get("reason") for row in rows}
    assert reasons == {
        "pytorch-compiled": "RuntimeError: no compiler",
        "jax-scan": "a package is not installed",
        "pytorch": None,
        "pythae": None,
    }
    assert [row["ratio"] for row in rows] == [None, None, 2.0, 6.0]
    assert same_work(rows)


def test_peers_train_the_members_of_a_population_one_after_the_other(pretend):
    pretend(pythae=(1.0, 2.0))
    rows, _ = rows_of("sweep", peers=["pythae"], rounds=1)
    assert (rows[0]["ratio"], rows[0]["peer_s"], rows[0]["members"]) == (64.0, 32.0, 32)
    assert (rows[0]["peer_members_timed"], rows[0]["epochs"]) == (1, 50)


def test_a_work_has_as_many_rounds_as_it_bears(pretend):
    pretend(pytorch_jacrev=(1.0, 2.0))
    rows, _ = rows_of("contractive-step", peers=["pytorch-jacrev"], rounds=9)
    assert (rows[0]["rounds"], rows[0]["examples"]) == (3, 300)


def test_too_few_epochs_are_refused():
    with pytest.raises(InvalidInput) as error:
        rows_of("autoencoder", epochs=2)
    assert str(error.value) == "the benchmark was given 5 rounds of 2 epochs: expected at least one of 3."


def test_names_are_known():
    assert [work.name for work in works_named(None)] == list(WORKS)
    with pytest.raises(InvalidInput, match="unknown work 'vea': did you mean 'vae'"):
        works_named(["vea"])
    with pytest.raises(InvalidInput, match="unknown peer 'jaxscan': did you mean 'jax-scan'"):
        require_installed(["jaxscan"])


def test_a_peer_that_is_not_installed_is_refused_where_it_is_asked_for(pretend):
    pretend(pytorch=(1.0, 2.0))
    with pytest.raises(InvalidInput) as error:
        require_installed(["pythae"])
    assert str(error.value) == (
        "the peer pythae needs a package, which is not installed: expected pip install 'ae_jax[bench]' first."
    )


def test_the_scan_by_hand_does_what_fit_does():
    rows, roof = rows_of("vae", peers=["jax-scan"], rounds=1, epochs=4)
    assert rows[0]["same_work"]
    assert rows[0]["ratio"] > 0
    np.testing.assert_allclose(rows[0]["ours_loss"], rows[0]["peer_loss"], rtol=0.02)
    assert rows[0]["compile_s"] > 0
    assert roof["fraction"] > 0
