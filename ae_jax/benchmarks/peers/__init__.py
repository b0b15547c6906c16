"""Those whom we are compared with, each as somebody would write it who knows that framework well.

A peer is a function of a :class:`ae_jax.benchmarks.works.Task`, which builds what it needs and gives ``train``:
``train(epochs)`` begins with the task's initial parameters, trains, and returns the seconds of each epoch and the mean
loss of each epoch. Whatever is compiled or tried out is so in the first call, or before.
"""

import importlib
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, NamedTuple

from ae_jax.errors import InvalidInput, unknown

Train = Callable[[int], tuple[list[float], list[float]]]
"""Epochs -> seconds of each, mean loss of each."""


class Peer(NamedTuple):
    """Where a peer is written.

    Attributes:
      module: below this one.
      function: in it, from a task to ``train``.
      package: that it imports.
      about: how it trains, for people.
    """

    module: str
    function: str
    package: str
    about: str


PEERS: dict[str, Peer] = {
    "pytorch": Peer("pytorch", "eager", "torch", "a loop by hand, eager"),
    "pytorch-compiled": Peer("pytorch", "compiled", "torch", "the same loop, its loss by torch.compile"),
    "pytorch-jacrev": Peer("pytorch", "by_jacrev", "torch", "the same loop, the penalty by torch.func vmap(jacrev)"),
    "pytorch-jacfwd": Peer("pytorch", "by_jacfwd", "torch", "the same loop, the penalty by torch.func vmap(jacfwd)"),
    "pythae": Peer("pythae_trainer", "trainer", "pythae", "pythae's BaseTrainer on networks of the same layers"),
    "jax-scan": Peer("jax_by_hand", "scan", "jax", "a scan over an epoch by hand, with Optax"),
    "jax-loop": Peer("jax_by_hand", "loop", "jax", "the same step compiled, called from a Python loop"),
}
"""Every peer by its name."""

INSTALL = "pip install 'ae_jax[bench]'"


def missing(name: str) -> str | None:
    """The package that a peer lacks, or None.

    Example:
      >>> missing("jax-scan") is None
      True

    Raises:
      InvalidInput: nobody bears that name.
    """
    if name not in PEERS:
        raise unknown("peer", name, PEERS)
    package = PEERS[name].package
    return None if find_spec(package) else package


def prepare(name: str, task: Any) -> Train:
    """What a peer makes of a task.

    Raises:
      InvalidInput: nobody bears that name, or its package is not installed.
    """
    if (package := missing(name)) is not None:
        raise InvalidInput(f"the peer {name} needs {package}, which is not installed: {INSTALL}.")
    module = importlib.import_module(f"{__name__}.{PEERS[name].module}")
    return getattr(module, PEERS[name].function)(task)
