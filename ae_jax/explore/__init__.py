"""A page to explore the codes of a trained run: a map, examples, sliders of latents, traversals and interpolation."""

from ae_jax.explore.explorer import Explorer, explore
from ae_jax.explore.server import serve

__all__ = ["Explorer", "explore", "serve"]
