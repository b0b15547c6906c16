"""Autoencoders as estimators: scikit-learn's transformer and outlier detector, and a detector in PyOD's terms."""

from typing import TYPE_CHECKING, Any

from ae_jax.estimators.detector import AutoencoderDetector
from ae_jax.estimators.transformer import AutoencoderTransformer

if TYPE_CHECKING:
    from ae_jax.estimators.pyod_detector import AutoencoderPyOD

__all__ = ["AutoencoderDetector", "AutoencoderPyOD", "AutoencoderTransformer"]


def __getattr__(name: str) -> Any:
    """The detector that needs PyOD, imported when it is first asked for."""
    if name != "AutoencoderPyOD":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from ae_jax.estimators.pyod_detector import AutoencoderPyOD
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "pyod":
            raise
        raise ImportError(
            'AutoencoderPyOD needs PyOD, which is not installed: run pip install "ae_jax[pyod]".', name="pyod"
        ) from error
    return AutoencoderPyOD
