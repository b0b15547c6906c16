"""The options of several devices and processes."""

import pytest

from ae_jax import InvalidInput
from ae_jax.cli.devices import FOUND, Devices, by_leader, leading, read_distributed


def test_processes_are_found_or_named():
    assert read_distributed([]) == FOUND
    assert read_distributed(["node1:8476,1/4"]) == ("node1:8476", 1, 4)
    assert read_distributed(["[::1]:80,0/1"]) == ("[::1]:80", 0, 1)


@pytest.mark.parametrize("text", ["node1", "node1:8476", "node1,0/2", ":8476,0/2", "node1:8476,0", "node1:8476,a/b"])
def test_what_names_no_process_is_refused(text):
    with pytest.raises(ValueError, match=r"expected HOST:PORT,INDEX/COUNT, such as node1:8476,0/2"):
        read_distributed([text])


def test_a_process_beyond_their_number_is_refused(call):
    outcome = call("train", "sparse", "--distributed", "node1:8476,2/2")
    assert outcome.code == 2
    assert "was given process 2 of 2: expected one from 0 to 1." in outcome.err


def test_a_mesh_that_does_not_fit_is_refused_before_training(call):
    outcome = call("train", "sparse", "--mesh", "data=3")
    assert outcome.code == 2
    assert outcome.err.startswith("ae-jax: the mesh member=1,data=3 takes 3 devices and there are 1: expected at most")


def test_jobs_that_are_only_written_have_no_devices(call):
    outcome = call("sweep", "sparse", "--emit-jobs", "jobs.jsonl", "--mesh", "data=1")
    assert outcome.code == 2
    assert "--emit-jobs was given with --mesh or --distributed: expected neither" in outcome.err


def test_alone_a_process_leads_and_joins_nobody():
    Devices().join()
    assert leading()
    assert by_leader(lambda: 3) == 3
    with pytest.raises(InvalidInput, match="expected neither"):
        Devices(mesh="data=1").require_none("--emit-jobs")
