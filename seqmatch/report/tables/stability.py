"""How stable the split in hard and easy images is, as people read it."""

import pandas as pd

from seqmatch.config.methods import display_name
from seqmatch.report.tables.accuracy import cell_names
from seqmatch.report.tables.text import Sheet

TITLE = "Stability of the split in hard and easy images: adjusted Rand index"


def stability_sheets(stability: pd.DataFrame) -> list[Sheet]:
    """Mean and least agreement of a run's splits.

    Args:
        stability: one row per pair of splits: `dataset`, `method`, `ipc`, `between` (networks or seeds), `seed`,
            `first`, `second`, `adjusted_rand_index`.
    """
    named = stability.assign(cell=cell_names(stability), method=stability["method"].map(display_name))
    found = named.groupby(["cell", "method", "between"], sort=False)["adjusted_rand_index"].agg(["mean", "min", "size"])
    body = found.reset_index().rename(columns={"min": "least", "size": "pairs"})
    body[["mean", "least"]] = body[["mean", "least"]].map("{:.2f}".format)
    note = (
        "1: the same split; 0: no more agreement than by chance. Between networks: k-means on the losses of each "
        "network alone, over pairs of networks of one distillation seed. Between seeds: on losses averaged over a "
        "seed's networks, as in the figures."
    )
    return [Sheet(TITLE, body.astype(str), note if len(body) else "A single network and a single seed: no two splits.")]
