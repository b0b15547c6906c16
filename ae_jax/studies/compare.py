"""The main job: several autoencoders, one data set, the same questions, PCA beside them."""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ae_jax.components import to_config
from ae_jax.data import Dataset
from ae_jax.errors import InvalidInput
from ae_jax.evaluation import PCA, Row, evaluate
from ae_jax.models import NAMED, Autoencoder
from ae_jax.studies.study_results import StudyResults, conduct
from ae_jax.studies.suited import suited
from ae_jax.training import Callback, Checkpoints, OnDivergence, Run
from ae_jax.training.continuation import Resume
from ae_jax.training.mesh import Devices


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """Trained runs and what they answered.

    Attributes:
      dataset: what they were trained on and asked about.
      runs: by the autoencoder's name.
      rows: long-format results, PCA's among them.
      record: settings, versions, device, wall and compile time.
      messages: what a reader of the results must know: autoencoders left out, members that diverged.
    """

    dataset: Dataset
    runs: dict[str, Run]
    rows: list[Row]
    record: dict[str, Any]
    messages: tuple[str, ...] = ()

    def results(self) -> dict[str, Any]:
        """Everything but the parameters, ready for JSON."""
        return {
            "study": "compare",
            "data": self.dataset.describe(),
            "autoencoders": {name: to_config(run.members[0]) for name, run in self.runs.items()},
            **self.record,
            "messages": list(self.messages),
            "rows": self.rows,
        }


def default_autoencoders(dataset: Dataset, only: Sequence[str] | None = None) -> tuple[list[Autoencoder], list[str]]:
    """The named autoencoders that fit a data set, and a sentence for each one left out or changed.

    Args:
      dataset: the data.
      only: names of some of them, in the order wanted, none of which is left out; by default all that fit.

    Raises:
      InvalidInput: nobody bears one of the names.

    Example:
      >>> from ae_jax.data import digits
      >>> [autoencoder.name for autoencoder in default_autoencoders(digits())[0]][:2]
      ['undercomplete', 'sparse']
    """
    names, messages = list(NAMED if only is None else only), []
    if len(dataset.shape) not in (2, 3) and only is None:
        names.remove("convolutional")
        messages.append(f"convolutional is left out: examples of shape {dataset.shape} are no images.")
    chosen = []
    for name in names:
        autoencoder, said = suited(name, dataset)
        chosen.append(autoencoder)
        messages += said
    return chosen, messages


def compare(
    dataset: Dataset,
    autoencoders: Sequence[Autoencoder | str] | None = None,
    *,
    messages: Sequence[str] = (),
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    epochs: int = 200,
    batch_size: int = 64,
    patience: int | None = None,
    on_divergence: OnDivergence = "stop",
    checkpoints: Checkpoints | str | Path | None = None,
    resume: Resume = False,
    mesh: Devices | None = None,
    callbacks: Sequence[Callback] = (),
) -> Comparison:
    """Trains autoencoders over the same seeds and asks each the same questions about the test split.

    Args:
      dataset: the data.
      autoencoders: of different names, or names; by default the named six, or those of them that fit the data.
      messages: what a reader of the results must know besides.
      seeds: of the members.
      epochs, batch_size, patience, on_divergence, callbacks: as in :func:`ae_jax.fit`.
      checkpoints: as in :func:`ae_jax.fit`; each autoencoder has the folder of its name there.
      resume: as in :func:`ae_jax.fit`; an autoencoder that is trained and asked is neither again.
      mesh: as in :func:`ae_jax.fit`; where there are several processes, each of them gets the whole study.

    Returns:
      The runs, the rows with PCA of the smallest code size as baseline, and the record.

    Raises:
      InvalidInput: as in :func:`ae_jax.fit`, or two autoencoders of one name.
      TrainingInterrupted: Ctrl-C or SIGTERM; its ``run`` is the comparison so far, of the autoencoders that were
        trained.
    """
    chosen, said = _chosen(dataset, autoencoders)
    names = [autoencoder.name for autoencoder in chosen]
    if len(set(names)) < len(names) or not names:
        raise InvalidInput(f"compare was given the autoencoders {', '.join(names)}: expected each name once.")
    # A sparse code is larger than the data, where principal components reconstruct exactly and compare with nothing.
    code = min(autoencoder.networks.code for autoencoder in chosen)
    code = min(code, len(dataset.train.x), math.prod(dataset.shape))
    baseline = evaluate(PCA.fit(dataset, code), dataset).rows

    def study_of(trials: StudyResults) -> Comparison:
        return Comparison(
            dataset=dataset,
            runs={run.name: run for run in trials.runs},
            rows=[row for rows in (baseline, *trials.rows) for row in rows],
            record=trials.record,
            messages=(*messages, *said, *trials.messages),
        )

    return conduct(
        {autoencoder.name: autoencoder for autoencoder in chosen},
        dataset,
        study_of,
        seeds=seeds,
        epochs=epochs,
        batch_size=batch_size,
        patience=patience,
        on_divergence=on_divergence,
        checkpoints=checkpoints,
        resume=resume,
        mesh=mesh,
        callbacks=callbacks,
    )


def _chosen(dataset: Dataset, autoencoders: Sequence[Autoencoder | str] | None) -> tuple[list[Autoencoder], list[str]]:
    """The autoencoders asked for, names resolved, and what must be said of them."""
    if autoencoders is None:
        return default_autoencoders(dataset)
    chosen: list[Autoencoder] = []
    messages: list[str] = []
    for choice in autoencoders:
        made, said = ([choice], []) if isinstance(choice, Autoencoder) else default_autoencoders(dataset, [choice])
        chosen += made
        messages += said
    return chosen, messages
