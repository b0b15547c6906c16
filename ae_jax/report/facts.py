"""What was trained on what, in sentences for a page."""

from typing import Any

import numpy as np

from ae_jax.data import Dataset
from ae_jax.training import Run


def data_facts(dataset: Dataset) -> str:
    """What the data are, in a sentence."""
    counts = dataset.describe()["examples"]
    shape = " x ".join(map(str, dataset.shape))
    return (
        f"{dataset.name}: {counts['train']:,} training, {counts['validation']:,} validation and {counts['test']:,} "
        f"test examples of {shape} features."
    )


def training_facts(record: dict[str, Any]) -> str:
    """How long was trained on what, in a sentence."""
    settings = record.get("settings", {})
    count = len(settings.get("seeds", ()))
    seeds = f"{count} seed{'s' if count > 1 else ''}, " if count else ""
    wall, compiling = (record.get(key, float("nan")) for key in ("wall_s", "compile_s"))
    return (
        f"{seeds}{settings.get('epochs', '?')} epochs at most, batches of {settings.get('batch_size', '?')}; "
        f"{wall:.0f} s, of which {compiling:.0f} s compiling, on {record.get('device', 'an unknown device')}."
    )


def run_facts(run: Run) -> str:
    """What was trained, in a sentence."""
    networks = type(run.autoencoder.networks).__name__
    code = getattr(run.autoencoder.networks, "code", None)
    best = sorted({int(epoch) for epoch in run.best_epoch})
    kept = f"epoch {best[0]}" if len(best) == 1 else f"epochs {best[0]} to {best[-1]}"
    of_code = f"a code of {code}, " if code is not None else ""
    members = f"{len(run)} members" if len(run) > 1 else f"seed {run.seeds[0]}"
    return f"{networks} with {of_code}{run.parameters:,} parameters; {members}, the parameters of {kept}."


def loss_alt(run: Run) -> str:
    """What the loss curves show, for those who cannot see them."""
    losses = run.history.get("train", {}).get("loss")
    if losses is None:
        return ""
    means = [np.mean(column[np.isfinite(column)]) for column in losses.T if np.isfinite(column).any()]
    ends = f", falling from {means[0]:.4g} to {means[-1]:.4g}" if len(means) > 1 else ""
    return f"Loss curves of {run.name} over {losses.shape[1]} epochs: training loss{ends}."


def loss_caption(run: Run) -> str:
    """What stands below the loss curves."""
    band = "; bands reach from the lowest to the highest member" if len(run) > 1 else ""
    return f"Every term by epoch, unweighted; the loss is their weighted sum{band}."
