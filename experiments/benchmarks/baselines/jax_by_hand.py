"""Training written by hand in JAX and Optax; nothing of ae_jax is imported here."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

ACTIVATIONS = {"relu": jax.nn.relu, "gelu": jax.nn.gelu, "sigmoid": jax.nn.sigmoid, "linear": lambda x: x}
SPARSITY = 0.05


def scan(task: Any) -> Callable[[int], tuple[list[float], list[float]]]:
    """Trains with an epoch as one compiled scan: shuffle, gather, scale, gradient, Adam, with donated state."""
    step = step_of(task)

    @partial(jax.jit, donate_argnums=0)
    def epoch(state: Any, key: jax.Array, images: jax.Array) -> tuple[Any, jax.Array]:
        shuffle, noise = jax.random.split(key)
        order = jax.random.permutation(shuffle, len(images)).reshape(-1, task.batch_size)
        inputs = (order, jax.random.split(noise, len(order)))
        state, losses = jax.lax.scan(lambda state, one: step(state, one[1], images[one[0]]), state, inputs)
        return state, jnp.mean(losses)

    return trainer(task, epoch)


def loop(task: Any) -> Callable[[int], tuple[list[float], list[float]]]:
    """Trains with a compiled step called from Python, which is faster for convolutions on CPUs."""
    one_step = step_of(task)

    @partial(jax.jit, donate_argnums=0)
    def step(state: Any, key: jax.Array, images: jax.Array, rows: jax.Array) -> tuple[Any, jax.Array]:
        return one_step(state, key, images[rows])

    def epoch(state: Any, key: jax.Array, images: jax.Array) -> tuple[Any, jax.Array]:
        shuffle, noise = jax.random.split(key)
        order = jax.random.permutation(shuffle, len(images)).reshape(-1, task.batch_size)
        losses = []
        for rows, one in zip(order, jax.random.split(noise, len(order)), strict=True):
            state, loss = step(state, one, images, rows)
            losses.append(loss)
        return state, jnp.mean(jnp.stack(losses))

    return trainer(task, epoch)


def trainer(task: Any, epoch: Callable[..., Any]) -> Callable[[int], tuple[list[float], list[float]]]:
    """Returns a function that runs epochs one after the other and waits for each."""
    images = jnp.asarray(task.images)

    def train(epochs: int) -> tuple[list[float], list[float]]:
        params = jax.tree.map(jnp.array, (list(task.encoder), list(task.decoder)))
        state = params, optax.adam(task.learning_rate).init(params)
        seconds, losses = [], []
        for number in range(epochs):
            started = time.perf_counter()
            state, loss = epoch(state, jax.random.key(number), images)
            losses.append(float(loss))
            seconds.append(time.perf_counter() - started)
        return seconds, losses

    return train


def step_of(task: Any) -> Callable[..., Any]:
    """Returns a step of Adam on a batch of bytes."""
    optimizer, loss_of = optax.adam(task.learning_rate), partial(loss, task)

    def step(state: Any, key: jax.Array, stored: jax.Array) -> tuple[Any, jax.Array]:
        params, moments = state
        value, gradient = jax.value_and_grad(loss_of)(params, key, stored / jnp.float32(task.scale))
        updates, moments = optimizer.update(gradient, moments)
        return (optax.apply_updates(params, updates), moments), value

    return step


def loss(task: Any, params: Any, key: jax.Array, x: jax.Array) -> jax.Array:
    """Returns the batch mean of squared error or negative ELBO, plus the penalty."""
    encoder, decoder = params
    network = convolutional if task.images.ndim == 3 else dense
    code = network(task, encoder, x, ACTIVATIONS[task.code_activation])
    if task.loss == "elbo":
        mean, log_scale = jnp.split(code, 2, axis=1)
        z = mean + jnp.exp(log_scale) * jax.random.normal(key, mean.shape)
        logits = network(task, decoder, z)
        nll = jnp.sum(jax.nn.softplus(logits) - x * logits, axis=1)
        kl = -0.5 * jnp.sum(1 + 2 * log_scale - jnp.square(mean) - jnp.exp(2 * log_scale), axis=1)
        return jnp.mean(nll + kl)
    value = jnp.sum(jnp.square(network(task, decoder, code) - x)) / len(x)
    if task.contractive:  # of one sigmoid layer, Rifai et al. (2011)
        norms = jnp.sum(jnp.square(encoder[0][0]), axis=0)
        value += task.contractive * jnp.sum(jnp.square(code * (1 - code)) @ norms) / len(x)
    if task.sparsity:
        rate = jnp.mean(code, axis=0)
        on, off = jnp.log(SPARSITY / rate), jnp.log((1 - SPARSITY) / (1 - rate))
        value += task.sparsity * jnp.sum(SPARSITY * on + (1 - SPARSITY) * off)
    return value


def dense(task: Any, layers: Any, x: jax.Array, last: Callable[..., jax.Array] = ACTIVATIONS["linear"]) -> jax.Array:
    """Applies dense layers."""
    for kernel, bias in layers[:-1]:
        x = ACTIVATIONS[task.activation](x @ kernel + bias[None])
    kernel, bias = layers[-1]
    return last(x @ kernel + bias[None])


def convolutional(
    task: Any, layers: Any, x: jax.Array, last: Callable[..., jax.Array] = ACTIVATIONS["linear"]
) -> jax.Array:
    """Applies strided convolutions and a dense layer, or a dense layer and convolutions with sub-pixels."""
    activation, (kernel, bias) = ACTIVATIONS[task.activation], layers[-1]
    if kernel.ndim == 2:
        x = x[..., None]
        for kernel, bias in layers[:-1]:
            x = activation(convolution(x, kernel, stride=2) + bias[None, None, None])
        kernel, bias = layers[-1]
        return last(x.reshape(len(x), -1) @ kernel + bias[None])
    kernel, bias = layers[0]
    side = task.images.shape[1] // 2 ** (len(layers) - 1)
    x = activation(x @ kernel + bias[None]).reshape(len(x), side, side, -1)
    for place, (kernel, bias) in enumerate(layers[1:], start=2):
        x = sub_pixels(convolution(x, kernel, stride=1) + bias[None, None, None])
        x = activation(x) if place < len(layers) else x
    return x[..., 0]


def convolution(x: jax.Array, kernel: jax.Array, *, stride: int) -> jax.Array:
    """Applies XLA's convolution."""
    return jax.lax.conv_general_dilated(x, kernel, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def sub_pixels(x: jax.Array) -> jax.Array:
    """Rearranges every four channels of a pixel as two by two pixels."""
    batch, height, width, depth = x.shape
    x = x.reshape(batch, height, width, 2, 2, depth // 4).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(batch, 2 * height, 2 * width, depth // 4)
