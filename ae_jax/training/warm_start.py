"""Starts a training from the parameters of a run."""

from typing import Any

import jax
import numpy as np

from ae_jax._checks import shown
from ae_jax.errors import InvalidInput
from ae_jax.training.loop import Start
from ae_jax.training.plan import Plan
from ae_jax.training.population import init_population
from ae_jax.training.run import Run
from ae_jax.training.run_folder import misfits, named_leaves


def start_from(run: Any, planned: Plan) -> Start:
    """The parameters and other variables of a run as the start of a planned training; one member serves all.

    Raises:
      InvalidInput: no run, or one of other networks, of another shape or of another number of members.
    """
    if not isinstance(run, Run):
        raise InvalidInput(f"fit was given init={shown(run)}: expected a run, as fit and ae_jax.load return it.")
    name, shape, members = planned.autoencoder.name, planned.dataset.shape, len(planned.seeds)
    if run.shape != shape:
        raise InvalidInput(
            f"fit was given the run of {run.name} as init, trained on examples of shape {run.shape}, and data of shape "
            f"{shape}: expected one shape."
        )
    if len(run) not in (1, members):
        raise InvalidInput(
            f"fit was given a run of {len(run)} members as init for a training of {members}: expected as many, as "
            f"seeds={run.seeds.tolist()} may give, or one for all, such as init=run[0]."
        )
    own = jax.device_get(Start(run.params, run.state))
    start = jax.tree.map(lambda leaf: np.repeat(leaf, members // len(run), axis=0), own)
    fresh, _ = init_population.eval_shape(planned.autoencoder, planned.seeds, shape)
    expected = named_leaves(Start(fresh.params, fresh.model_state)._asdict())
    if wrong := misfits(named_leaves(start._asdict()), expected):
        raise InvalidInput(
            f"the run of {run.name} cannot be the init of {name}, as their parameters differ ({', '.join(wrong[:3])}): "
            "expected the same networks and parts; numbers, the optimiser and the data may be others."
        )
    return start


def facts_of(run: Run) -> dict[str, Any]:
    """What the record of a training says of the run that it started from."""
    epochs = len(next(iter(run.history.get("train", {"": np.zeros((1, 0))}).values()))[0])
    return {"autoencoder": run.name, "seeds": run.seeds.tolist(), "epochs": epochs}
