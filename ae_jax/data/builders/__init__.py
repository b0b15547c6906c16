"""Data sets that this package prepares by TensorFlow Datasets, without TensorFlow."""

from ae_jax.data.builders.folders import data_folder, folder_of, is_prepared
from ae_jax.data.builders.preparing import prepare
from ae_jax.data.builders.progress import Preparing
from ae_jax.data.builders.recipe import Recipe
from ae_jax.data.builders.recipes import RECIPES

__all__ = ["RECIPES", "Preparing", "Recipe", "data_folder", "folder_of", "is_prepared", "prepare"]
