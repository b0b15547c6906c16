"""What :mod:`ae_jax.training.plan` refuses beyond what tests of fit read."""

import numpy as np
import pytest

import ae_jax
from ae_jax import InvalidInput
from ae_jax.training.plan import plan

X = np.random.default_rng(0).uniform(size=(8, 4, 4)).astype(np.float32)


def refused(autoencoder=None, **options) -> str:
    settings = {"seeds": 0, "epochs": 1, "batch_size": 4, "patience": None} | options
    with pytest.raises(InvalidInput) as caught:
        plan(ae_jax.undercomplete() if autoencoder is None else autoencoder, X, **settings)
    return str(caught.value)


def test_what_no_device_holds_is_refused_before_anything_is_made():
    # a kernel and a bias each way
    parameters = 16 * 2**31 - 16 + 2**31 - 1 + (2**31 - 1) * 16 + 16
    assert refused(ae_jax.undercomplete(code=2**31 - 1, hidden=())) == (
        f"undercomplete has {parameters:,} parameters: expected fewer than 8,589,934,592; choose smaller widths."
    )


def test_more_steps_than_are_counted_are_refused():
    assert refused(epochs=2**31 - 1, batch_size=4) == (
        "fit was given epochs of 4,294,967,294 steps together: expected fewer than 2**31."
    )
    assert refused(epochs=2**31) == "fit was given epochs=2147483648: expected a number below 2**31."


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("seeds", [[[1], [2, 3]], 0.5, "1", [None]])
def test_seeds_are_whole_numbers(seeds):
    assert refused(seeds=seeds) == f"fit was given seeds={seeds!r}: expected whole numbers."


@pytest.mark.usefixtures("unchecked")
def test_a_policy_that_is_none_is_refused():
    assert refused(on_divergence=3).startswith("unknown policy of divergence '3': Known are ")


@pytest.mark.parametrize(("room", "asked"), [(10**9, {"member": 3}), (100, None)])
def test_members_are_divided_over_accelerators_that_have_room_for_their_shares(monkeypatch, room, asked):
    """Of 6 members on 4 accelerators; where a share would have to take turns, the first accelerator has them all."""
    found = []
    monkeypatch.setattr("ae_jax.training.plan.mesh_of", lambda mesh, **sizes: found.append(mesh))
    monkeypatch.setattr("ae_jax.training.plan.accelerators_for", lambda members: 3)
    monkeypatch.setattr("ae_jax.training.plan.room", lambda: room)
    population = {"seeds": range(6), "epochs": 1, "batch_size": 4, "patience": None}
    plan(ae_jax.undercomplete(code=2, hidden=()), X, **population)
    plan(ae_jax.undercomplete(code=2, hidden=()), X, **population, mesh="data=2")
    assert found == [asked, "data=2"]
