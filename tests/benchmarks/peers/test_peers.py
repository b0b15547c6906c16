"""The peers by their names."""

import pytest

from ae_jax import InvalidInput
from ae_jax.benchmarks import peers
from ae_jax.benchmarks.peers import PEERS, Peer, missing, prepare


def test_every_peer_is_written():
    from importlib import import_module

    for peer in PEERS.values():
        assert callable(getattr(import_module(f"{peers.__name__}.{peer.module}"), peer.function))


def test_a_peer_without_its_package_is_refused(monkeypatch):
    monkeypatch.setitem(PEERS, "other", Peer("other", "run", "no_such_package", "nothing"))
    assert missing("other") == "no_such_package"
    with pytest.raises(InvalidInput) as error:
        prepare("other", None)
    assert str(error.value) == (
        "the peer other needs no_such_package, which is not installed: pip install 'ae_jax[bench]'."
    )


def test_an_unknown_peer_is_refused():
    with pytest.raises(InvalidInput, match="unknown peer 'pytorhc': did you mean 'pytorch'"):
        prepare("pytorhc", None)
