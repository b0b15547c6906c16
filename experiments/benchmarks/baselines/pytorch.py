"""A training loop written by hand in PyTorch: data on the device as bytes, no loader, gradients set to None.

Whether fused Adam and the channels-last layout are used is decided by timing a few steps of each combination.
"""

# pyright: reportMissingImports=false

import copy
import dataclasses
import itertools
import time
from collections.abc import Callable
from typing import Any

from benchmarks.baselines.torch_networks import image_tensor, networks, use_torch

Train = Callable[[int], tuple[list[float], list[float]]]
SPARSITY = 0.05
TRIED_STEPS = 12


def eager(task: Any) -> Train:
    """Trains eagerly, in the fastest way."""
    fused, channels_last = fastest(task)
    return loop(task, fused=fused, channels_last=channels_last)


def compiled(task: Any) -> Train:
    """Trains in the fastest way, with scaling, networks and loss compiled by ``torch.compile``."""
    use_torch()
    import torch._inductor.config as inductor

    inductor.compile_threads = 1  # no processes are forked beside JAX's threads
    fused, channels_last = fastest(task)
    return loop(task, fused=fused, channels_last=channels_last, compile_loss=True)


def by_jacrev(task: Any) -> Train:
    """Trains eagerly, with the contractive penalty by ``vmap(jacrev)``."""
    return loop(task, jacobian="jacrev")


def by_jacfwd(task: Any) -> Train:
    """Trains eagerly, with the contractive penalty by ``vmap(jacfwd)``."""
    return loop(task, jacobian="jacfwd")


def fastest(task: Any) -> tuple[bool, bool]:
    """Returns whether fused Adam and channels last are fastest, by timing a few steps of each combination."""
    few = dataclasses.replace(task, images=task.images[: TRIED_STEPS * task.batch_size])
    layouts = (False, True) if task.images.ndim == 3 else (False,)
    seconds = {
        (fused, channels_last): min(loop(few, fused=fused, channels_last=channels_last)(3)[0][1:])
        for fused, channels_last in itertools.product((False, True), layouts)
    }
    return min(seconds, key=seconds.__getitem__)


def loop(
    task: Any,
    *,
    fused: bool = True,
    channels_last: bool = False,
    compile_loss: bool = False,
    jacobian: str | None = None,
) -> Train:
    """Returns a function that trains from the task's initial parameters."""
    torch, device = use_torch()
    torch.manual_seed(0)
    encoder, decoder = networks(task)
    model = torch.nn.ModuleList([encoder, decoder]).to(device)
    images = image_tensor(task).to(device)
    if channels_last:
        model, images = model.to(memory_format=torch.channels_last), images.to(memory_format=torch.channels_last)
    initial = copy.deepcopy(model.state_dict())

    def loss_of(stored: Any) -> Any:
        return loss(task, encoder, decoder, stored.float() / task.scale, jacobian)

    if compile_loss:
        loss_of = torch.compile(loss_of)

    def epoch(optimizer: Any) -> float:
        total = torch.zeros((), device=device)
        for rows in torch.randperm(len(images), device=device).split(task.batch_size):
            optimizer.zero_grad(set_to_none=True)
            value = loss_of(images.index_select(0, rows))
            value.backward()
            optimizer.step()
            total += value.detach()
        return float(total) / task.steps  # which waits for the device

    def train(epochs: int) -> tuple[list[float], list[float]]:
        model.load_state_dict(initial)
        optimizer = torch.optim.Adam(model.parameters(), lr=task.learning_rate, fused=fused)
        seconds, losses = [], []
        for _ in range(epochs):
            started = time.perf_counter()
            losses.append(epoch(optimizer))
            seconds.append(time.perf_counter() - started)
        return seconds, losses

    return train


def loss(task: Any, encoder: Any, decoder: Any, x: Any, jacobian: str | None = None) -> Any:
    """Returns the batch mean of squared error or negative ELBO, plus the penalty."""
    import torch

    code = encoder(x)
    if task.loss == "elbo":
        mean, log_scale = code.chunk(2, dim=1)
        logits = decoder(mean + log_scale.exp() * torch.randn_like(mean))
        nll = torch.nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        kl = -0.5 * torch.sum(1 + 2 * log_scale - mean.square() - (2 * log_scale).exp())
        return (nll + kl) / len(x)
    value = torch.nn.functional.mse_loss(decoder(code), x, reduction="sum") / len(x)
    if task.contractive:
        value = value + task.contractive * squared_jacobian(encoder, x, code, jacobian) / len(x)
    if task.sparsity:
        rate = code.mean(dim=0)
        on, off = (SPARSITY / rate).log(), ((1 - SPARSITY) / (1 - rate)).log()
        value = value + task.sparsity * torch.sum(SPARSITY * on + (1 - SPARSITY) * off)
    return value


def squared_jacobian(encoder: Any, x: Any, code: Any, mode: str | None) -> Any:
    """Returns the squared norm of the encoder's Jacobian, summed over the batch.

    By automatic differentiation in that mode, or in the closed form of one sigmoid layer (Rifai et al., 2011).
    """
    if mode is None:
        return ((code * (1 - code)).square() @ encoder[0].weight.square().sum(dim=1)).sum()
    from torch import func

    return func.vmap(getattr(func, mode)(encoder))(x).square().sum()
