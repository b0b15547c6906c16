"""Training inside a study, which one autoencoder's divergence does not end."""

from typing import Any, cast

from ae_jax.errors import TrainingDiverged
from ae_jax.training import Run, fit


def fit_noting(messages: list[str], autoencoder: Any, dataset: Any, **settings: Any) -> Run:
    """:func:`ae_jax.fit`; where members diverged, were it all of them, the run as far as it went, and a message."""
    try:
        run = fit(autoencoder, dataset, **settings)
    except TrainingDiverged as error:
        run = cast(Run, error.run)
    if "divergence" in run.record:
        messages.append(run.record["divergence"])
    return run
