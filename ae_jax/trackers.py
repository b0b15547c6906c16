"""Trackers of experiments: callbacks that send a training to TensorBoard, Weights & Biases, MLflow or trackio.

Each training is a run of the tracker. It has the parameters of the training, every term by epoch (``train/loss``, the
mean over members; ``train/loss/beta=1`` for each setting of members that differ in numbers), the best epoch, and
reconstructions as a picture.
"""

import datetime
import io
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ae_jax.components import to_config
from ae_jax.data import Split
from ae_jax.errors import import_extra, require_known
from ae_jax.report import reconstructions, select_examples, to_png
from ae_jax.report.axes import is_image, select_member
from ae_jax.training import Callback, Plan, Progress, Run
from ae_jax.training.population import members_by_setting, swept_values, unstack

_SHOWN, _PROJECTED, _LONGEST, _BATCH = 8, 1000, 250, 100
"""Examples of a picture and of a projection, characters of a parameter, and parameters that MLflow takes at once."""


class Tracker(Callback):
    """Base of trackers: what they send; a tracker says how."""

    module = ""

    def __init__(self) -> None:
        self.library = import_extra(self.module, "tracking", f"tracking by {type(self).__name__}")

    def on_start(self, plan: Plan) -> None:
        """Opens a run of the tracker."""
        self.plan = plan
        self.open(plan.autoencoder.name, parameters_of(plan))

    def on_epoch(self, progress: Progress) -> None:
        """Sends the terms of an epoch."""
        self.log(scalars_of(progress, self.plan), progress.epoch)

    def on_end(self, run: Run) -> None:
        """Sends pictures and the best epoch, and closes the run of the tracker."""
        try:
            if run.history:
                self.finish(run, self._examples(run))
        finally:
            self.close()

    def open(self, name: str, parameters: dict[str, Any]) -> None:
        """Opens a run of the tracker."""

    def log(self, scalars: dict[str, float], step: int) -> None:
        """Sends numbers of an epoch."""

    def finish(self, run: Run, shown: Split) -> None:
        """Sends what is known at the end, with some examples of the split that the run was validated on."""

    def close(self) -> None:
        """Closes the run of the tracker."""

    def _examples(self, run: Run) -> Split:
        dataset = select_member(run).own_split(self.plan.dataset)
        return dataset.validation if len(dataset.validation.x) else dataset.train


class TensorBoard(Tracker):
    """Writes event files for TensorBoard by tensorboardX, with a projection of the codes.

    Args:
      folder: of the event files; each training has a folder of its name and time in it.
    """

    module = "tensorboardX"

    def __init__(self, folder: str | Path = "runs/tensorboard") -> None:
        super().__init__()
        self.folder = Path(folder)

    def open(self, name: str, parameters: dict[str, Any]) -> None:
        started = datetime.datetime.now().strftime("%Y%m%d-%H%M%S-%f")
        self.writer = self.library.SummaryWriter(str(self.folder / f"{name}-{started}"))
        self.writer.add_text("parameters", "\n".join(f"- {key}: {value}" for key, value in parameters.items()))

    def log(self, scalars: dict[str, float], step: int) -> None:
        for name, value in scalars.items():
            self.writer.add_scalar(name, value, step)

    def finish(self, run: Run, shown: Split) -> None:
        self.writer.add_image("reconstructions", picture_of(run, shown), dataformats="HWC")
        x, labels = shown.x[:_PROJECTED], None if shown.labels is None else shown.labels[:_PROJECTED]
        member = select_member(run)
        codes = np.asarray(member.encode(x, run.condition_of(labels))).reshape(len(x), -1)
        names = list(map(str, range(len(x)) if labels is None else labels))
        self.writer.add_embedding(codes, metadata=names, label_img=_thumbnails(x), global_step=0, tag="codes")

    def close(self) -> None:
        self.writer.close()


class WandB(Tracker):
    """Sends a training to Weights & Biases; ``WANDB_MODE=offline`` keeps it in the folder ``wandb``.

    Args:
      project: where the run belongs.
      options: further arguments of ``wandb.init``.
    """

    module, defaults = "wandb", {"reinit": "create_new"}

    def __init__(self, project: str = "ae_jax", **options: Any) -> None:
        super().__init__()
        self.options = {"project": project} | self.defaults | options

    def open(self, name: str, parameters: dict[str, Any]) -> None:
        self.run = self.library.init(name=name, config=parameters, **self.options)

    def log(self, scalars: dict[str, float], step: int) -> None:
        self.run.log(scalars, step=step)

    def finish(self, run: Run, shown: Split) -> None:
        picture = self.library.Image(picture_of(run, shown))
        self.run.log({"reconstructions": picture, "best_epoch": best_epoch_of(run)})

    def close(self) -> None:
        self.run.finish()


class MLflow(Tracker):
    """Sends a training to MLflow, and the saved run as an artifact that ``ae_jax.load`` reads.

    Args:
      experiment: where the run belongs.
      uri: of a server, a database or a folder; None for ``MLFLOW_TRACKING_URI``, or MLflow's default.
    """

    module = "mlflow"

    def __init__(self, experiment: str = "ae_jax", uri: str | None = None) -> None:
        super().__init__()
        self.experiment, self.uri = experiment, uri

    def open(self, name: str, parameters: dict[str, Any]) -> None:
        self.client = self.library.MlflowClient(tracking_uri=self.uri)
        found = self.client.get_experiment_by_name(self.experiment)
        experiment = self.client.create_experiment(self.experiment) if found is None else found.experiment_id
        self.run_id = self.client.create_run(experiment, run_name=name).info.run_id
        entities = self.library.entities
        params = [entities.Param(_name(key), str(value)) for key, value in parameters.items()]
        for first in range(0, len(params), _BATCH):
            self.client.log_batch(self.run_id, params=params[first : first + _BATCH])

    def log(self, scalars: dict[str, float], step: int) -> None:
        now = int(datetime.datetime.now().timestamp() * 1000)
        metrics = [self.library.entities.Metric(_name(key), value, now, step) for key, value in scalars.items()]
        self.client.log_batch(self.run_id, metrics=metrics)

    def finish(self, run: Run, shown: Split) -> None:
        self.client.log_metric(self.run_id, "best_epoch", best_epoch_of(run))
        self.client.log_image(self.run_id, picture_of(run, shown), "reconstructions.png")
        with tempfile.TemporaryDirectory() as folder:
            self.client.log_artifacts(self.run_id, str(run.save(Path(folder) / "run")), "run")

    def close(self) -> None:
        self.client.set_terminated(self.run_id)


class Trackio(WandB):
    """Sends a training to trackio, which keeps it in a local database; ``trackio show`` serves it.

    Args:
      project: where the run belongs.
      options: further arguments of ``trackio.init``.
    """

    module, defaults = "trackio", {}


TRACKERS: dict[str, Callable[[], Tracker]] = {
    "tensorboard": TensorBoard,
    "wandb": WandB,
    "mlflow": MLflow,
    "trackio": Trackio,
}
"""Trackers by the names of the command line, each with its defaults."""


def tracker(name: str) -> Tracker:
    """Returns the tracker of that name, which needs the extra ``tracking``.

    Raises:
      InvalidInput: an unknown name, or a package that is not installed.
    """
    require_known("tracker", name, TRACKERS)
    return TRACKERS[name]()


def parameters_of(plan: Plan) -> dict[str, Any]:
    """Returns what decides a training, flat: ``objective.beta``, ``data.name``, ``epochs``, ``seeds``, ...

    Of members that differ in numbers, these are the first member's, beside the values of all as ``swept.beta``.
    """
    spec = plan.dataset.spec
    tree = to_config(unstack(plan.autoencoder, 0)) | {
        "data": {"name": spec.name, "shape": list(spec.shape), "examples": dict(spec.examples)},
        "seeds": list(dict.fromkeys(plan.seeds.tolist())),
        "swept": swept_values(plan.autoencoder),
        **plan.config.to_json(),
    }
    return dict(_flat(tree, ""))


def _flat(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        for name, below in value.items():
            yield from _flat(below, f"{key}.{name}" if key else name)
    elif key:
        yield key, value if isinstance(value, (bool, int, float)) else str(value)[:_LONGEST]


def _name(key: str) -> str:
    """A name with the characters that MLflow allows."""
    return re.sub(r"[^\w.\- :/]", "_", key)


def scalars_of(progress: Progress, plan: Plan) -> dict[str, float]:
    """Returns the terms of an epoch by names such as ``train/loss``, and those of each setting; finite ones alone."""
    found = {f"{split}/{term}": value for split, terms in progress.metrics.items() for term, value in terms.items()}
    settings = members_by_setting(plan.autoencoder, len(plan.seeds))
    for setting, members in settings.items() if len(settings) > 1 else ():
        for split, terms in progress.members.items():
            of_setting = {f"{split}/{term}/{setting}": values[members] for term, values in terms.items()}
            known = {name: values[np.isfinite(values)] for name, values in of_setting.items()}
            found |= {name: float(values.mean()) for name, values in known.items() if len(values)}
    return {name: value for name, value in found.items() if np.isfinite(value)}


def picture_of(run: Run, shown: Split) -> np.ndarray:
    """Returns the figure of some reconstructions as pixels, ``[height, width, 3]``."""
    from PIL import Image

    places = select_examples(shown.labels, len(shown.x), _SHOWN)
    drawn = shown.take(places)
    png = to_png(reconstructions(run, drawn.x, run.condition_of(drawn.labels)))
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def best_epoch_of(run: Run) -> float:
    """Returns the mean of the members' best epochs."""
    return float(np.mean(run.best_epoch))


def _thumbnails(x: np.ndarray) -> np.ndarray | None:
    """Square images ``[n, 3, side, side]`` in [0, 1]; None of other data."""
    if not is_image(x.shape[1:]) or x.shape[1] != x.shape[2]:
        return None
    low, high = float(x.min()), float(x.max())
    scaled = (x.astype(np.float32) - low) / ((high - low) or 1.0)
    images = scaled[..., None] if x.ndim == 3 else scaled
    return np.broadcast_to(np.moveaxis(images, -1, 1), (len(x), 3, *x.shape[1:3]))
