"""Every question of the comparison, asked of one run, as long-format rows."""

from typing import Any

import jax
import numpy as np

from ae_jax.corruptions import Corruption, Gaussian
from ae_jax.data import Dataset, Scaling
from ae_jax.evaluation.contraction import norm_of_batch
from ae_jax.evaluation.denoising import corrupted
from ae_jax.evaluation.fitting import fitting_split
from ae_jax.evaluation.likelihood import negative_elbo
from ae_jax.evaluation.metrics import Row
from ae_jax.evaluation.reconstruction import mean_squared_error, psnr
from ae_jax.evaluation.representation import active_fraction, label_accuracies, mean_activation
from ae_jax.models import Autoencoder
from ae_jax.networks import deterministic
from ae_jax.training import Run

NOISE = Gaussian(scale=0.3)
"""What damages inputs in the comparison, in model units."""


def evaluate(
    run: Run, dataset: Dataset, *, split: str = "test", corruption: Corruption = NOISE, seed: int = 0
) -> list[Row]:
    """Asks every question that the data allow of every member.

    Args:
      run: a trained population.
      dataset: the data; its shape and scaling are the run's. Probes learn from its training split, and need
        classes as labels.
      split: which split the questions are about.
      corruption: what damages inputs for ``psnr_corrupted``, in model units.
      seed: of the damage and of the latents, the same for every member.

    Returns:
      Rows ``{"autoencoder", "seed", "member", "metric", "value", "split"}``, in the order of members; metrics are
      :data:`ae_jax.evaluation.METRICS`. A mean squared error is in model units. Rows of a member that diverged, which
      kept the parameters of its last finite epoch, say so by ``"finite": False``.

    Raises:
      InvalidInput: an unknown or empty split, or data of another shape or scaling than the run's.

    Example:
      >>> import ae_jax
      >>> data = ae_jax.data.digits()
      >>> rows = evaluate(ae_jax.fit(ae_jax.undercomplete(code=2, hidden=()), data, epochs=1), data)
      >>> [row["metric"] for row in rows][:2]
      ['mse', 'psnr_corrupted']
    """
    part = fitting_split(run, dataset, split)
    stored = part.x.astype(np.float32)
    x = np.asarray(run.scaling(stored))
    damaged = corrupted(corruption, jax.random.key(seed), x)
    answers = with_members(run, run.apply(_answers, stored, run.scaling.invert(damaged)))
    variational = "prior" in run.autoencoder.objective.parts
    elbo = with_members(run, negative_elbo(run, stored, seed=seed)) if variational else {}
    train_codes = with_members(run, run.encode(dataset.train.x.astype(np.float32)))
    rows = []
    for member, member_seed in enumerate(run.seeds):
        answer = {name: values[member] for name, values in answers.items()}
        values = {
            "mse": mean_squared_error(answer["reconstruction"], x),
            "psnr_corrupted": float(np.mean(psnr(answer["denoised"], x))),
        }
        values |= label_accuracies(train_codes[member], dataset.train.labels, answer["code"], part.labels)
        values |= {
            "mean_activation": mean_activation(answer["code"]),
            "active_fraction": active_fraction(answer["code"]),
            "jacobian_norm": float(np.mean(answer["jacobian_norm"])),
            **{name: float(np.mean(values[member])) for name, values in elbo.items()},
            "parameters": float(run.parameters),
        }
        rows += rows_of(run.name, int(member_seed), member, split, values, **diverged(run, member))
    return rows


def diverged(run: Run, member: int) -> dict[str, bool]:
    """What rows of a member that diverged have beside their values."""
    return {} if run.finite[member] else {"finite": False}


def rows_of(
    autoencoder: str, seed: int | None, member: int, split: str, values: dict[str, float], **further: Any
) -> list[Row]:
    """Named values as long-format rows, each with further keys."""
    who = {"autoencoder": autoencoder, "seed": seed, "member": member}
    return [{**who, "metric": metric, "value": value, "split": split, **further} for metric, value in values.items()]


def with_members(run: Run, tree: Any) -> Any:
    """Results of a run with the leading member axis that those of a single run lack."""
    return jax.tree.map(lambda leaf: leaf[None], tree) if run.single else tree


def _answers(autoencoder: Autoencoder, networks: Any, scaling: Scaling, stored: Any, damaged: Any) -> Any:
    """What the questions need of each example, as one program: code, reconstructions in model units, Jacobian norm."""
    mean = autoencoder.objective.likelihood.mean
    code = deterministic(networks.encode(scaling(stored)))
    return {
        "code": code,
        "reconstruction": mean(networks.decode(code)),
        "denoised": mean(networks.decode(deterministic(networks.encode(scaling(damaged))))),
        "jacobian_norm": norm_of_batch(autoencoder, networks, scaling, stored),
    }
