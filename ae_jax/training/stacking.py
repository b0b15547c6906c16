"""Greedy layer-wise pre-training: one-layer autoencoders, each trained on the codes of the one below."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ae_jax._checks import shown
from ae_jax.data import Dataset, Split
from ae_jax.errors import InvalidInput
from ae_jax.models import Autoencoder
from ae_jax.networks import MLP, code_shape
from ae_jax.training.callbacks import Callback
from ae_jax.training.checkpoint import Checkpoints
from ae_jax.training.compilation import COST
from ae_jax.training.config import TrainConfig
from ae_jax.training.fit import fit, untrained
from ae_jax.training.run import Run
from ae_jax.training.run_folder import History
from ae_jax.types import Params


def fit_layerwise(
    layers: Sequence[Autoencoder],
    data: Dataset,
    *,
    config: TrainConfig | None = None,
    seeds: int | Sequence[int] = 0,
    checkpoints: Checkpoints | str | Path | None = None,
    resume: bool = False,
    callbacks: Sequence[Callback] = (),
    **settings: Any,
) -> Run:
    r"""Trains a deep autoencoder layer by layer (greedy layer-wise pre-training).

    .. math:: h_l = s(W_l^\top h_{l-1} + b_l), \quad
       \min_{W_l, b_l, b'_l} \; \mathbb{E} \, \ell(s(W_l s(W_l^\top \tilde h_{l-1} + b_l) + b'_l), h_{l-1})

    Each layer reconstructs the clean codes of the layer below, which is not changed; a corruption damages its input
    while it learns. Together, encoders and decoders are one multi-layer perceptron, a run like any other, from which
    supervised training can start (:func:`ae_jax.training.fine_tune`).

    Args:
      layers: from the data up, each an autoencoder of ``MLP(hidden=())``, all of one activation and alike in whether
        they are tied; above the first, sigmoid codes want a Bernoulli likelihood, linear and relu codes another.
      data: what the first layer is trained on, in memory.
      seeds: one seed, or several different ones.
      config: the settings of each layer; None for 15 epochs and the defaults.
      checkpoints: saves each layer of each seed in a folder of its own.
      resume: continues from them; layers that are done are not trained again.
      callbacks: called as the training of each layer proceeds.
      settings: fields of the configuration that replace those of ``config``.

    Returns:
      The deep autoencoder's run; its history has the epochs of the layers one after the other, its objective and
      optimiser are those of the first.

    Raises:
      InvalidInput: no layers, or such as do not make one network; streamed data; what :func:`ae_jax.fit` refuses.
      TrainingDiverged: a layer's loss turned NaN or infinite.
      TrainingInterrupted: Ctrl-C or SIGTERM, with the run of the layer under way.

    Example:
      >>> import ae_jax
      >>> from ae_jax.corruptions import Masking
      >>> from ae_jax.objectives import BernoulliLikelihood, Reconstruction
      >>> layers = [
      ...     ae_jax.Autoencoder(
      ...         name="stacked",
      ...         networks=MLP(hidden=(), code=width, code_activation="sigmoid", tied=True),
      ...         objective=Reconstruction(likelihood=BernoulliLikelihood(), corruption=Masking(probability=0.1)),
      ...     )
      ...     for width in (24, 12)
      ... ]
      >>> run = fit_layerwise(layers, ae_jax.data.digits(), epochs=1)
      >>> run.autoencoder.networks.hidden, run.encode(ae_jax.data.digits().test.x).shape
      ((24,), (359, 12))

    References:
      Bengio et al., *Greedy layer-wise training of deep networks*, NeurIPS 2007;
      Vincent et al., *Stacked denoising autoencoders*, JMLR 2010, section 3.5.
    """
    config = (config or TrainConfig(epochs=15)).with_settings(settings)
    start = untrained(_deep(layers), data, seeds=seeds)
    if data.stream is not None:
        raise InvalidInput(
            f"{data.name} is streamed: expected data in memory to train layers on; raise the device budget."
        )
    if config.resplit:
        raise InvalidInput(
            "fit_layerwise was given resplit=True: expected one split, as each layer has a seed of its own; call it "
            "with data.resplit(seed) for each seed."
        )
    where = checkpoints if isinstance(checkpoints, Checkpoints | None) else Checkpoints(folder=Path(checkpoints))
    how = {"config": config, "resume": resume, "callbacks": callbacks}
    stacks = [_layers_of(seed, layers, data, where, how) for seed in start.seeds.tolist()]
    params = [_chain([run.params for run in stack]) for stack in stacks]
    first, runs = stacks[0][0], [run for stack in stacks for run in stack]
    epochs_below = [sum(run.history["train"]["loss"].shape[1] for run in stack[:-1]) for stack in stacks]
    return dataclasses.replace(
        start,
        params=jax.tree.map(lambda *members: jnp.concatenate(members), *params),
        history=_history(stacks),
        best_epoch=np.array(epochs_below) + [int(stack[-1].best_epoch[0]) for stack in stacks],
        settings=first.settings | {"epochs": config.epochs * len(layers)},
        record=first.record | {name: round(sum(run.record[name] for run in runs), 3) for name in COST},
    )


def _layers_of(
    seed: int, layers: Sequence[Autoencoder], data: Dataset, where: Checkpoints | None, how: dict[str, Any]
) -> list[Run]:
    """The trained layers of one seed, each on the codes of the one below."""
    stack: list[Run] = []
    for place, layer in enumerate(layers):
        data = _codes(stack[-1], data) if stack else data
        own = None
        if where is not None:
            own = dataclasses.replace(where, folder=where.folder / f"seed-{seed}-layer-{place + 1}")
        stack.append(fit(layer, data, seeds=_seed_of(seed, place), checkpoints=own, **how))
    return stack


def _deep(layers: Sequence[Autoencoder]) -> Autoencoder:
    """The autoencoder that layers make together; raises if they do not make one."""
    if not layers:
        raise InvalidInput("fit_layerwise was given no layers: expected an autoencoder for each.")
    first: Any = layers[0].networks
    for place, layer in enumerate(layers):
        _require_layer(place, layer, first)
    widths = [code_shape(layer.networks)[0] for layer in layers]
    return Autoencoder(
        name=layers[0].name,
        networks=MLP(
            hidden=tuple(widths[:-1]),
            code=widths[-1],
            activation=first.code_activation,
            code_activation=first.code_activation,
            tied=first.tied,
        ),
        objective=layers[0].objective,
        optimizer=layers[0].optimizer,
    )


def _require_layer(place: int, layer: Autoencoder, first: Any) -> None:
    """Raises where an autoencoder is no layer of a stack whose first networks are given."""
    networks: Any = layer.networks
    if not isinstance(networks, MLP) or networks != MLP(
        hidden=(),
        code=networks.code,
        activation=networks.activation,
        code_activation=networks.code_activation,
        tied=networks.tied,
    ):
        raise InvalidInput(
            f"layer {place + 1} has the networks {shown(networks)}: expected MLP(hidden=(), ...), one layer each way, "
            "whose code is its activation and nothing else."
        )
    for setting in ("tied", "code_activation"):
        if (own := getattr(networks, setting)) != (of_first := getattr(first, setting)):
            raise InvalidInput(
                f"layer {place + 1} has {setting}={own!r} and the first {of_first!r}: expected the same in all."
            )
    likelihood = layer.objective.likelihood
    agrees = (first.code_activation == "sigmoid") == likelihood.unit_interval and likelihood.outputs == 1
    if place and not (agrees and first.code_activation in ("sigmoid", "linear", "relu")):
        raise InvalidInput(
            f"layer {place + 1} reconstructs {first.code_activation} codes by a {type(likelihood).__name__}: expected "
            "sigmoid codes and BernoulliLikelihood, or linear or relu codes and SquaredError, as the decoder gives "
            "back what the encoder below gave."
        )


def _seed_of(seed: int, place: int) -> int:
    """The seed of a layer: the member's own for the first, for the others one derived from it."""
    return seed if place == 0 else int(np.random.SeedSequence((seed, place)).generate_state(1)[0])


def _codes(run: Run, data: Dataset) -> Dataset:

    def of(split: Split) -> Split:
        codes = np.zeros((0, *code_shape(run.autoencoder.networks)), np.float32)
        return Split(run.encode(split.x) if len(split.x) else codes)

    return Dataset(
        name=f"codes of {data.name}", train=of(data.train), validation=of(data.validation), test=of(data.test)
    )


def _chain(layers: list[Params]) -> Params:
    networks = [layer["networks"] for layer in layers]
    back = "decoder" if "decoder" in networks[0] else "decoder_biases"
    encoder = {place: one["encoder"][0] for place, one in enumerate(networks)}
    return {"networks": {"encoder": encoder, back: {n: one[back][0] for n, one in enumerate(reversed(networks))}}}


def _history(stacks: list[list[Run]]) -> History:
    """The epochs of the layers one after the other, NaN where a layer lacks a term or a seed has fewer epochs."""
    import pandas as pd

    def table(run: Run) -> pd.DataFrame:
        columns = {(split, term): rows[0] for split, terms in run.history.items() for term, rows in terms.items()}
        return pd.DataFrame(columns)

    tables = [pd.concat(map(table, stack), ignore_index=True) for stack in stacks]
    epochs = range(max(map(len, tables)))
    history: History = {}
    for split, term in tables[0]:
        rows = [one[split, term].reindex(epochs) for one in tables]
        history.setdefault(split, {})[term] = np.array(rows, np.float32)
    return history
