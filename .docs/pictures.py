"""Draws the pictures of the named autoencoders' pages with the package itself."""

import math
from collections.abc import Iterator

import jax
import numpy as np
from matplotlib.figure import Figure

import ae_jax
from ae_jax import Autoencoder, Run
from ae_jax.corruptions import Gaussian
from ae_jax.data import Dataset
from ae_jax.evaluation import jacobian_spectrum
from ae_jax.networks import Convolutional
from ae_jax.objectives import ELBO
from ae_jax.report import first_layer_filters, prior_samples, reconstructions
from ae_jax.report.axes import BLUE, GREY, INK, SMALL, VERMILLION, annotate, new_axes

EPOCHS = 60
CAPTIONS = {
    "undercomplete": "Digits of the test split and their reconstructions from 16 numbers.",
    "sparse": "Encoder weights of code units, those with the largest weights first: each uses a few pixels.",
    "contractive": "Singular values of the encoder's Jacobian, means over the test split: few directions matter.",
    "denoising": "Digits of the test split, their reconstructions, and reconstructions from inputs with new noise.",
    "convolutional": "The kernels of the first stage, shared by all positions of the image.",
    "variational": "New digits, decoded from latents that are sampled from the prior.",
}
"""Named autoencoders with pictures -> caption of the second picture."""


def ideas() -> Iterator[tuple[str, Figure]]:
    """Yields a picture for each autoencoder in :data:`CAPTIONS`, trained on the digits for a minute at most."""
    data = ae_jax.data.digits()
    runs = {name: ae_jax.fit(make(), data, epochs=EPOCHS) for name, make in ae_jax.NAMED.items() if name in CAPTIONS}
    shown = data.test.x[:10]
    yield "undercomplete", reconstructions(runs["undercomplete"], shown, corruption=None)
    yield "sparse", first_layer_filters(runs["sparse"])
    yield "contractive", spectra([runs["undercomplete"], runs["contractive"]], data)
    yield "denoising", reconstructions(runs["denoising"], shown, corruption=Gaussian(scale=0.3))
    yield "convolutional", first_layer_filters(runs["convolutional"])
    yield "variational", prior_samples(runs["variational"])


def spectra(runs: list[Run], data: Dataset) -> Figure:
    """Plots the singular values of each run's encoder Jacobian, largest first, means over the test split."""
    figure, (ax,) = new_axes(1, columns=1, width=5.0, height=2.8)
    for run, colour in zip(runs, (GREY, BLUE), strict=True):
        values = jacobian_spectrum(run, data.test.x).mean(axis=0)
        ax.plot(np.arange(1, len(values) + 1), values, "o-", color=colour, markersize=4)
        ax.annotate(run.name, (2, values[1]), (6, 3), textcoords="offset points", color=colour)
    annotate(ax, x="singular value, by rank", y="mean over examples")
    ax.set_ylim(bottom=0)
    return figure


def architecture(autoencoder: Autoencoder, shape: tuple[int, ...]) -> Figure:
    """Draws layers as bars, as high as the logarithm of their units, with the terms of the objective."""
    layers = widths(autoencoder, shape)
    objective = autoencoder.objective
    figure, (ax,) = new_axes(1, columns=1, width=6.6, height=2.6)
    heights = [math.log2(1 + math.prod(layer)) for layer in layers]
    code, half = len(layers) // 2, 0.016 * len(layers)
    for place, (layer, height) in enumerate(zip(layers, heights, strict=True)):
        ax.bar(place, height, 2 * half, bottom=-height / 2, color=VERMILLION if place == code else BLUE, zorder=2)
        ax.text(place, -height / 2 - 0.3, " x ".join(map(str, layer)), ha="center", va="top", fontsize=SMALL, color=INK)
        if place:
            before = heights[place - 1]
            sides = [before / 2, height / 2], [-before / 2, -height / 2]
            ax.fill_between([place - 1 + half, place - half], *sides, color=GREY, alpha=0.18, linewidth=0)
    corruption = objective.corruption
    said = {
        0: "x" if corruption is None else f"x, corrupted by\n{corruption}",
        code: "latent z ~ q(z | x)" if isinstance(objective, ELBO) else "code z",
        len(layers) - 1: f"{type(objective.likelihood).__name__}\nof x",
    }
    for penalty in objective.penalties:
        said[code] += f"\n{type(penalty).__name__}, weight {penalty.weight:g}"
    if isinstance(objective, ELBO):
        said[code] += f"\nKL to N(0, I), weight {objective.beta:g}"
    for place, text in said.items():
        ax.text(place, max(heights) / 2 + 0.5, text, ha="center", va="bottom", fontsize=SMALL, color=INK)
    ax.set_ylim(-max(heights) / 2 - 1.5, max(heights) / 2 + 3.5)
    ax.set_axis_off()
    return figure


def widths(autoencoder: Autoencoder, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Returns the shapes between layers, from input to reconstruction, with the code in the middle."""
    networks = autoencoder.networks
    if isinstance(networks, Convolutional):
        sizes = autoencoder.bind(shape, *autoencoder.init(shape, jax.random.key(0))).networks.sizes
        stages = [(*size, depth) for size, depth in zip(sizes[1:], networks.channels, strict=True)]
        encoder = [shape, *stages]
    else:
        encoder = [(math.prod(shape),), *((width,) for width in networks.hidden)]
    return [*encoder, (networks.code,), *reversed(encoder)]
