"""The site: `uv run --group docs sphinx-build -W docs site`.

Every page is a Markdown file that can be read on a forge too. Made for the site alone: the order of pages, the pages of
the library's folders, and where links lead that leave docs/.
"""

import os
import re
import sys
from importlib import import_module
from importlib.util import find_spec
from itertools import starmap
from pathlib import Path

from pydantic import BaseModel
from pygments.lexers.python import PythonLexer
from sphinx.ext.napoleon.docstring import GoogleDocstring

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path.insert(0, str(ROOT))

ORDER = {
    "Guide": [
        "guide/first-hour",
        "guide/sets",
        "guide/experiments",
        "guide/data",
        "guide/outputs",
        "guide/gpus-and-slurm",
        "guide/storage-and-cloud",
        "guide/interruption",
        "guide/other-folders",
        "guide/*",
        "guide/extend",
        "guide/troubleshooting",
    ],
    "Examples": ["examples/*"],
    "Methods": [
        "methods/README",
        *(
            f"methods/{name}"
            for name in (
                "seqmatch",
                "mtt",
                "tesla",
                "ftd",
                "haba",
                "datm",
                "pdd",
                "dd",
                "kip",
                "dc",
                "dm",
                "cafe",
                "idc",
                "coresets",
                "external",
                "differences",
            )
        ),
    ],
    "Results": ["results/README", "results/*", "performance", "scaling"],
    "Reference": ["configuration", "api/index", "words"],
    "Project": ["architecture", "contributing", "changelog"],
}
"""Pages as the site lists them."""

NAMED = {page for pages in ORDER.values() for page in pages if "*" not in page}

OUTSIDE = {
    "index": "README.md",
    "configuration": "config/README.md",
    "contributing": "CONTRIBUTING.md",
    "changelog": "CHANGELOG.md",
}
"""Pages that show a file outside docs/."""

SHOWN_AS = {file: page for page, file in OUTSIDE.items()}

project = "seqmatch"
author = "The seqmatch developers"
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
]

html_theme = "furo"
toc_object_entries = False
html_title = "seqmatch"
html_static_path = ["_static", str(Path(find_spec("sphinx-mathjax-offline").origin).parent / "static")]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_show_copyright = False
html_theme_options = {"navigation_with_keys": True}

myst_enable_extensions = ["dollarmath", "html_image"]
mathjax_path = "mathjax/tex-chtml.js"  # of the package, not of a server
myst_heading_anchors = 4

default_role = "code"  # single backticks of docstrings
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_use_type_comments = False
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True

# Napoleon takes what stands before a colon for a type, in the docstring of an attribute and below "Returns:".
GoogleDocstring._consume_inline_attribute = lambda self: ("", self._dedent(self._consume_to_end()))
GoogleDocstring._consume_returns_section = lambda self, preprocess_types=False: [
    ("", "", self._dedent(self._consume_to_next_section()))
]


def setup(app):
    app.connect("builder-inited", lambda app: write_rooms())
    app.connect("source-read", complete)
    app.connect("autodoc-process-signature", signature)
    app.add_lexer("snakemake", PythonLexer)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def complete(app, page, source):
    """Turn a Markdown file into a page: what it shows, the pages below it, links that leave docs/."""
    file = ROOT / OUTSIDE[page] if page in OUTSIDE else DOCS / f"{page}.md"
    text = file.read_text(encoding="utf-8") if page in OUTSIDE else source[0]
    below = (
        ORDER if page == "index" else {"The folders of the library": ["api/seqmatch.*"]} if page == "api/index" else {}
    )
    source[0] = with_links(text, file.parent, DOCS / Path(page).parent) + "".join(starmap(contents, below.items()))


def with_links(text, old, new):
    """A Markdown text of the folder `old` as it has to be in `new`; links to modules lead to their description."""

    def link(found):
        before, target, anchor = found.groups()
        name = os.path.relpath(old / target, ROOT)
        if name in SHOWN_AS:
            return before + os.path.relpath(DOCS / f"{SHOWN_AS[name]}.md", new) + anchor
        if re.fullmatch(r"seqmatch/.*\.py", name) and (ROOT / name).is_file():
            return f"{before}#{name.removesuffix('.py').replace('/', '.')}"
        return before + os.path.relpath(ROOT / name, new) + anchor

    return re.sub(r'(\]\(|src=")(?![a-z]+:|#)([^)#"\s]+)((?:#[^)"\s]+)?)', link, text)


def contents(caption, patterns):
    """A list of pages that the site alone has; a pattern takes those that are named nowhere."""
    pages = (f"/{page}" for pattern in patterns for page in ([pattern] if pattern in NAMED else unnamed(pattern)))
    return "\n".join(["", "```{toctree}", ":hidden:", f":caption: {caption}", "", *pages, "```", ""])


def unnamed(pattern):
    pages = (file.relative_to(DOCS).with_suffix("").as_posix() for file in sorted(DOCS.glob(f"{pattern}.md")))
    return [page for page in pages if page not in NAMED]


def write_rooms():
    """A page for every folder of the library, and for the modules at its top, with all that has a docstring."""
    package = ROOT / "seqmatch"
    for place in sorted(package.iterdir()):
        if (place / "__init__.py").is_file() or (place.suffix == ".py" and place.stem != "__init__"):
            files = sorted(place.rglob("*.py")) if place.is_dir() else []
            modules = [module_of(file) for file in files if file.stem != "__init__"]
            room = module_of(place / "__init__.py" if place.is_dir() else place)
            for module in (room, *modules):
                import_module(module)  # once, before Sphinx divides its work
            lines = [f"# `{room}`", *described(room, members=not modules)]
            for module in modules:
                lines += [f"## `{module.removeprefix(f'{room}.')}`", *described(module)]
            write(DOCS / f"api/{room}.md", "\n".join(lines))


def module_of(file):
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def described(module, members=True):
    return ["", "```{eval-rst}", f".. automodule:: {module}", "" if members else "   :no-members:", "```", ""]


def write(file, text):
    """Only what changes is written, so that only it is read again."""
    if not file.is_file() or file.read_text(encoding="utf-8") != text:
        file.write_text(text, encoding="utf-8")


def signature(app, what, name, thing, options, arguments, returned):
    """Models of the configuration are called with their keys, which the page of the configuration lists."""
    if isinstance(thing, type) and issubclass(thing, BaseModel):
        return "", None
    return (re.sub(r"<(?:function )?(\w+)[^>]*>", r"\1", arguments), returned) if arguments else None
