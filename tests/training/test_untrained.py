import dataclasses

import jax
import numpy as np

import ae_jax
from ae_jax.training import load, untrained

CHOICE = ae_jax.undercomplete(code=3, hidden=(12,), learning_rate=1e-3)


def test_parameters_are_those_that_training_begins_with(small):
    """Adam's first step changes no parameter by more than its rate."""
    begun = untrained(CHOICE, small, seeds=5)
    trained = ae_jax.fit(CHOICE, small, seeds=5, epochs=1, batch_size=64)
    pairs = list(zip(jax.tree.leaves(begun.params), jax.tree.leaves(trained.params), strict=True))
    moved = [float(np.abs(mine - other).max()) for mine, other in pairs]
    assert 0 < max(moved) < 1.01e-3


def test_it_is_a_run_of_no_epoch(small, tmp_path):
    run = untrained(CHOICE, small, seeds=[5, 6])
    assert (run.best_epoch.tolist(), run.history, run.single) == ([0, 0], {}, False)
    codes = run.encode(small.test.x)
    assert codes.shape == (2, 20, 3)
    np.testing.assert_array_equal(load(run.save(tmp_path / "run")).encode(small.test.x), codes)
    np.testing.assert_array_equal(untrained(CHOICE, small, seeds=6).encode(small.test.x), run[1].encode(small.test.x))


def test_parameters_from_elsewhere_take_their_place(small):
    run = untrained(ae_jax.undercomplete(code=64, hidden=()), small)
    layer = {0: {"kernel": np.eye(64, dtype=np.float32)[None], "bias": np.zeros((1, 64), np.float32)}}
    mine = dataclasses.replace(run, params={"networks": {"encoder": layer, "decoder": layer}})
    np.testing.assert_allclose(mine.reconstruct(small.test.x), small.test.x, atol=1e-4)


def test_joined_processes_have_one_too(small, monkeypatch):
    """Which divide the batches of a training, but nothing is trained here."""
    asked = []
    monkeypatch.setattr("ae_jax.training.plan.mesh_of", lambda mesh, **sizes: asked.append(sizes))
    monkeypatch.setattr(jax, "device_count", lambda: 4)
    untrained(CHOICE, small, seeds=5)
    assert asked == [{"members": 1, "batch_size": 4}]
