"""Training by pythae's own trainer, on its AE and VAE, with networks of the same layers.

Validation, progress bar, log, checkpoints and the final model on disk are switched off. The copy of the best model
after each epoch cannot be; ``fit`` keeps one too.

References:
  Chadebec, Vincent and Allassonnière, *Pythae: unifying generative autoencoders in Python*, NeurIPS 2022.
"""

# pyright: reportMissingImports=false
import dataclasses
import logging
import tempfile
import time
from collections.abc import Callable
from typing import Any

from benchmarks.baselines.torch_networks import image_tensor, networks, use_torch


def trainer(task: Any) -> Callable[[int], tuple[list[float], list[float]]]:
    """Trains a new model with ``pythae.trainers.BaseTrainer`` at every call."""
    torch, device = use_torch()
    from pythae.data.datasets import BaseDataset
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    images = image_tensor(task).float() / task.scale
    dataset = BaseDataset(images, torch.zeros(len(images)))

    def train(epochs: int) -> tuple[list[float], list[float]]:
        clock = clock_of()
        with tempfile.TemporaryDirectory() as folder:
            config = BaseTrainerConfig(
                output_dir=folder,
                num_epochs=epochs,
                per_device_train_batch_size=task.batch_size,
                learning_rate=task.learning_rate,
                no_cuda=device.type == "cpu",
            )
            silent(BaseTrainer)(
                model_of(task), train_dataset=dataset, training_config=config, callbacks=[clock]
            ).train()
        return clock.seconds, clock.losses

    return train


def silent(kind: Any) -> Any:
    """Returns a trainer's class without its progress bar, printer and log, saving nothing."""
    from pythae.trainers.training_callbacks import CallbackHandler

    for name in [name for name in logging.root.manager.loggerDict if name.startswith("pythae")]:
        logging.getLogger(name).setLevel(logging.ERROR)

    class Silent(kind):
        def _setup_callbacks(self) -> None:
            self.callback_handler = CallbackHandler(callbacks=self.callbacks, model=self.model)

        def save_model(self, model: Any, dir_path: str) -> None: ...

    return Silent


def clock_of() -> Any:
    """Returns a callback that records the seconds and the loss of each epoch."""
    from pythae.trainers.training_callbacks import TrainingCallback

    class Clock(TrainingCallback):
        def __init__(self) -> None:
            self.seconds: list[float] = []
            self.losses: list[float] = []

        def on_epoch_begin(self, training_config: Any, **_: Any) -> None:
            self.started = time.perf_counter()

        def on_epoch_end(self, training_config: Any, **_: Any) -> None:
            self.seconds.append(time.perf_counter() - self.started)

        def on_log(self, training_config: Any, logs: dict[str, Any], **_: Any) -> None:
            self.losses.append(float(logs["train_epoch_loss"]))

    return Clock()


def model_of(task: Any) -> Any:
    """Builds pythae's AE, or its VAE with a Bernoulli likelihood, from the task's networks."""
    from pythae.models import AE, VAE, AEConfig, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder

    stochastic = task.loss == "elbo"
    inner, outer = networks(task)

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.layers = inner

        def forward(self, x: Any) -> Any:
            code = self.layers(x)
            if not stochastic:
                return ModelOutput(embedding=code)
            mean, log_scale = code.chunk(2, dim=1)
            return ModelOutput(embedding=mean, log_covariance=2 * log_scale)

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.layers = outer

        def forward(self, z: Any) -> Any:
            outputs = self.layers(z)
            return ModelOutput(reconstruction=outputs.sigmoid() if stochastic else outputs)

    first = image_tensor(dataclasses.replace(task, images=task.images[:1]))
    sizes = {"input_dim": tuple(first.shape[1:]), "latent_dim": task.decoder[0][0].shape[0]}
    if stochastic:
        return VAE(VAEConfig(**sizes, reconstruction_loss="bce"), encoder=Encoder(), decoder=Decoder())
    return AE(AEConfig(**sizes), encoder=Encoder(), decoder=Decoder())
