"""Descriptions of the named autoencoders, read from their docstrings."""

import inspect
import re
import textwrap
from typing import NamedTuple

from ae_jax.models import GROUPS, named


class Description(NamedTuple):
    """What the docstring of a named autoencoder says of it.

    Attributes:
      name: of the autoencoder.
      changes: what it changes of the basic ones, a key of :data:`ae_jax.models.GROUPS`.
      summary: one line.
      equation: what is minimised, in LaTeX.
      use: when to use it.
      sources: the papers.
    """

    name: str
    changes: str
    summary: str
    equation: str
    use: str
    sources: str


def describe(name: str) -> Description:
    """Returns the description of a named autoencoder.

    Raises:
      InvalidInput: an unknown name; the sentence has the nearest one.

    Example:
      >>> describe("fsq").sources
      'Mentzer et al., Finite scalar quantization: VQ-VAE made simple, ICLR 2024.'
    """
    text = inspect.getdoc(named(name)) or ""
    changes = next(group for group, functions in GROUPS.items() if name in [one.__name__ for one in functions])
    equation = re.search(r"^\.\. math::(.*?)\n\n(?! )", text, flags=re.M | re.S)
    return Description(
        name=name,
        changes=changes,
        summary=text.partition("\n")[0],
        equation=_one_line(equation.group(1)) if equation else "",
        use=_one_line(_section(text, "When to use")),
        sources=_one_line(_section(text, "References")).replace("*", ""),
    )


def arguments(name: str) -> dict[str, str]:
    """Returns argument -> what it is, also of those that the docstring leaves to another autoencoder's.

    Example:
      >>> arguments("fsq")["learning_rate"]
      'of Adam.'
    """
    found = {}
    described = _section(inspect.getdoc(named(name)) or "", "Args")
    for names, text in re.findall(r"^(\w[\w, ]*):((?:.|\n )*)", described, flags=re.M):
        other = re.search(r"as of :func:`ae_jax\.(\w+)`", text)
        for each in names.split(", "):
            found[each] = arguments(other[1])[each] if other else _one_line(text)
    return found


def _section(text: str, title: str) -> str:
    """Returns the indented text below a title."""
    found = re.search(rf"^{title}:\n(.*?)(?=\n\n\S|\Z)", text, flags=re.M | re.S)
    return textwrap.dedent(found.group(1)) if found else ""


def _one_line(text: str) -> str:
    return " ".join(text.split())
