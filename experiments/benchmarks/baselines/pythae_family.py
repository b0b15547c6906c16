"""Members of pythae's family with our layers and hyper-parameters, trained by its trainers.

Layers start from PyTorch's initial values. Where a loss of pythae's has another scale (a mean over the code, weight
decay instead of a penalty), its number is converted. Encoders' last outputs are mean and log-scale side by side;
decoders end in a sigmoid with a Bernoulli likelihood, else in a linear layer.
"""

# pyright: reportMissingImports=false
import importlib
import tempfile
import time
from typing import Any, NamedTuple

import numpy as np

from benchmarks.baselines.pythae_trainer import clock_of, silent
from benchmarks.baselines.torch_networks import use_torch
from benchmarks.family import Fitted

BERNOULLI = ("variational", "beta_tc", "importance_weighted", "vamp", "iaf", "aae")
CODES, CODE_SIZE = 64, 2
MODELS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "variational": ("VAE", "VAEConfig", {}),
    "beta_tc": ("BetaTCVAE", "BetaTCVAEConfig", {"beta": 6.0}),
    "importance_weighted": ("IWAE", "IWAEConfig", {"number_samples": 5}),
    "vamp": ("VAMP", "VAMPConfig", {"number_components": 100}),
    "iaf": ("VAE_IAF", "VAE_IAF_Config", {"n_made_blocks": 2, "n_hidden_in_made": 1, "hidden_size": 64}),
    "wae": ("WAE_MMD", "WAE_MMD_Config", {"reg_weight": 10.0}),
    "aae": ("Adversarial_AE", "Adversarial_AE_Config", {"adversarial_loss_scale": 1.0}),
    "vq": ("VQVAE", "VQVAEConfig", {"num_embeddings": CODES, "use_ema": True, "decay": 0.99}),
    "rae": ("RAE_L2", "RAE_L2_Config", {"embedding_weight": 1e-2}),
}
"""Our name -> model, its configuration, and the numbers of it that are not pythae's defaults."""


class Work(NamedTuple):
    """What both libraries are given: binary images ``[n, pixels]``, widths, and the numbers of training."""

    images: np.ndarray
    hidden: int
    code: int
    batch_size: int
    epochs: int
    learning_rate: float


def trained(name: str, work: Work, seed: int) -> tuple[Fitted, float]:
    """Trains a member and returns it with the seconds of the processor that training took."""
    torch, _ = use_torch()
    torch.manual_seed(seed)
    trainer = trainer_of(name, model_of(name, work), work, seed)
    started = time.process_time()
    trainer.train()
    seconds = time.process_time() - started
    return fitted(name, trainer._best_model.eval()), seconds


def trainer_of(name: str, model: Any, work: Work, seed: int) -> Any:
    """The trainer that pythae's pipeline takes for the model, without a progress bar and files."""
    import torch
    from pythae import trainers
    from pythae.data.datasets import BaseDataset

    images, rate = torch.from_numpy(work.images), work.learning_rate
    further: dict[str, Any]
    kind, further = "BaseTrainer", {"learning_rate": rate}
    if name == "rae":  # Adam's weight decay w has the gradient of w/2 times the squared length
        kind, further = "CoupledOptimizerTrainer", {"encoder_learning_rate": rate, "decoder_learning_rate": rate}
        further["decoder_optimizer_params"] = {"weight_decay": 2e-3}
    if name == "aae":
        kind, further = "AdversarialTrainer", {"autoencoder_learning_rate": rate, "discriminator_learning_rate": 2e-4}
        further["discriminator_optimizer_params"] = {"betas": (0.5, 0.9)}
    config = getattr(trainers, f"{kind}Config")(
        output_dir=tempfile.mkdtemp(),
        num_epochs=work.epochs,
        per_device_train_batch_size=work.batch_size,
        no_cuda=True,
        seed=seed,
        **further,
    )
    dataset = BaseDataset(images, torch.zeros(len(images)))
    return silent(getattr(trainers, kind))(model, train_dataset=dataset, training_config=config, callbacks=[clock_of()])


def model_of(name: str, work: Work) -> Any:
    """Builds pythae's model on layers of the same widths as ours."""
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from torch import nn

    pixels, outputs = work.images.shape[1], (2 if name in BERNOULLI else 1) * work.code

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(pixels, work.hidden), nn.ReLU(), nn.Linear(work.hidden, outputs))

        def forward(self, x: Any) -> Any:
            outputs = self.layers(x)
            if name in BERNOULLI:
                mean, log_scale = outputs.chunk(2, dim=1)
                return ModelOutput(embedding=mean, log_covariance=2 * log_scale)
            if name == "vq":  # a vector at each place, as channels of an image
                outputs = outputs.reshape(len(x), -1, CODE_SIZE).permute(0, 2, 1)[..., None]
            return ModelOutput(embedding=outputs)

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(work.code, work.hidden), nn.ReLU(), nn.Linear(work.hidden, pixels))

        def forward(self, z: Any) -> Any:
            if z.ndim == 4:
                z = z[..., 0].permute(0, 2, 1).reshape(len(z), -1)
            outputs = self.layers(z)
            return ModelOutput(reconstruction=outputs.sigmoid() if name in BERNOULLI else outputs)

    models = importlib.import_module("pythae.models")
    model, config, numbers = MODELS[name]
    numbers = {"input_dim": (pixels,), "latent_dim": work.code, **numbers}
    if name in BERNOULLI:
        numbers["reconstruction_loss"] = "bce"
    if name == "vq":  # its commitment is a mean over the code, ours a sum
        numbers["commitment_loss_factor"] = 0.25 * work.code
    return getattr(models, model)(getattr(models, config)(**numbers), encoder=Encoder(), decoder=Decoder())


def fitted(name: str, model: Any) -> Fitted:
    """The model as functions of NumPy arrays."""
    import torch

    def moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        with torch.no_grad():
            found = model.encoder(torch.from_numpy(x))
            if name == "vq":
                vectors = model.quantizer(found.embedding.permute(0, 2, 3, 1)).quantized_vector
                return vectors[..., 0].permute(0, 2, 1).reshape(len(x), -1).numpy(), None
            if name == "iaf":
                return model.iaf_flow.inverse(found.embedding).out.numpy(), None
            stochastic = name in BERNOULLI
            return found.embedding.numpy(), 0.5 * found.log_covariance.numpy() if stochastic else None

    def decode(z: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return model.decoder(torch.from_numpy(z)).reconstruction.numpy()

    def draw(x: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            found = model.encoder(torch.from_numpy(x))
            noise = torch.randn(found.embedding.shape, generator=generator)
            flow = model.iaf_flow.inverse(found.embedding + (0.5 * found.log_covariance).exp() * noise)
            log_q = -0.5 * (found.log_covariance + noise**2 + np.log(2 * np.pi)).sum(dim=1) - flow.log_abs_det_jac
            return flow.out.numpy(), log_q.numpy()

    def indices(x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            found = model.encoder(torch.from_numpy(x)).embedding.permute(0, 2, 3, 1)
            return model.quantizer(found).quantized_indices.reshape(len(x), -1, 1).numpy()

    prior = None
    if name == "vamp":
        with torch.no_grad():
            prior = moments(model.pseudo_inputs(model.idle_input).numpy())
    return Fitted(
        moments=moments,
        decode=decode,
        draw=draw if name == "iaf" else None,
        prior=prior,  # pyright: ignore[reportArgumentType]
        indices=indices if name == "vq" else None,
    )
