"""``ae-jax models`` says of every named autoencoder what it is, minimises, is for, and where it comes from."""

import pytest

import ae_jax
from ae_jax.models.descriptions import describe


@pytest.mark.parametrize("name", ae_jax.NAMED)
def test_every_description_is_whole(name):
    described = describe(name)
    assert all(described), described
    assert "\n" not in "".join(described)
    assert any(str(year) in described.sources for year in range(1950, 2030))


def test_all_are_listed_and_one_is_described(call):
    listed = call("models", "--json").json()["models"]
    assert [one["name"] for one in listed] == list(ae_jax.NAMED)
    printed = call("models", "fsq").ok().out
    assert "fsq (changes: code)" in printed
    assert "use: For discrete codes without a codebook" in printed
    assert "vq (changes: code)" in call("models").ok().out
    assert "unknown autoencoder 'fsqq': did you mean 'fsq'" in call("models", "fsqq").err
