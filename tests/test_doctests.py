"""Every example in a docstring runs and prints what it says."""

import doctest
import importlib
import pkgutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ae_jax

MODULES = [module.name for module in pkgutil.walk_packages(ae_jax.__path__, "ae_jax.") if "__main__" not in module.name]
EXPECTED = 60


def examples(name: str) -> list[doctest.DocTest]:
    """The docstrings of a module that have examples, which use JAX and NumPy by their usual names."""
    module = importlib.import_module(name)
    finder = doctest.DocTestFinder(exclude_empty=True)
    return [
        test for test in finder.find(module, globs=vars(module) | {"jax": jax, "jnp": jnp, "np": np}) if test.examples
    ]


@pytest.mark.parametrize("name", MODULES)
def test_examples_print_what_they_say(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    failures = sum(runner.run(test).failed for test in examples(name))
    assert not failures, capsys.readouterr().out


def test_examples_are_found() -> None:
    assert sum(len(examples(name)) for name in MODULES) >= EXPECTED
