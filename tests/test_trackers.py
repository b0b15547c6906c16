"""What trackers send, with a tracker that notes it; the real ones are tested in tests/integrations."""

from typing import Any

import numpy as np
import pytest

import ae_jax
from ae_jax import InvalidInput
from ae_jax.data import Dataset, Split
from ae_jax.trackers import Tracker, picture_of


class Noting(Tracker):
    """Notes what it would send."""

    package = module = "json"

    def open(self, name: str, parameters: dict[str, Any]) -> None:
        self.name, self.parameters, self.logged, self.pictures, self.closed = name, parameters, [], [], False

    def log(self, scalars: dict[str, float], step: int) -> None:
        self.logged.append((step, scalars))

    def finish(self, run: ae_jax.Run, shown: Split) -> None:
        self.pictures.append(picture_of(run, shown))

    def close(self) -> None:
        self.closed = True


def test_a_tracker_is_sent_parameters_terms_of_each_setting_and_a_picture(small: Dataset):
    tracking = Noting()
    choices = [ae_jax.variational(code=3, hidden=(12,), beta=beta) for beta in (1.0, 2.0)]
    run = ae_jax.fit(choices, small, seeds=[5, 6], epochs=2, batch_size=16, callbacks=[tracking])
    told = tracking.parameters
    assert (tracking.name, told["epochs"], told["objective.beta"], told["seeds"]) == ("variational", 2, 1.0, "[5, 6]")
    assert told["swept.beta"] == "[1.0, 1.0, 2.0, 2.0]"
    assert [step for step, _ in tracking.logged] == [1, 2]
    losses = run.history["validation"]["loss"]
    for epoch, (_, scalars) in enumerate(tracking.logged):
        assert scalars["validation/loss"] == pytest.approx(losses[:, epoch].mean())
        assert scalars["validation/loss/beta=1"] == pytest.approx(losses[:2, epoch].mean())
    assert [picture.shape[2] for picture in tracking.pictures] == [3]
    assert tracking.pictures[0].dtype == np.uint8
    assert tracking.closed


def test_a_tracker_of_a_missing_package_says_what_installs_it():
    class Missing(Tracker):
        module = "nothing_of_this_name"

    with pytest.raises(InvalidInput, match=r'Missing needs nothing_of_.* run pip install "ae_jax\[tracking\]"'):
        Missing()
