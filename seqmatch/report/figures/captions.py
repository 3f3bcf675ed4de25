"""Captions of figures: what is seen, of how many seeds and networks; as text, and for LaTeX."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from seqmatch.errors import number
from seqmatch.files.store import save_text
from seqmatch.report import latex

FIGURE = r"""% Needs \usepackage{{graphicx}}, and \graphicspath{{{{…/}}}} with the folder of this file.
\begin{{figure}}
\centering
\includegraphics{{{file}}}
\caption{{{caption}}}
\label{{fig:{label}}}
\end{{figure}}
"""


def where(table: pd.DataFrame) -> str:
    """The data set of a table and its images per class, if they are the same everywhere."""
    dataset, *_ = table["dataset"]
    sizes = list(dict.fromkeys(table["ipc"])) if "ipc" in table else []
    return f"{dataset}, {per_class(sizes[0])}" if len(sizes) == 1 else dataset


def per_class(ipc: str) -> str:
    return f"{ipc} image{'s' * (ipc != '1')} per class"


def counted(table: pd.DataFrame) -> str:
    """How many distillation seeds the methods of a table have, and how many networks each seed."""
    by_method = table.groupby("method")
    found = [between(by_method["seed"].nunique(), "distillation seed")]
    if "network" in table:
        found.append(f"{between(table.groupby(['method', 'seed'])['network'].nunique(), 'network')} each")
    return ", ".join(found)


def between(counts: pd.Series, what: str) -> str:
    """Equal counts, or the least and the most of them."""
    few, most = counts.min(), counts.max()
    return number(most, what) if few == most else f"{few} to {number(most, what)}"


def sentences(*parts: str) -> str:
    """Sentences, each without its stop; empty ones are left out."""
    return " ".join(f"{part}." for part in parts if part)


def save(caption: str, paths: Sequence[Path]) -> None:
    """Write a caption beside a figure: as text (.txt), or as the whole figure (.tex)."""
    for path in paths:
        about = {"file": path.stem, "caption": latex.sentence(caption), "label": latex.name(path.stem)}
        save_text(path, FIGURE.format(**about) if path.suffix == ".tex" else f"{caption}\n")
