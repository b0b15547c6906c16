"""A task's networks as PyTorch modules with its initial values; PyTorch is imported when they are built."""

# pyright: reportMissingImports=false

import os
from typing import Any


def use_torch() -> tuple[Any, Any]:
    """Returns PyTorch, set to as many threads as JAX has, and the device that JAX uses.

    On a GPU, matrix products are TF32, as JAX's are by default.

    Raises:
      RuntimeError: JAX uses a GPU and this PyTorch has no CUDA.
    """
    import jax
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    if jax.default_backend() != "gpu":
        return torch, torch.device("cpu")
    if not torch.cuda.is_available():
        raise RuntimeError("JAX is on a GPU and the installed PyTorch has no CUDA")
    torch.set_float32_matmul_precision("high")
    return torch, torch.device("cuda")


def networks(task: Any) -> tuple[Any, Any]:
    """Builds encoder and decoder, each a ``torch.nn.Sequential``.

    Convolutional ones take images ``[batch, 1, height, width]``. Their initial values are the task's in channels-first
    order, and borders are padded on the other side; the values are independent draws, so neither changes the work.
    """
    from torch import nn

    between = {"relu": nn.ReLU, "gelu": lambda: nn.GELU(approximate="tanh")}[task.activation]
    code = [nn.Sigmoid()] if task.code_activation == "sigmoid" else []
    if task.images.ndim == 3:
        return _convolutional(task, between, code)
    encoder = _alternating([_linear(*layer) for layer in task.encoder], between)
    decoder = _alternating([_linear(*layer) for layer in task.decoder], between)
    return nn.Sequential(*encoder, *code), nn.Sequential(*decoder)


def _convolutional(task: Any, between: Any, code: list[Any]) -> tuple[Any, Any]:
    from torch import nn

    encoder: list[Any] = []
    for kernel, bias in task.encoder[:-1]:
        encoder += [_convolution(kernel, bias, stride=2), between()]
    side = task.images.shape[1] // 2 ** (len(task.encoder) - 1)
    channels = task.encoder[-2][0].shape[3]
    decoder = [_linear(*task.decoder[0]), between(), nn.Unflatten(1, (channels, side, side))]
    for kernel, bias in task.decoder[1:]:
        decoder += [_convolution(kernel, bias, stride=1), nn.PixelShuffle(2), between()]
    return nn.Sequential(*encoder, nn.Flatten(), _linear(*task.encoder[-1]), *code), nn.Sequential(*decoder[:-1])


def _alternating(layers: list[Any], between: Any) -> list[Any]:
    modules: list[Any] = []
    for layer in layers[:-1]:
        modules += [layer, between()]
    return [*modules, layers[-1]]


def _linear(kernel: Any, bias: Any) -> Any:
    from torch import nn

    return _filled(nn.Linear(*kernel.shape), kernel.T, bias)


def _convolution(kernel: Any, bias: Any, *, stride: int) -> Any:
    from torch import nn

    rows, _, inputs, outputs = kernel.shape
    module = nn.Conv2d(inputs, outputs, rows, stride=stride, padding=rows // 2)
    return _filled(module, kernel.transpose(3, 2, 0, 1), bias)


def _filled(module: Any, weight: Any, bias: Any) -> Any:
    import torch

    with torch.no_grad():
        module.weight.copy_(torch.tensor(weight))
        module.bias.copy_(torch.tensor(bias))
    return module


def image_tensor(task: Any) -> Any:
    """Returns the task's bytes as a tensor, with an axis of channels for convolutional networks."""
    import torch

    images = torch.tensor(task.images)
    return images[:, None] if images.ndim == 3 else images
