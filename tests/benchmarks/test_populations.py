"""Cost of members."""

import pytest

from ae_jax.benchmarks import populations
from ae_jax.benchmarks.populations import cost_of_members


def test_cost_is_for_each_member_relative_to_one_alone(monkeypatch):
    # An epoch of n members takes 1 + n seconds: each costs (1 + n) / n beside 2 alone.
    monkeypatch.setattr(
        populations, "ours", lambda *_, seeds, **__: lambda epochs: ([1.0 + len(seeds)] * epochs, [0.0])
    )
    rows = list(cost_of_members(members=(1, 2, 4), rounds=2, epochs=3))
    assert [row["widths"] for row in rows] == ["64-128-8"] * 3 + ["784-512-16"] * 3
    assert [row["cost"] for row in rows[:3]] == [1.0, 0.75, 0.625]
    assert [row["epoch_s"] for row in rows[:3]] == [2.0, 3.0, 5.0]
    assert all(row["cost_low"] == row["cost"] == row["cost_high"] for row in rows)


@pytest.mark.parametrize("widths", ["64-128-8"])
def test_populations_are_trained(widths):
    rows = list(cost_of_members(members=(1, 2), rounds=1, epochs=3, widths=[widths]))
    assert [row["members"] for row in rows] == [1, 2]
    assert rows[0]["cost"] == 1.0
    assert rows[1]["cost"] > 0
