"""Whatever is asked for is done, or refused in one sentence: properties over random configurations.

The first stages only plan, which compiles nothing, and so look at many; the last one trains a few.
"""

import inspect
import json
import math
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ae_jax
from ae_jax import InvalidInput, TrainConfig, corruptions, objectives, schedules
from ae_jax.cli import main
from ae_jax.components import from_config, to_config
from ae_jax.data import from_splits
from ae_jax.errors import TrainingDiverged
from ae_jax.models import NAMED, Autoencoder
from ae_jax.networks import ACTIVATIONS, MLP, Convolutional
from ae_jax.optimizers import RULES, Optimizer
from ae_jax.training.plan import plan

X = np.random.default_rng(0).uniform(size=(8, 4, 4)).astype(np.float32)
"""Eight examples that every likelihood allows."""


def examples(count: int) -> settings:
    """So many, always the same; no deadline, since compilation takes what it takes."""
    return settings(
        max_examples=count,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )


OF_ANY_TYPE = [None, True, "0.1", "", "a\n\x1b[2J", (), [], [1], (1, "a"), {}, {"a": 1}, 1j, b"1", math, object, ...]
NUMBERS = [0, -1, 1, 2, 0.5, -0.0, 1e-45, 1e-300, 1e38, 1e300, -1e300, 10**30, -(10**400), 2**31, 2**63]
NUMBERS += [math.nan, math.inf, -math.inf, np.float32(0.3), np.int64(3), np.float64(np.nan), np.array([0.1, 0.2])]
NUMBERS += [np.array(0.5), np.array([]), np.array(["a"]), np.complex64(1), np.bool_(True)]
odd = st.sampled_from(NUMBERS + OF_ANY_TYPE)


def mostly(usual: Any, once_in: int = 12) -> Any:
    """A strategy whose values are most often usual ones, so that several oddities seldom hide each other."""
    return st.integers(1, once_in).flatmap(lambda die: odd if die == once_in else usual)


class Made:
    """A component and what it is made of, not yet made, since making it may be what is refused."""

    def __init__(self, what: Any, **parts: Any):
        self.what, self.parts = what, parts

    def __repr__(self) -> str:
        return f"{self.what.__name__}({', '.join(f'{name}={part!r}' for name, part in self.parts.items())})"

    def __call__(self) -> Any:
        return self.what(**{name: made(part) for name, part in self.parts.items()})


def made(part: Any) -> Any:
    if isinstance(part, Made):
        return part()
    if isinstance(part, dict):
        return {name: made(value) for name, value in part.items()}
    return tuple(map(made, part)) if isinstance(part, tuple) else part


def some(what: Any, **parts: Any) -> st.SearchStrategy[Made]:
    """A component of any of its parts; the others are left at their defaults."""
    return st.fixed_dictionaries({}, optional=parts).map(lambda given: Made(what, **given))


number = mostly(st.floats(0.01, 0.9))
size = mostly(st.integers(1, 4))
activation = mostly(st.sampled_from(sorted(ACTIVATIONS)))
hidden = mostly(st.lists(size, max_size=2).map(tuple))
schedule = st.one_of(
    some(schedules.Linear, start=number, end=number, steps=number),
    some(schedules.Cosine, start=number, end=number, steps=number),
    st.builds(
        lambda rule, given: Made(schedules.FromOptax, rule=rule, settings=given),
        mostly(st.sampled_from(["exponential_decay", "constant_schedule", "warmup_cosine_decay_schedule"])),
        mostly(st.dictionaries(st.sampled_from(["value", "init_value", "transition_steps", "decay_rate"]), number)),
    ),
)
weight = st.one_of(number, number, schedule)
likelihood = mostly(
    st.one_of(
        some(objectives.SquaredError),
        some(objectives.BernoulliLikelihood),
        some(objectives.GaussianLikelihood, scale=number),
        some(objectives.LaplaceLikelihood, scale=number),
        some(objectives.LearnedGaussianLikelihood, smallest_log_scale=number),
    )
)
corruption = mostly(
    st.one_of(
        st.none(),
        some(corruptions.Gaussian, scale=number),
        some(corruptions.Masking, probability=number),
        some(corruptions.SaltAndPepper, probability=number, low=number, high=number),
    )
)
method = mostly(st.sampled_from(objectives.penalties.METHODS))
penalties = mostly(
    st.lists(
        st.one_of(
            some(objectives.L1, weight=weight),
            some(objectives.KLSparsity, target=number, weight=weight),
            some(objectives.Contractive, weight=weight, method=method, probes=size),
        ),
        max_size=2,
    ).map(tuple)
)
coded = {"code": size, "activation": activation, "stochastic": st.booleans()}
coded |= {name: mostly(st.one_of(st.none(), size), 20) for name in ("top_k", "condition")}
networks = mostly(
    st.one_of(
        some(MLP, hidden=hidden, code_activation=activation, tied=st.booleans(), **coded),
        some(Convolutional, channels=hidden, kernel=size, **coded),
    )
)
common = {"likelihood": likelihood, "corruption": corruption, "penalties": penalties}
bottleneck = mostly(st.one_of(st.none(), some(objectives.WinnerTakeAll, rate=number)))
objective = mostly(
    st.one_of(
        some(objectives.Reconstruction, bottleneck=bottleneck, **common),
        some(objectives.ImportanceWeighted, samples=size, **common),
        some(objectives.ELBO, beta=weight, samples=size, **common),
        some(objectives.Classification, classes=size),
    )
)
numbers_of_rules = mostly(st.dictionaries(st.sampled_from(["b1", "weight_decay", "momentum"]), number, max_size=2))
rule = some(
    Optimizer,
    rule=mostly(st.sampled_from(RULES)),
    learning_rate=weight,
    settings=numbers_of_rules,
    clip_norm=number,
)
optimizer = mostly(st.one_of(rule, rule, st.dictionaries(st.sampled_from(["networks", "head"]), rule, max_size=2)))
composed = st.builds(
    lambda networks, objective, optimizer: Made(
        Autoencoder, name="mine", networks=networks, objective=objective, optimizer=optimizer
    ),
    networks,
    objective,
    optimizer,
)


def strategy_for(name: str, default: Any) -> Any:
    """Values for a parameter of a named autoencoder."""
    if name == "likelihood":
        return likelihood
    kinds = {int: size, float: weight, str: activation, tuple: hidden}
    return kinds.get(type(default), odd)


named = st.sampled_from(sorted(NAMED)).flatmap(
    lambda name: some(
        NAMED[name],
        **{
            parameter.name: strategy_for(parameter.name, parameter.default)
            for parameter in inspect.signature(NAMED[name]).parameters.values()
        },
    )
)
training = st.fixed_dictionaries(
    {
        "epochs": mostly(st.integers(1, 2), 40),
        "batch_size": mostly(st.integers(1, 9), 40),
        "patience": mostly(st.none(), 40),
    }
)
seeds = mostly(st.one_of(st.integers(0, 3), st.lists(mostly(st.integers(0, 3)), min_size=1, max_size=3)), 40)


def require_one_sentence(error: InvalidInput) -> None:
    sentence = str(error)
    assert sentence.isprintable()
    assert sentence.endswith(".")
    assert len(sentence) < 1000
    assert any(hint in sentence for hint in ("expected", "did you mean", "Known are")), sentence


LABELLED = from_splits((X, np.arange(8) % 2))


@examples(120)
@given(st.one_of(composed, composed, named), training, seeds)
def test_everything_is_planned_or_refused_in_one_sentence(unchecked, wanted, options, seeds):
    try:
        planned = plan(made(wanted), LABELLED, TrainConfig(**options), seeds=seeds)
    except InvalidInput as error:
        require_one_sentence(error)
        return
    assert planned.config.epochs in range(1, 2**31)
    assert planned.config.batch_size in range(1, 9)
    assert len(planned.seeds) > 0


@pytest.fixture(scope="module")
def configurations() -> list[dict]:
    """Every named autoencoder, and one with all sorts of components, as JSON has them."""
    mixed = Autoencoder(
        name="mixed",
        networks=MLP(hidden=(3,), code=2, code_activation="sigmoid"),
        objective=objectives.Reconstruction(
            corruption=corruptions.SaltAndPepper(),
            penalties=(objectives.KLSparsity(weight=schedules.Linear()), objectives.L1()),
        ),
        optimizer=Optimizer(rule="adamw", settings={"weight_decay": 1e-4}, clip_norm=1.0),
    )
    return [json.loads(json.dumps(to_config(one))) for one in (mixed, *(make() for make in NAMED.values()))]


def places(tree: Any, at: tuple = ()) -> list[tuple]:
    """Paths of everything within nested dicts and lists."""
    parts = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [at, *(place for step, part in parts for place in places(part, (*at, step)))]


json_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["MLP", "Linear", "Gaussian", "SquaredError", "relu", "adam", "Autoencoder", "Scaling"]),
    st.builds(list),
    st.builds(dict),
    st.sampled_from(["MLP", "Linear", "Masking", "L1", "ELBO", "Optimizer", "Nothing"]).map(
        lambda name: {"type": name}
    ),
    st.lists(st.integers(-1, 3), max_size=3),
)


@examples(120)
@given(data=st.data())
def test_a_changed_configuration_is_read_or_refused_in_one_sentence(unchecked, configurations, data):
    config = {"autoencoder": json.loads(json.dumps(data.draw(st.sampled_from(configurations))))}
    for _ in range(data.draw(st.integers(1, 3))):
        *where, last = data.draw(st.sampled_from(places(config)[1:]))
        if "prior" in (*where, last):
            continue  # every component that can be called passes for a prior
        part = config
        for step in where:
            part = part[step]
        change = data.draw(st.sampled_from(["replace", "replace", "replace", "remove", "add"]))
        if change == "remove" and where:
            del part[last]
        elif change == "add" and isinstance(part[last], dict):
            part[last][data.draw(st.sampled_from(["type", "weight", "code", "cod", "__class__"]))] = data.draw(
                json_values
            )
        else:
            part[last] = data.draw(json_values)
    try:
        autoencoder = from_config(config["autoencoder"])
        plan(autoencoder, LABELLED, TrainConfig(epochs=1, batch_size=4), seeds=0)
    except InvalidInput as error:
        require_one_sentence(error)


words = st.one_of(
    st.sampled_from(["0", "-1", "2", "1e-3", "nan", "inf", "-inf", "1e999", "9" * 30, "9" * 5000, "relu", "adam"]),
    st.sampled_from(["", " ", "x", "--", "-", "--help=1", "1,2", "0.1:0.2", "None", "[1]", "a\nb", "\x1b[2J", "☃"]),
)
options = st.one_of(
    st.sampled_from(["--code", "--hidden", "--weight", "--learning-rate", "--beta", "--activation", "--likelihood"]),
    st.sampled_from(["--epochs", "--batch-size", "--patience", "--seeds", "--seed"]),
    st.sampled_from(["--scaling", "--label", "--shape", "--device-budget", "--wieght", "-x"]),
)
pairs = st.one_of(
    st.tuples(options, words),
    st.tuples(options, words, words),
    st.tuples(options),
    st.tuples(words),
    st.tuples(options, st.integers(1, 3).map(str)),
    st.tuples(options, st.integers(1, 3).map(str)),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where the data are, and the process meanwhile."""
    folder = tmp_path_factory.mktemp("fuzz")
    np.save(folder / "few.npy", X)
    return folder


@examples(40)
@given(
    st.sampled_from(["train", "sweep"]),
    mostly(st.sampled_from(sorted(NAMED))).map(str),
    st.lists(pairs, max_size=3),
)
def test_any_arguments_are_planned_or_refused_in_one_sentence(
    unchecked, folder, monkeypatch, capsys, command, name, given
):
    def interrupted(*arguments, **settings):
        raise KeyboardInterrupt  # where training would begin

    monkeypatch.chdir(folder)
    monkeypatch.setenv("AE_JAX_CACHE", "")
    monkeypatch.setattr(sys.modules["ae_jax.training.fit"], "train", interrupted)
    arguments = [command, name, "--data", "few.npy", *(word for pair in given for word in pair)]
    code = main(arguments)
    error = capsys.readouterr().err
    if code == 130:
        return
    assert code == 2, error
    sentences = [line for line in error.splitlines() if line.startswith("ae-jax: ") and " note: " not in line]
    assert len(sentences) == 1 or ("--help" in error and "Traceback" not in error), error  # else Tyro's box
    assert all(sentence.endswith(".") for sentence in sentences), error


@examples(8)
@given(st.one_of(composed, named), st.integers(1, 9))
def test_everything_that_is_planned_trains(unchecked, wanted, batch_size):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of batches that are larger than the data
        try:
            run = ae_jax.fit(made(wanted), LABELLED, epochs=1, batch_size=batch_size)
        except InvalidInput as error:
            require_one_sentence(error)
            return
        except TrainingDiverged:
            return
    assert all(np.isfinite(values).all() for values in run.history["train"].values())
