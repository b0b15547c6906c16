"""The command line: parse, call, print."""

import sys
from collections.abc import Sequence
from functools import partial

from ae_jax.cli.session import exit_code, quiet_libraries


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs ``ae-jax`` with these arguments, or those of the process.

    Returns:
      The exit code: 0; 1 where something failed; 2 where the input cannot be used; 3 where a training diverged; 130
      after Ctrl-C; 143 after SIGTERM.
    """
    quiet_libraries()
    from ae_jax.cli.app import run

    return exit_code(partial(run, sys.argv[1:] if arguments is None else list(arguments)))


__all__ = ["main"]
