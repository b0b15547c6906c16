"""The settings of a training."""

import dataclasses
from typing import Any, Literal, get_args

from ae_jax._checks import positive_whole, size
from ae_jax.errors import require_known
from ae_jax.public import public
from ae_jax.training.mesh import Devices

OnDivergence = Literal["stop", "skip", "rollback"]
"""The policy for a loss, gradient or optimiser state that is not finite."""

Precision = Literal["float32", "bfloat16"]
"""The floating-point numbers that networks compute with in training."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """The settings of a training.

    Attributes:
      epochs: how often every example is seen, at most.
      batch_size: examples in a step; at most the number of examples.
      patience: epochs without a lower validation loss after which a member stops; None trains all epochs.
      resplit: whether each member is trained and validated on the split of its own seed
        (:meth:`ae_jax.data.Dataset.resplit`), so that results of several seeds vary with the split too. None redraws
        nothing in :func:`ae_jax.fit`; a study redraws what was drawn at random.
      on_divergence: the policy for a loss or a gradient that is NaN or infinite. ``"stop"`` ends the member with its
        last good parameters; ``"skip"`` leaves that step out, and ends the member with an epoch of which every step was
        left out; ``"rollback"`` takes the member back to before the epoch (or the chunk that is dispatched at once) and
        halves its learning rate, ten times at most.
      precision: ``"bfloat16"`` computes encoder and decoder with numbers of 16 bits in training, which accelerators do
        faster; parameters, gradients, losses, validation and every use of the run stay in 32 bits.
      mesh: devices along two axes, such as ``"data=4"`` or ``{"member": 2, "data": 4}``: batches are divided over
        ``data``, members over ``member``, and the result is the same but for rounding. None divides members over as
        many accelerators as take equal shares and have memory for them; otherwise it is this process's first device or,
        of processes that :func:`ae_jax.training.initialize` joined, all devices over ``"data"``.

    Raises:
      InvalidInput: a number that is not a whole number above zero, or an unknown policy.

    Example:
      >>> TrainConfig(epochs=20).batch_size
      64
    """

    epochs: int = 200
    batch_size: int = 64
    patience: int | None = None
    resplit: bool | None = None
    on_divergence: OnDivergence = "stop"
    precision: Precision = "float32"
    mesh: Devices | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "epochs", size("fit", "epochs", self.epochs))
        object.__setattr__(self, "batch_size", positive_whole("fit", "batch_size", self.batch_size))
        if self.patience is not None:
            object.__setattr__(self, "patience", size("fit", "patience", self.patience))
        require_known("policy of divergence", self.on_divergence, get_args(OnDivergence))
        require_known("precision", self.precision, get_args(Precision))

    def with_settings(self, settings: dict[str, Any]) -> "TrainConfig":
        """The same training with some settings replaced.

        Raises:
          InvalidInput: a setting that does not exist, with the nearest one that does.
        """
        for name in settings:
            require_known("setting of fit", name, [field.name for field in dataclasses.fields(self)])
        return dataclasses.replace(self, **settings)

    def to_json(self) -> dict[str, Any]:
        """The settings that decide the result, ready for JSON; devices are not among them."""
        named = {
            name: getattr(self, name) for name in ("epochs", "batch_size", "patience", "on_divergence", "precision")
        }
        return named | {"resplit": bool(self.resplit)}


TrainConfig.__init__ = public(TrainConfig.__init__)
