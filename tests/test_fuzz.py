"""Every configuration is planned or refused in one sentence, and everything that is planned trains."""

import dataclasses
import inspect
import json
import math
import re
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ae_jax
from ae_jax import InvalidInput, TrainConfig, corruptions, evaluation, objectives, schedules, studies
from ae_jax.cli import main
from ae_jax.components import from_config, to_config
from ae_jax.data import from_splits
from ae_jax.errors import TrainingDiverged
from ae_jax.estimators import AutoencoderDetector, AutoencoderTransformer
from ae_jax.models import NAMED, Autoencoder
from ae_jax.networks import ACTIVATIONS, MLP, Convolutional
from ae_jax.optimizers import RULES, Optimizer
from ae_jax.training import Checkpoints
from ae_jax.training.plan import plan

X = np.random.default_rng(0).uniform(size=(8, 4, 4)).astype(np.float32)  # every likelihood allows these values
LABELLED = from_splits((X, np.arange(8) % 2))


def examples(count: int) -> settings:
    """The same examples in every run, without a deadline, because compilation may be slow."""
    checks = [HealthCheck.function_scoped_fixture]
    return settings(max_examples=count, derandomize=True, deadline=None, database=None, suppress_health_check=checks)


ODD = [None, True, "0.1", "", "a\n\x1b[2J", (), [], [1], (1, "a"), {}, {"a": 1}, 1j, b"1", math, object, ...]
ODD += [0, -1, 1, 2, 0.5, -0.0, 1e-45, 1e-300, 1e38, 1e300, -1e300, 10**30, -(10**400), 2**31, 2**63]
ODD += [math.nan, math.inf, -math.inf, np.float32(0.3), np.int64(3), np.float64(np.nan), np.array([0.1, 0.2])]
ODD += [np.array(0.5), np.array([]), np.array(["a"]), np.complex64(1), np.bool_(True)]
odd = st.sampled_from(ODD)


def mostly(usual: Any, once_in: int = 12) -> Any:
    """Usual values, and rarely an odd one, so that several odd values seldom hide each other."""
    return st.integers(1, once_in).flatmap(lambda die: odd if die == once_in else usual)


def made(part: Any) -> Any:
    """Replaces every maker within a value by the component it makes."""
    if inspect.isfunction(part):
        return part()
    if isinstance(part, dict):
        return {name: made(value) for name, value in part.items()}
    return tuple(map(made, part)) if isinstance(part, tuple) else part


def some(*choices: Any) -> st.SearchStrategy[Callable[[], Any]]:
    """Functions that make one of the components, with some of its arguments drawn."""

    def of(what: Any) -> st.SearchStrategy[Callable[[], Any]]:
        parameters = inspect.signature(what).parameters.values()
        drawn = {one.name: st.deferred(lambda one=one: strategy_for(one)) for one in parameters}
        needed = {one.name: drawn.pop(one.name) for one in parameters if one.default is one.empty}
        return st.fixed_dictionaries(needed, optional=drawn).map(lambda given: lambda: what(**made(given)))

    return st.one_of(*map(of, choices))


def strategy_for(parameter: inspect.Parameter) -> Any:
    """Values for an argument, by its name or the type of its default."""
    default = parameter.default
    fallback = BY_TYPE.get(type(default), st.just(default) if dataclasses.is_dataclass(default) else odd)
    return BY_NAME.get(parameter.name, fallback)


number, size = mostly(st.floats(0.01, 0.9)), mostly(st.integers(1, 4))
few = mostly(st.one_of(st.none(), size), 20)
weight = st.one_of(number, number, some(schedules.Linear, schedules.Cosine, schedules.FromOptax))
corruption = st.one_of(st.none(), mostly(some(corruptions.Gaussian, corruptions.Masking, corruptions.SaltAndPepper)))
penalty = some(objectives.L1, objectives.KLSparsity, objectives.Contractive)
likelihoods = [getattr(objectives, name) for name in objectives.__all__ if re.search(".(Error|Likelihood)", name)]
trained = [objectives.Reconstruction, objectives.ELBO, objectives.ImportanceWeighted, objectives.Classification]
optimizer = some(Optimizer)
names = st.sampled_from(["b1", "weight_decay", "momentum", "value", "decay_rate"])
hidden = mostly(st.lists(size, max_size=2).map(tuple))
activation = mostly(st.sampled_from(sorted(ACTIVATIONS)))
BY_TYPE = {int: size, float: number, bool: st.booleans(), str: activation, tuple: hidden}
BY_NAME = {
    "name": st.just("mine"),
    "networks": mostly(some(MLP, Convolutional)),
    "objective": mostly(some(*trained)),
    "optimizer": mostly(st.one_of(optimizer, st.fixed_dictionaries({"networks": optimizer, "head": optimizer}))),
    "likelihood": mostly(some(*likelihoods)),
    "corruption": corruption,
    "augmentation": corruption,
    "penalties": mostly(st.lists(penalty, max_size=2).map(tuple)),
    "bottleneck": mostly(st.one_of(st.none(), some(objectives.WinnerTakeAll))),
    "method": mostly(st.sampled_from(objectives.penalties.METHODS)),
    "rule": mostly(st.sampled_from([*RULES, "exponential_decay", "constant_schedule"])),
    "settings": mostly(st.dictionaries(names, number, max_size=2)),
}
BY_NAME |= {"top_k": few, "condition": few, "weight": weight, "beta": weight, "learning_rate": weight}
autoencoder = st.one_of(some(Autoencoder), some(*NAMED.values()))


def require_sentence(error: InvalidInput) -> str:
    sentence = str(error)
    assert sentence.isprintable()
    assert sentence.endswith(".")
    assert len(sentence) < 1000
    return sentence


def require_one_sentence(error: InvalidInput) -> None:
    sentence = require_sentence(error)
    assert any(hint in sentence for hint in ("expected", "did you mean", "Known are", "import the file")), sentence


options = {"epochs": mostly(st.integers(1, 2)), "batch_size": mostly(size), "patience": mostly(st.none())}
seeds = mostly(st.one_of(st.integers(0, 3), st.lists(mostly(st.integers(0, 3)), min_size=1, max_size=3)), 40)


@examples(60)
@given(autoencoder, st.fixed_dictionaries(options), seeds)
def test_everything_is_planned_or_refused_in_one_sentence(unchecked, make, options, seeds):
    try:
        planned = plan(make(), LABELLED, TrainConfig(**options), seeds=seeds)
    except InvalidInput as error:
        require_one_sentence(error)
        return
    assert planned.config.epochs in range(1, 2**31)
    assert planned.config.batch_size in range(1, 9)
    assert len(planned.seeds) > 0


CONFIGURATIONS = [json.dumps(to_config(make())) for make in NAMED.values()]
words = st.sampled_from(["MLP", "Linear", "Masking", "L1", "SquaredError", "relu", "adam", "Autoencoder", "Nothing"])
types = words.map(lambda name: {"type": name})
json_values = st.one_of(
    odd.filter(lambda value: isinstance(value, int | float | str)), words, types, st.lists(st.integers(-1, 3))
)


def places(tree: Any, at: tuple = ()) -> list[tuple]:
    """Paths of everything within nested dicts and lists."""
    parts = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [at, *(place for step, part in parts for place in places(part, (*at, step)))]


@examples(120)
@given(data=st.data())
def test_a_changed_configuration_is_read_or_refused_in_one_sentence(unchecked, data):
    config = {"autoencoder": json.loads(data.draw(st.sampled_from(CONFIGURATIONS)))}
    for _ in range(data.draw(st.integers(1, 3))):
        *where, last = data.draw(st.sampled_from(places(config)[1:]))
        if "prior" in (*where, last):
            continue  # every component that can be called passes for a prior
        part = config
        for step in where:
            part = part[step]
        part[last] = data.draw(json_values)
    try:
        plan(from_config(config["autoencoder"]), LABELLED, TrainConfig(epochs=1, batch_size=4), seeds=0)
    except InvalidInput as error:
        require_one_sentence(error)


FLAGS = "--code --hidden --weight --learning-rate --beta --activation --likelihood --epochs --seeds --wieght -x"
TEXTS = ["", "0", "-1", "3", "1e-3", "nan", "-inf", "1e999", "9" * 5000, "relu", "--", "1,2", "a\nb", "\x1b[2J", "☃"]
pairs = st.tuples(st.sampled_from(FLAGS.split()), st.sampled_from(TEXTS))


@examples(5)
@given(st.sampled_from(["train", "sweep"]), st.sampled_from([*sorted(NAMED), "vea"]), st.lists(pairs, max_size=3))
def test_any_arguments_are_planned_or_refused(unchecked, tmp_path, monkeypatch, capsys, command, name, given):
    def interrupted(*arguments, **settings):
        raise KeyboardInterrupt  # where training would begin

    monkeypatch.chdir(tmp_path)
    np.save("few.npy", X)
    monkeypatch.setenv("AE_JAX_CACHE", "")
    monkeypatch.setattr(sys.modules["ae_jax.training.fit"], "train", interrupted)
    code = main([command, name, "--data", "few.npy", *(word for pair in given for word in pair)])
    error = capsys.readouterr().err
    sentences = [line for line in error.splitlines() if line.startswith("ae-jax: ") and " note: " not in line]
    assert code in (2, 130), error
    assert len(sentences) == 1 or ("--help" in error and "Traceback" not in error), error  # else Tyro's box
    assert all(sentence.endswith(".") for sentence in sentences), error


@examples(8)
@given(autoencoder, st.integers(1, 9))
def test_everything_that_is_planned_trains(unchecked, make, batch_size):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of batches that are larger than the data
        try:
            run = ae_jax.fit(make(), LABELLED, epochs=1, batch_size=batch_size)
        except InvalidInput as error:
            require_one_sentence(error)
        except TrainingDiverged:
            pass
        else:
            assert all(np.isfinite(values).all() for values in run.history["train"].values())


WRONG = [*ODD, "a\0b", "../outside", np.zeros((2, 0)), np.zeros((0, 4)), [[1.0], [1.0, 2.0]], X, X[0], iter(()), len]


def fitted(estimator: Any) -> Callable[..., Any]:
    """A function that makes an estimator of its arguments and fits it; scikit-learn checks the random state."""

    def fit(**given: Any) -> Any:
        return estimator(**given | {"random_state": 0}).fit(X.reshape(8, 16))

    fit.__signature__ = inspect.signature(estimator)
    return fit


CALLS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "fit": (ae_jax.fit, {"autoencoder": ae_jax.undercomplete(code=2, hidden=()), "data": X, "epochs": 1}),
    "from_arrays": (ae_jax.data.from_arrays, {"x": X}),
    "from_splits": (from_splits, {"train": X}),
    "data.load": (ae_jax.data.load, {"source": "digits"}),
    "digits": (ae_jax.data.digits, {}),
    "load": (ae_jax.load, {"folder": "nowhere"}),
    "named": (ae_jax.named, {"name": "vae"}),
    "compare": (studies.compare, {"data": LABELLED, "autoencoders": []}),
    "sweep": (studies.sweep, {"name": "sparse", "dataset": LABELLED, "grid": {}}),
    "evaluate": (evaluation.evaluate, {"evaluated": None, "dataset": LABELLED}),
    "TrainConfig": (TrainConfig, {}),
    "Checkpoints": (Checkpoints, {"folder": "here"}),
    "Optimizer": (Optimizer, {}),
    "ReadOptions": (ae_jax.data.ReadOptions, {}),
    "Scaling": (ae_jax.data.Scaling, {}),
    "AutoencoderTransformer": (fitted(AutoencoderTransformer), {}),
    "AutoencoderDetector": (fitted(AutoencoderDetector), {}),
    **{name: (make, {}) for name, make in NAMED.items()},
}


@examples(150)
@given(data=st.data())
def test_a_wrong_argument_of_a_public_function_is_one_sentence(unchecked, tmp_path, monkeypatch, data):
    def interrupted(*arguments, **settings):
        raise KeyboardInterrupt  # where training or evaluation would begin

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys.modules["ae_jax.training.fit"], "train", interrupted)
    function, usual = CALLS[data.draw(st.sampled_from(sorted(CALLS)))]
    names = [one.name for one in inspect.signature(function).parameters.values() if one.kind != one.VAR_KEYWORD]
    given = usual | {data.draw(st.sampled_from(names or ["unknown"])): data.draw(st.sampled_from(WRONG))}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            function(**given)
        except KeyboardInterrupt:
            pass
        except InvalidInput as error:
            require_sentence(error)
    assert not list(tmp_path.parent.glob("outside*"))
