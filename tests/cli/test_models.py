"""``ae-jax models`` says of every named autoencoder what it is, minimises, is for, and where it comes from."""

import json

import pytest

import ae_jax
from ae_jax.cli.app import run
from ae_jax.errors import InvalidInput
from ae_jax.models.descriptions import describe


@pytest.mark.parametrize("name", ae_jax.NAMED)
def test_every_description_is_whole(name):
    described = describe(name)
    assert all(described), described
    assert "\n" not in "".join(described)
    assert any(str(year) in described.sources for year in range(1950, 2030))


def test_all_are_listed_and_one_is_described(capsys):
    assert run(["models", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["models"]
    assert [one["name"] for one in listed] == list(ae_jax.NAMED)
    assert run(["models", "fsq"]) == 0
    printed = capsys.readouterr().out
    assert r"\\min" in printed
    assert "use: For discrete codes without a codebook" in printed
    assert run(["models"]) == 0
    assert "fsq" in capsys.readouterr().out
    with pytest.raises(InvalidInput, match="unknown autoencoder 'fsqq': did you mean 'fsq'"):
        run(["models", "fsqq"])
