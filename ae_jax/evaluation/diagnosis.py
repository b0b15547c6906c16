"""Diagnosis of trained members: faults that a table of means does not show, each with its figure and a remedy."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float

from ae_jax.evaluation.baselines import most_components
from ae_jax.evaluation.reconstruction import mean_squared_error
from ae_jax.evaluation.representation import code_use
from ae_jax.evaluation.results import Row
from ae_jax.training import Run

if TYPE_CHECKING:
    from ae_jax.evaluation.context import Context


class Fault(NamedTuple):
    """A fault of a trained member.

    Attributes:
      phrase: what the autoencoder has.
      claim: the figure, as a format of ``value`` and ``limit``, what it is compared with.
      remedy: what to try.
      disqualifies: whether results of the autoencoder may not be called the best.
    """

    phrase: str
    claim: str
    remedy: str
    disqualifies: bool = False


FAULTS: dict[str, Fault] = {
    "diverged": Fault(
        "diverged",
        "a value was not finite and the parameters of epoch {value:.0f} are kept",
        "lower the learning rate or a weight",
        disqualifies=True,
    ),
    "collapsed_posterior": Fault(
        "has a collapsed posterior",
        "its KL is {value:.2g} nats, below {limit:g}, so that latents say nothing about the example",
        "lower beta or let it grow by a schedule, or give the likelihood a smaller or a learned scale",
        disqualifies=True,
    ),
    "constant_code": Fault(
        "has a constant code",
        "the standard deviation of its reconstructions is {value:.2g} of the data's, below {limit:g}",
        "lower the learning rate or the weight of the penalty",
        disqualifies=True,
    ),
    "error_above_mean": Fault(
        "reconstructs worse than the mean example",
        "its squared error is {value:.3g}, that of the mean training example {limit:.3g}",
        "lower the learning rate or the weight of the penalty, or train for more epochs",
        disqualifies=True,
    ),
    "error_above_pca": Fault(
        "reconstructs worse than PCA of the same size",
        "its squared error is {value:.3g}, PCA's {limit:.3g}",
        "if reconstruction matters, train for more epochs, lower the weight of the other terms of the loss, or use PCA",
    ),
    "dead_units": Fault(
        "has dead units",
        "{value:.0%} of the units of its code have a standard deviation below {limit:.2g}",
        "lower the learning rate or the weight of the penalty, or make the code smaller",
    ),
    "dead_codes": Fault(
        "has codes that no example uses",
        "{value:.0%} of its codes stand for no training example, more than {limit:.0%}",
        "take fewer codes or lower the weights of other terms; of a codebook, lower dead_after or start it by k-means",
    ),
    "lost_game": Fault(
        "has a critic that wins",
        "over the last tenth of the epochs its loss is {value:.2g} nats, below {limit:g}, where log 2 is chance: its "
        "gradient says little",
        "lower the critic's learning rate or its size, or train for more epochs",
    ),
    "diverging_game": Fault(
        "has a game that diverges",
        "over the last tenth of the epochs the networks' loss in it is {value:.2g} nats, above {limit:g}, where log 2 "
        "is chance",
        "raise the weight of the game, or lower the critic's learning rate",
    ),
    "still_falling": Fault(
        "was still improving at the last epoch",
        "its validation loss fell by {value:.1%} in the last tenth of the epochs",
        "train for more epochs",
    ),
}
"""Every fault by its name, the most serious first."""

_COLLAPSED = 0.1
"""Nats of the whole code: e^0.1 is 1.1 examples that latents tell apart."""
_CONSTANT = 0.01
"""Of the data's standard deviation: such reconstructions explain at most 2% of the variance."""
_DEAD = 0.01
"""Of the largest standard deviation of a unit; principal components of images differ by ten."""
_UNUSED = 0.1
"""Likewise of latents with a prior: 1% of the variance, as in Burda et al., ICLR 2016, section 5.2."""
_FEW = 0.1
"""The share of units that may be dead."""
_LOST = 0.1
"""Nats of a critic's logistic loss: it is right about 97% of the time."""
_DIVERGING = 5.0
"""Nats of the networks' loss in a game: they are believed in less than 1% of the cases."""
_NOTICEABLE = 0.02
"""A relative difference that is worth a sentence."""

Found = tuple[str, float, float | None]
"""The name of a fault, its figure, and what that was compared with."""


def diagnose(context: "Context", kl: Float[np.ndarray, "members n"] | None = None) -> list[Row]:
    """Returns the faults of a run's members on the evaluated split; none of a baseline.

    Args:
      context: the run and the data.
      kl: of each example, in nats; None of a run without a prior.

    Returns:
      A row ``{"autoencoder", "seed", "member", "finding", "value", "limit", "sentence"}`` for each member and fault,
      with :data:`FAULTS` as findings; the sentence is about all members of the run that have the fault.
    """
    if not isinstance(context.evaluated, Run):
        return []
    run = context.run
    mean = np.broadcast_to(context.train.mean(axis=0, dtype=np.float64), context.x.shape)
    mean_error = mean_squared_error(mean, context.x)
    code, features = context.subjects[0].output("code").shape[1], context.x[0].size
    pca_error = None
    if code < features and code <= most_components(context.train):
        pca_error = mean_squared_error(context.baseline(context.pca).output("reconstruction"), context.x)
    found = _faults_of_training(run)
    for of_member, subject in zip(found, context.subjects, strict=True):
        if not subject.diverged:
            made, nats = subject.output("reconstruction"), None if kl is None else float(np.mean(kl[subject.member]))
            faults = faults_of_reconstructions(made, context.x, mean_error, pca_error, kl=nats)
            if not any(FAULTS[name].disqualifies for name, *_ in faults):
                faults += faults_of_codes(subject.output("train_code"), latent=kl is not None)
            if (codes := run.autoencoder.objective.codes) is not None:
                share = 1.0 - code_use(subject.output("train_indices"), codes)["codes_used"]
                faults += [("dead_codes", share, _FEW)] * (share > _FEW)
            of_member += faults
    return _findings(run, found)


def join_findings(run: Run, parts: Iterable[tuple[Sequence[int], Sequence[Row]]]) -> list[Row]:
    """Returns findings of a run from those of parts of it, each with the numbers of its members in the run."""
    found: list[list[Found]] = [[] for _ in run.seeds]
    for members, findings in parts:
        for row in findings:
            found[members[row["member"]]].append((row["finding"], row["value"], row["limit"]))
    return _findings(run, found)


def diagnose_training(run: Run) -> list[Row]:
    """Returns the faults that the history of a run shows, as :func:`diagnose` does: it needs no data."""
    return _findings(run, _faults_of_training(run))


def fall_at_the_end(losses: Float[np.ndarray, " epochs"]) -> float:
    r"""Returns by how much the mean loss of the last tenth of the epochs is below that of the tenth before.

    .. math:: (\bar l_9 - \bar l_{10}) / |\bar l_9|, \quad \bar l_t \text{ the mean of the } t\text{-th tenth}

    Args:
      losses: of each epoch; NaN after a member stopped.

    Returns:
      The fall relative to the tenth before; 0 where the lowest loss is older than the last tenth, the member stopped
      early, or there are fewer than two epochs.

    Example:
      >>> round(fall_at_the_end(np.linspace(2.0, 1.0, 11)), 3), fall_at_the_end(np.ones(10))
      (0.091, 0.0)
    """
    tenth = max(1, len(losses) // 10)
    if len(losses) < 2 or not np.isfinite(losses).all() or losses.argmin() < len(losses) - tenth:
        return 0.0
    before, last = losses[-2 * tenth : -tenth].mean(dtype=np.float64), losses[-tenth:].mean(dtype=np.float64)
    return float((before - last) / abs(before))


def faults_of_reconstructions(
    reconstructions: Float[np.ndarray, "n *features"],
    x: Float[np.ndarray, "n *features"],
    mean_error: float,
    pca_error: float | None,
    *,
    kl: float | None = None,
) -> list[Found]:
    """Returns the most serious fault of one member's reconstructions, or none.

    Args:
      reconstructions, x: in model units.
      mean_error: mean squared error of the mean training example.
      pca_error: that of PCA with a code of the same size; None where a code of that size keeps everything.
      kl: mean over examples, in nats; None of a member without a prior.
    """
    error = mean_squared_error(reconstructions, x)
    made, given = (float(np.sqrt(np.var(each, axis=0, dtype=np.float64).sum())) for each in (reconstructions, x))
    candidates: dict[str, tuple[float | None, float | None, bool]] = {
        "collapsed_posterior": (kl, _COLLAPSED, kl is not None and kl < _COLLAPSED),
        "constant_code": (made / given if given else None, _CONSTANT, made < _CONSTANT * given),
        "error_above_mean": (error, mean_error, error > mean_error),
        "error_above_pca": (error, pca_error, pca_error is not None and error > (1.0 + _NOTICEABLE) * pca_error),
    }
    found = [(name, value, limit) for name, (value, limit, holds) in candidates.items() if holds and value is not None]
    return found[:1]


def faults_of_codes(codes: Float[np.ndarray, "n units"], *, latent: bool = False) -> list[Found]:
    """Returns whether more than a tenth of the units of one member's codes are dead.

    Args:
      codes: of training examples, among which each unit should vary.
      latent: whether a prior keeps units that carry nothing near zero.

    Example:
      >>> faults_of_codes(np.array([[0.0, 1.0], [0.0, 0.0]]))
      [('dead_units', 0.5, 0.005)]
    """
    spread = np.std(codes, axis=0, dtype=np.float64)
    bound = (_UNUSED if latent else _DEAD) * float(spread.max())
    share = float(np.mean(spread < bound))
    return [("dead_units", share, bound)] if share > _FEW else []


def sentences(findings: Sequence[Row]) -> list[str]:
    """Returns the sentences of findings, each once."""
    return list(dict.fromkeys(row["sentence"] for row in findings))


def disqualified(findings: Iterable[Row]) -> set[str]:
    """Returns the names of autoencoders with a member whose fault forbids to call a result the best.

    Example:
      >>> disqualified([{"autoencoder": "sparse", "finding": "constant_code"}])
      {'sparse'}
    """
    return {row["autoencoder"] for row in findings if FAULTS[row["finding"]].disqualifies}


def _faults_of_training(run: Run) -> list[list[Found]]:
    """Returns for each member of a run the faults that its history shows."""
    metric = run.autoencoder.objective.selection
    curves = run.history.get("validation", {}).get(metric or "")
    found: list[list[Found]] = [[] for _ in run.seeds]
    for member, faults in enumerate(found):
        if not run.finite[member]:
            faults.append(("diverged", float(run.best_epoch[member]), None))
        elif curves is not None and (fall := fall_at_the_end(curves[member])) > _NOTICEABLE:
            faults.append(("still_falling", fall, _NOTICEABLE))
        if run.finite[member]:
            faults += _faults_of_game({term: values[member] for term, values in run.history["train"].items()})
    return found


def _faults_of_game(losses: Mapping[str, np.ndarray]) -> list[Found]:
    """Returns the faults that the losses of a critic and of the networks that it judges show, each ``[epochs]``."""
    found: list[Found] = []
    for name, term, limit in (("lost_game", "critic", _LOST), ("diverging_game", "adversary", _DIVERGING)):
        known = losses.get(term, np.empty(0))
        known = known[np.isfinite(known)]
        if len(known):
            loss = float(known[-max(1, len(known) // 10) :].mean())
            found += [(name, loss, limit)] * (loss < limit if term == "critic" else loss > limit)
    return found


def _findings(run: Run, found: Sequence[Sequence[Found]]) -> list[Row]:
    """Returns a row for each member and fault, the most serious faults first; rows of one fault share a sentence."""
    rows: list[Row] = []
    for name in FAULTS:
        of_fault = [
            {"autoencoder": run.name, "seed": int(run.seeds[member]), "member": member}
            | {"finding": name, "value": value, "limit": limit}
            for member, faults in enumerate(found)
            for fault, value, limit in faults
            if fault == name
        ]
        rows += [row | {"sentence": _sentence(run, of_fault)} for row in of_fault]
    return rows


def _sentence(run: Run, of_fault: Sequence[Row]) -> str:
    fault, first = FAULTS[of_fault[0]["finding"]], of_fault[0]
    if first["finding"] == "diverged" and "divergence" in run.record:
        return run.record["divergence"]  # it names epoch and term
    value, limit = (float(np.mean([row[key] or 0.0 for row in of_fault])) for key in ("value", "limit"))
    who = f", in {len(of_fault)} of {len(run)} members, first with seed {first['seed']}"
    who = (", in all members" if len(run) > 1 else "") if len(of_fault) == len(run) else who
    shown = "; no result of it counts as the best" if fault.disqualifies else ""
    return f"{run.name} {fault.phrase}{who}: {fault.claim.format(value=value, limit=limit)}; {fault.remedy}{shown}."
