"""Generates the pages of named autoencoders, commands and subpackages."""

import ast
import importlib
import inspect
import io
import pkgutil
import textwrap
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from pathlib import Path
from types import FunctionType, ModuleType

from pictures import CAPTIONS, architecture, ideas
from sphinx.pycode import ModuleAnalyzer

import ae_jax
from ae_jax.cli.app import COMMANDS, run
from ae_jax.models import GROUPS
from ae_jax.models.descriptions import describe
from ae_jax.report import to_png

WITHOUT_PAGE = {"__main__", "models", "cli", "components", "errors", "locks", "_checks", "types"}
"""Modules that are documented elsewhere or are internal."""

ROOMS = [module.name for module in pkgutil.iter_modules(ae_jax.__path__) if module.name not in WITHOUT_PAGE]
"""Subpackages and modules with a page."""


def generate(source: Path) -> None:
    """Writes all generated pages and pictures into the folder of Sphinx's sources."""
    pages = {f"autoencoders/{name}.rst": autoencoder_page(name) for name in ae_jax.NAMED}
    pages["autoencoders.rst"] = autoencoders_page()
    pages |= {f"commands/{name}.rst": command_page(name) for name in COMMANDS}
    pages["commands.rst"] = index_page("Command line", "commands", COMMANDS) + block(help_of())
    pages |= {f"reference/{room}.rst": room_page(room) for room in ROOMS}
    pages["reference.rst"] = index_page("Python", "reference", ROOMS) + package_entries()
    for name, text in pages.items():
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_text(text)
    (source / "pictures").mkdir()
    for name in CAPTIONS:
        drawn = architecture(ae_jax.named(name)(), (8, 8))
        (source / "pictures" / f"{name}_architecture.png").write_bytes(to_png(drawn))
    for name, figure in ideas():
        (source / "pictures" / f"{name}.png").write_bytes(to_png(figure))


def heading(text: str, line: str) -> str:
    """Returns a reStructuredText heading."""
    return f"{text}\n{line * len(text)}\n\n"


def block(text: str) -> str:
    """Returns text as a literal block."""
    return f".. code-block:: text\n\n{textwrap.indent(text.rstrip(), '   ')}\n\n"


def index_page(title: str, folder: str, names: object) -> str:
    """Returns a page that lists the pages of a folder, in their order."""
    entries = "".join(f"   {folder}/{name}\n" for name in names)
    return heading(title, "=") + f".. toctree::\n   :maxdepth: 1\n\n{entries}\n"


def autoencoders_page() -> str:
    """Returns the page of all named autoencoders, grouped by what they change: what each is, and when to use it."""
    text = heading("Autoencoders", "=")
    for group, functions in GROUPS.items():
        described = [describe(function.__name__) for function in functions]
        shown = (f":doc:`autoencoders/{one.name}`\n   {one.summary} {one.use}\n\n" for one in described)
        pages = "".join(f"   autoencoders/{one.name}\n" for one in described)
        text += heading(group.capitalize(), "-") + "".join(shown) + f".. toctree::\n   :hidden:\n\n{pages}\n"
    return text


def autoencoder_page(name: str) -> str:
    """Returns the page of a named autoencoder: its docstring with :func:`figures`."""
    return heading(name.capitalize(), "=") + f".. autofunction:: ae_jax.{name}\n"


def figures(name: str) -> list[str]:
    """Returns the lines that show a named autoencoder's pictures, none if it has none."""
    if name not in CAPTIONS:
        return []
    shown = {f"{name}_architecture": "Its networks for 8 by 8 images, numbers of units below.", name: CAPTIONS[name]}
    text = "".join(
        f".. figure:: /pictures/{picture}.png\n   :alt: {caption}\n\n   {caption}\n\n"
        for picture, caption in shown.items()
    )
    return text.splitlines()


def command_page(name: str) -> str:
    """Returns the help of a command, of its subcommands, and of each autoencoder that it can train."""
    names = ae_jax.NAMED if isinstance(COMMANDS[name], str) else getattr(COMMANDS[name], "keys", list)()
    parts = (heading(f"{name} {part}", "-") + block(help_of(name, part)) for part in names)
    return heading(name, "=") + block(help_of(name)) + "".join(parts)


def help_of(*words: str) -> str:
    """Returns the output of ``ae-jax WORDS --help``."""
    printed = io.StringIO()
    with redirect_stdout(printed), suppress(SystemExit):
        run([*words, "--help"])
    return printed.getvalue()


def room_page(room: str) -> str:
    """Returns the page of a subpackage."""
    module = importlib.import_module(f"ae_jax.{room}")
    return heading(room.capitalize(), "=") + "".join(module_entries(module))


def module_entries(module: ModuleType) -> Iterator[str]:
    """Yields a module's docstring and the members of its ``__all__``, or of the file if it has none."""
    yield f".. automodule:: {module.__name__}\n\n"
    comments = ModuleAnalyzer.for_module(module.__name__).find_attr_docs()
    own = [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and (getattr(value, "__module__", "") == module.__name__ or ("", name) in comments)
    ]
    yield from entries(module, getattr(module, "__all__", own))


def package_entries() -> str:
    """Returns the members of ``ae_jax`` itself without subpackages and named autoencoders."""
    rooms = {name for name in ae_jax.__all__ if isinstance(getattr(ae_jax, name), ModuleType)}
    names = [name for name in ae_jax.__all__ if name not in rooms | set(ae_jax.NAMED)]
    elsewhere = {"Optimizer"} | set(importlib.import_module("ae_jax.training").__all__)
    return ".. currentmodule:: ae_jax\n\n" + "".join(entries(ae_jax, [name for name in names if name not in elsewhere]))


def entries(module: ModuleType, names: list[str]) -> Iterator[str]:
    """Yields the directives for names of a module."""
    for name in names:
        value = getattr(module, name)
        if isinstance(value, ModuleType):
            yield from module_entries(value)
        elif isinstance(value, type):
            yield f".. autoclass:: {module.__name__}.{name}\n   :members:\n\n"
        elif isinstance(value, FunctionType):
            yield f".. autofunction:: {module.__name__}.{name}\n\n"
        else:
            said = textwrap.indent(comment_of(module, name), "   ")
            yield f".. py:data:: {module.__name__}.{name}\n\n{said}\n\n"


def comment_of(module: ModuleType, name: str) -> str:
    """Returns the docstring below a constant, in the file that defines it."""
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.ImportFrom) and name in [alias.name for alias in node.names]:
            return comment_of(importlib.import_module(node.module or ""), name)
    return "\n".join(ModuleAnalyzer.for_module(module.__name__).find_attr_docs().get(("", name), []))
