"""The look that all figures share, and how they are written."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

ONE_COLUMN, TWO_COLUMNS = 3.3, 6.9
"""Widths of a figure, in inches."""

STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 8,
    "legend.frameon": False,
    "savefig.dpi": 200,
    "pdf.fonttype": 42,
    "figure.constrained_layout.use": True,
    "svg.hashsalt": "seqmatch",
}


def save(figure: Figure, paths: Sequence[Path]) -> None:
    """Write a figure in the format of each path's ending; equal figures give equal bytes."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        metadata = {"CreationDate": None} if path.suffix == ".pdf" else None
        with mpl.rc_context(STYLE):
            figure.savefig(path, metadata=metadata)
