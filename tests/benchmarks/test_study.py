"""The whole benchmark, piece by piece."""

import json

import pytest

from ae_jax import InvalidInput
from ae_jax.benchmarks import study as room
from ae_jax.benchmarks.study import Study
from ae_jax.benchmarks.works import WORKS


@pytest.fixture
def measured(monkeypatch):
    """What is measured, in order; nothing really is."""
    told = []

    def measure(work, batch, images, machine, **settings):
        told.append((work.name, batch, len(images), settings["rounds"], settings["epochs"], settings["memory"]))
        row = {"work": work.name, "batch": batch, "peer": "pythae", "ratio": 4.0}
        return [row], {"work": work.name, "batch": batch, "fraction": 0.5}

    monkeypatch.setattr(room, "measure", measure)
    monkeypatch.setattr(room, "look_at_machine", lambda **_: type("Machine", (), {"row": lambda self: {}})())
    monkeypatch.setattr(room, "cost_of_members", lambda **_: iter([{"widths": "w", "members": 1, "cost": 1.0}]))
    monkeypatch.setattr(room, "exponents", lambda *_, **__: iter([{"axis": "code", "exponent": 0.5}]))
    monkeypatch.setattr(room, "startup", lambda rounds: {"import_ratio": 1.25})
    monkeypatch.setattr(room, "cost_model", lambda rows, *_, **__: {"fitted_to": len(rows)})
    return told


def test_every_piece_is_added_to_what_was_measured(measured):
    said = []
    pieces = list(Study(works=["vae", "sparse"], batches=[64, 128], examples=1100, epochs=3).run(said.append))
    assert measured == [
        ("vae", 64, 1024, 5, 3, True),
        ("vae", 128, 1024, 5, 3, True),
        ("sparse", 128, 1024, 5, 3, True),
    ]
    assert [len(piece["rows"]) for piece in pieces] == [0, 1, 2, 3, 3, 3, 3]
    last = pieces[-1]
    assert len(last["roofline"]) == 3
    assert (len(last["populations"]), len(last["scaling"])) == (1, 1)
    assert last["cost_model"] == {"fitted_to": 1}
    assert last["geometric_means"] == {"pythae": 4.0}
    assert {bar["met"] for bar in last["bars"] if bar["what"] != "import"} == {True, None}
    assert [bar["met"] for bar in last["bars"] if bar["what"] == "import"] == [False]
    assert last["environment"]["threads"] >= 1
    assert last["settings"]["works"] == ["vae", "sparse"]
    assert last["skipped"] == [
        "the GPU leg was left out, as JAX has no GPU here; the same command runs it where there is one"
    ]
    json.dumps(last)
    assert said[1:3] == ["the limits of this machine", f"vae, batch 64: {WORKS['vae'].about}"]


def test_only_what_is_asked_for_is_measured(measured):
    pieces = list(Study(measures=["scaling"]).run())
    assert measured == []
    assert [(len(piece["rows"]), len(piece["scaling"])) for piece in pieces] == [(0, 1)] * 2


def test_quick_is_small(measured):
    list(Study(measures=["peers"], works=["sweep"], quick=True).run())
    assert measured == [("sweep", 32, 512, 1, 3, False)]
    ((work, _),) = Study(works=["sweep"], quick=True).pairs()
    assert (work.steps, work.epochs, work.rounds) == (2, None, 1)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"measures": ["peer"]},
            "unknown measure 'peer': did you mean 'peers'? Known are peers, populations, scaling, startup.",
        ),
        ({"rounds": 0}, "the benchmark was given rounds=0: expected a whole number above zero."),
        (
            {"works": ["sparse"], "peers": ["jax-loop"]},
            "no work that was asked for is done by the peer jax-loop: expected one of jax-scan, pytorch, "
            "pytorch-compiled.",
        ),
        (
            {"works": ["vae"], "batches": [96]},
            "no work that was asked for has a batch size of 96: expected vae at 64, 128, 512.",
        ),
    ],
)
def test_what_cannot_be_measured_is_refused(settings, sentence):
    with pytest.raises(InvalidInput) as error:
        Study(**settings)
    assert str(error.value) == sentence


def test_a_work_that_is_unknown_is_refused():
    with pytest.raises(InvalidInput, match="unknown work 'vea'"):
        Study(works=["vea"])
