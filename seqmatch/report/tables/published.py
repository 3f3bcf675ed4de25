"""Published numbers and their sources, as people read them."""

import pandas as pd

from seqmatch.config.methods import display_name
from seqmatch.report.tables.accuracy import cell_names
from seqmatch.report.tables.text import Sheet, means_stds

TITLE = "Published numbers beside this run's: test accuracy in percent"


def published_sheets(compared: pd.DataFrame) -> list[Sheet]:
    """Every published number of the cells that ran, with its source.

    Args:
        compared: as `seqmatch.report.published.beside_methods` and `beside_architectures` return it.
    """
    body = pd.DataFrame(
        {
            "cell": cell_names(compared),
            "method": compared["method"].map(display_name),
            "published": means_stds(compared, "published"),
            "on": compared["published_architecture"].fillna(""),
            "reference": compared["reference"].fillna(""),
            "this run": means_stds(compared, "run"),
            "with": compared["run_architecture"].fillna(""),
        }
    )
    note = (
        "Published numbers are chosen on test data by most authors; each row names where it was printed. Methods "
        "without a number of this run were not run, or do not run here."
    )
    return [Sheet(TITLE, body, note if len(body) else "No cell of this run has published numbers.")]
