"""Configures Sphinx for the pages that ``python .docs`` gathers and generates."""

import os
import re
import sys
from importlib import metadata

from pages import figures

import ae_jax

project = "ae_jax"
author = "the authors of ae_jax"
version = release = metadata.version("ae_jax")
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax", "sphinx.ext.viewcode"]

exclude_patterns = ["README.md"]  # included by index.md
html_theme = "sphinx_book_theme"
html_title = f"ae_jax {version}"
html_show_sourcelink = False

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

nb_execution_mode = os.environ.get("AE_JAX_DOCS_NOTEBOOKS", "off")
nb_execution_timeout = 600  # seconds
nb_execution_raise_on_error = True

add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
maximum_signature_line_length = 100
napoleon_custom_sections = ["When to use", "Defaults", "Failure modes", ("Attributes", "params_style")]
napoleon_numpy_docstring = False
napoleon_use_param = False  # several names to a line
napoleon_use_rtype = False
python_use_unqualified_type_names = True

nitpick_ignore_regex = [
    ("py:.*", r"(collections|flax|jax|jaxlib|jaxtyping|matplotlib|numpy|optax)\..*"),
    ("py:.*", r"(pandas|pathlib|pd|rich|sklearn|typing)\..*"),
    ("py:class", r"ndarray|number|'.*'|(list\[)?dict\[.*"),
]
"""Names that other packages document, and jaxtyping's shapes: building needs no network."""


def before_napoleon(app, what, name, documented, options, lines):
    """Puts pictures of a named autoencoder before its arguments, and wrapped argument names on one line."""
    text = re.sub(r"^( +[\w, ]+,)\n +", r"\1 ", "\n".join(lines), flags=re.M)
    lines[:] = text.split("\n")
    named = name.removeprefix("ae_jax.")
    if named in ae_jax.NAMED:
        place = lines.index("Args:")
        lines[place:place] = figures(named)


def skip_foreign(app, what, name, member, skip, options):
    """Skips inherited members of other packages, such as scikit-learn's methods and a NamedTuple's fields."""
    home = getattr(member, "__module__", None) or type(member).__module__
    return True if not home.startswith("ae_jax") and callable(member) else skip


def resolve(app, env, node, content):
    """Links a name that is documented under another path; returns plain text if it exists without a page."""
    parts = node["reftarget"].split(".")
    python = env.domains.python_domain
    for length in (2, 1):
        tail = "." + ".".join(parts[-length:])
        found = [full for full in python.objects if full.endswith(tail)]
        if len(found) == 1:
            return python.resolve_xref(env, node["refdoc"], app.builder, node["reftype"], found[0], node, content)
    exists = any(hasattr(module, parts[-1]) for key, module in list(sys.modules.items()) if key.startswith("ae_jax"))
    return content if exists else None


def setup(app):
    """Connects the handlers of this file."""
    app.connect("autodoc-process-docstring", before_napoleon, priority=400)
    app.connect("autodoc-skip-member", skip_foreign)
    app.connect("missing-reference", resolve)
