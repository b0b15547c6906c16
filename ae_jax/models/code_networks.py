"""The networks of autoencoders with discrete codes: dense, or convolutional with a grid of codes."""

from ae_jax._checks import widths
from ae_jax.networks import MLP, Convolutional
from ae_jax.public import public


@public
def code_networks(
    name: str, code: int, hidden: tuple[int, ...], grid: tuple[int, ...], channels: tuple[int, ...], activation: str
) -> MLP | Convolutional:
    """Perceptrons with a flat code, or for images convolutions with a code ``[height, width, code]``.

    Args:
      name: of the autoencoder, for messages.
      code: units of the code, or of each place of the grid.
      hidden: widths of the encoder's hidden layers, without a grid.
      grid: height and width of the code; empty for a flat one.
      channels: of the convolutional stages, with a grid.
      activation: of the hidden layers or stages.
    """
    if grid := widths(name, "grid", grid):
        return Convolutional(channels=channels, code=(*grid, code), activation=activation)
    return MLP(hidden=hidden, code=code, activation=activation)
