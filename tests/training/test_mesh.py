"""Meshes on the one device that tests have; tests/training/test_distributed.py has several."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest
from jax.sharding import AxisType

import ae_jax
from ae_jax import InvalidInput
from ae_jax.training.compilation import watch_compilation
from ae_jax.training.distributed import (
    initialize,
    is_main_process,
    is_multiprocess,
    signal_of_any,
    sync_errors,
)
from ae_jax.training.mesh import (
    accelerators_for,
    gathered,
    mesh_of,
    meshed,
    put_members,
    share_of,
    to_local,
    use_mesh,
)


@pytest.fixture
def one():
    """A mesh of one device."""
    return mesh_of("data=1", members=2, batch_size=16)


def autoencoder(rate: float = 1e-3) -> ae_jax.Autoencoder:
    return ae_jax.sparse(code=5, learning_rate=rate)


def test_a_mesh_is_asked_for_in_several_ways(one):
    for asked in ({"data": 1}, {"member": 1, "data": 1}, "member=1", " data = 1 ", one):
        mesh = mesh_of(asked, members=2, batch_size=16)
        assert (dict(mesh.shape), mesh.axis_names) == ({"member": 1, "data": 1}, ("member", "data"))
        assert mesh.axis_types == (AxisType.Auto, AxisType.Auto)


def test_without_one_nothing_changes(small):
    assert mesh_of(None, members=2, batch_size=16) is None
    assert share_of(None, 7) == (0, 7)
    tree = {"x": small.train.x}
    assert put_members(None, tree) is gathered(None, tree) is to_local(None, tree) is tree
    with use_mesh(None):
        assert not meshed()


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (
            "4",
            r"the mesh was given as '4': expected numbers of devices for \"member\", \"data\" or both, such as data=4",
        ),
        ("data=0", "the mesh was given as 'data=0'"),
        ("data=2,data=2", "the mesh was given as 'data=2,data=2'"),
        ("data=2,model=2", "the mesh was given as 'data=2,model=2'"),
        ({"batch": 4}, r"the mesh was given as \{'batch': 4\}"),
        ({"data": 1.5}, r"the mesh was given as \{'data': 1.5\}"),
        ({}, r"the mesh was given as \{\}"),
        (4, "the mesh was given as 4"),
        (
            "member=2,data=4",
            "the mesh member=2,data=4 takes 8 devices and there are 1: expected at most that many .on a CPU, call "
            "ae_jax.training.provide_cpu_devices before JAX computes anything",
        ),
    ],
)
def test_a_mesh_that_cannot_be_is_refused(unchecked, small, asked, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        ae_jax.fit(autoencoder(), small, epochs=1, mesh=asked)


def test_axes_of_another_name_or_type_are_refused():
    with pytest.raises(
        InvalidInput, match=r"the mesh has the axes \('x',\) of the types \('Auto',\): expected \"member\""
    ):
        mesh_of(jax.make_mesh((1,), ("x",), axis_types=(AxisType.Auto,)), members=1, batch_size=1)
    explicit = jax.make_mesh((1, 1), ("member", "data"), axis_types=(AxisType.Explicit, AxisType.Explicit))
    with pytest.raises(
        InvalidInput, match=r"of the types \('Explicit', 'Explicit'\): expected .* both of AxisType.Auto"
    ):
        mesh_of(explicit, members=1, batch_size=1)


@pytest.mark.parametrize(
    ("members", "batch_size", "sentence"),
    [
        (3, 16, "the 3 members do not divide into member=2: expected a multiple of it"),
        (4, 18, "the 18 examples of a batch do not divide into data=4: expected a multiple of it"),
    ],
)
def test_what_does_not_divide_is_refused(monkeypatch, unchecked, members, batch_size, sentence):
    larger = SimpleNamespace(shape={"member": 2, "data": 4})
    monkeypatch.setattr("ae_jax.training.mesh._made", lambda sizes: larger)
    with pytest.raises(InvalidInput, match=sentence):
        mesh_of("member=2,data=4", members=members, batch_size=batch_size)


@pytest.mark.parametrize(("members", "accelerators"), [(1, 1), (6, 3), (7, 1), (8, 4), (12, 4)])
def test_as_many_accelerators_as_take_equal_shares_and_never_the_devices_of_a_cpu(monkeypatch, members, accelerators):
    monkeypatch.setattr(jax, "device_count", lambda: 4)
    assert accelerators_for(members) == 1
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert accelerators_for(members) == accelerators
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    assert accelerators_for(members) == 1


def test_a_training_on_a_mesh_of_one_device_is_that_without(small):
    choices = [autoencoder(), autoencoder(1e-2)]
    alone = ae_jax.fit(choices, small, epochs=2, batch_size=16)
    on_mesh = ae_jax.fit(choices, small, epochs=2, batch_size=16, mesh="data=1")
    jax.tree.map(np.testing.assert_array_equal, on_mesh.params, alone.params)
    jax.tree.map(np.testing.assert_array_equal, on_mesh.history, alone.history)
    assert on_mesh.record["mesh"] == "member=1,data=1"
    assert "mesh" not in alone.record
    devices = {leaf.sharding for leaf in jax.tree.leaves(on_mesh.params)}
    assert devices == {leaf.sharding for leaf in jax.tree.leaves(alone.params)}
    with watch_compilation() as compilation:
        ae_jax.fit(choices, small, epochs=5, batch_size=16, mesh="data=1")
    assert compilation.programs == 0


def devices_of(processes: list[list[int]], axes: tuple[str, str]) -> SimpleNamespace:
    """A mesh whose devices are of these processes."""
    devices = np.array([[SimpleNamespace(process_index=process) for process in row] for row in processes])
    return SimpleNamespace(devices=devices, axis_names=axes, shape=dict(zip(axes, devices.shape, strict=True)))


@pytest.mark.parametrize(
    ("processes", "axes", "shares"),
    [
        ([[0, 0, 1, 1]], ("member", "data"), {10: [(0, 6), (6, 10)], 8: [(0, 4), (4, 8)], 1: [(0, 1), (1, 1)]}),
        ([[0, 0], [1, 1]], ("member", "data"), {10: [(0, 10), (0, 10)]}),
        ([[0, 0], [1, 1]], ("data", "member"), {10: [(0, 5), (5, 10)]}),
        ([[0, 1, 2]], ("member", "data"), {7: [(0, 3), (3, 6), (6, 7)]}),
    ],
)
def test_each_process_has_the_rows_of_its_devices(monkeypatch, unchecked, processes, axes, shares):
    mesh = devices_of(processes, axes)
    for count, expected in shares.items():
        for process, share in enumerate(expected):
            monkeypatch.setattr(jax, "process_index", lambda process=process: process)
            assert share_of(mesh, count) == share
            assert is_main_process(mesh) == (process == 0)
    assert is_multiprocess(mesh)


@pytest.fixture
def of_all(monkeypatch):
    """Plays two processes, of which the other says what it is told to."""

    def play(*others: int) -> None:
        monkeypatch.setattr(jax, "process_count", lambda: 2)
        monkeypatch.setattr("ae_jax.training.distributed.is_multiprocess", lambda mesh: True)
        monkeypatch.setattr(
            "ae_jax.training.distributed._of_all", lambda own: np.array([[int(number) for number in own], others])
        )

    return play


def test_where_one_process_gives_up_all_do(of_all):
    def refuse() -> None:
        raise InvalidInput("mine: expected better.")

    of_all(0)
    assert sync_errors(True, lambda: 3) == 3
    with pytest.raises(InvalidInput, match="mine: expected better"):
        sync_errors(True, refuse)
    of_all(1)
    with pytest.raises(InvalidInput, match="process 1 of 2 failed, which ends this one too"):
        sync_errors(True, lambda: 3)


def test_a_signal_to_another_process_counts(of_all):
    of_all(15)
    assert signal_of_any(None) == 15
    assert signal_of_any(2) == 2
    of_all(0)
    assert signal_of_any(None) is None


def test_processes_are_joined_by_all_three_numbers_or_none():
    with pytest.raises(
        InvalidInput, match=r"initialize was given \('here:1', 2, None\): expected coordinator, processes"
    ):
        initialize("here:1", 2)


def test_what_computes_already_joins_nobody():
    jax.devices()
    with pytest.raises(InvalidInput, match=r"could not be joined .*before JAX computes anything"):
        initialize("127.0.0.1:1", 2, 0)
