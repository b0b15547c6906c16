"""Makes a run of a trained population, and says what went wrong in its training."""

import warnings
from typing import Any

import numpy as np

from ae_jax.errors import TrainingDiverged
from ae_jax.training.loop import Loop
from ae_jax.training.mesh import to_local
from ae_jax.training.plan import Plan
from ae_jax.training.run import Run
from ae_jax.training.snapshot import history_of


def run_of(planned: Plan, loop: Loop, record: dict[str, Any]) -> Run:
    """The population as far as a loop trained it."""
    best = to_local(planned.mesh, loop.best)
    counts = {"skipped_steps": np.asarray(best.skipped).tolist(), "rollbacks": np.asarray(best.undone).tolist()}
    run = Run(
        autoencoder=planned.autoencoder,
        seeds=planned.seeds,
        data=planned.dataset.spec,
        params=best.params,
        state=best.model_state,
        history=history_of(loop.rows),
        best_epoch=np.asarray(best.epoch),
        finite=np.asarray(best.finite),
        settings=planned.config.to_json(),
        record=record | {name: count for name, count in counts.items() if any(count)},
        single=planned.single,
    )
    if planned.dataset.origin is not None:
        run.record["source"] = list(planned.dataset.origin)
    if message := _divergence(run, sum((row.running for row in loop.rows), np.zeros(len(run), int))):
        run.record["divergence"] = message
    return run


def _divergence(run: Run, trained_epochs: np.ndarray) -> str | None:
    """The sentence that names the member, epoch and term whose value was not finite; None if all were finite."""
    bad = [member for member, finite in enumerate(run.finite) if not finite]
    if not bad:
        return None
    member = bad[0]
    epoch = int(trained_epochs[member]) - 1
    named = [
        f"{term} ({split})"
        for split, terms in run.history.items()
        for term, values in terms.items()
        if not np.isfinite(values[member, epoch])
    ]
    named = [name for name in named if not name.startswith("loss ")] or named  # its terms say more
    kept = f"the parameters of epoch {run.best_epoch[member]}" if run.best_epoch[member] else "the initial parameters"
    return (
        f"{run.name} diverged in {len(bad)} of {len(run)} members, first with seed {run.seeds[member]} at epoch "
        f"{epoch + 1} in {', '.join(named) or 'the parameters or the optimiser'}: {kept} are kept; lower the learning "
        "rate or a weight."
    )


def report(run: Run) -> None:
    """Warns of members that diverged or went on after values that were not finite; raises if every member diverged."""
    handled = {
        "skipped_steps": "skipped {} of its updates",
        "rollbacks": "went back {} times and on with half the learning rate",
    }
    sentences = []
    for name in filter(run.record.__contains__, handled):
        counts = np.array(run.record[name])
        sentences.append(
            f"{run.name} {handled[name].format(counts.sum())}, in {np.count_nonzero(counts)} of {len(run)} members, "
            "since a loss or a gradient was NaN or infinite: lower the learning rate or a weight."
        )
    message = run.record.get("divergence")
    if message is not None and run.finite.any():
        sentences.append(message)
    for sentence in sentences:
        warnings.warn(sentence, RuntimeWarning, stacklevel=3)
    if not run.finite.any():
        raise TrainingDiverged(message or "", run)
