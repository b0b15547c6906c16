"""The command ``models``, which lists the named autoencoders."""

from typing import Annotated

from tyro.conf import Positional, arg

from ae_jax.cli.options import Json
from ae_jax.cli.printing import print_columns, print_json

Names = Annotated[Positional[tuple[str, ...]], arg(metavar="[NAME ...]", help_behavior_hint="(default: all)")]


def models(names: Names = (), *, json: Json = False) -> int:
    """Lists the named autoencoders: what each is, what it minimises, what it is for, and its source.

    Args:
      names: of autoencoders; with one, ae-jax train NAME --help has its hyper-parameters.
    """
    from ae_jax.models import NAMED
    from ae_jax.models.descriptions import describe

    described = [describe(name) for name in names or NAMED]
    if json:
        print_json({"models": [one._asdict() for one in described]})
    elif names:
        for one in described:
            print(f"{one.name} (changes: {one.changes})\n  {one.summary}\n  minimises: {one.equation}")
            print(f"  use: {one.use}\n  source: {one.sources}")
    else:
        rows = [(one.name, one.changes, one.summary, one.equation, one.sources) for one in described]
        print_columns(("name", "changes", "is", "minimises", "source"), rows)
        print(
            "\nae-jax models NAME says what an autoencoder is for; ae-jax train NAME --help has its hyper-parameters."
        )
    return 0
