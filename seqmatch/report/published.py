"""Published accuracies beside this run's: shown together, never mixed."""

from pathlib import Path

import pandas as pd

from seqmatch.errors import SeqmatchError
from seqmatch.files.csv_text import from_csv
from seqmatch.files.kinds import PublishedNumber
from seqmatch.files.schema import check_table

TEXT = ["method", "dataset", "ipc", "network", "source"]
OTHER_ARCHITECTURES = 2
"""The table of the paper whose numbers are not of the network that was matched."""

UNLISTED = "fill from the paper"
"""Reference of SeqMatch's own published numbers, which the list of them does not hold."""

RENAMED = {"k-center": "k-means"}
"""Published name, as ours are written, to our name: the images nearest to k-means centres (Cui et al. 2022)."""

THEIRS = {
    "accuracy_mean": "published_mean",
    "accuracy_std": "published_std",
    "network": "published_architecture",
    "source": "reference",
}
OURS = {
    "accuracy_mean": "run_mean",
    "accuracy_std": "run_std",
    "accuracy_failed": "run_failed",
    "architecture": "run_architecture",
}


def read_published(path: Path) -> pd.DataFrame:
    """The list of published numbers: one row per number, with its reference; data sets by our names of their sources.

    Raises:
        SeqmatchError: it is missing, or not such a list.
    """
    try:
        found = from_csv(path.read_bytes(), TEXT)
    except (OSError, ValueError) as error:
        raise SeqmatchError(f"{path}: cannot be read as a list of published numbers: {error}") from None
    check_table(path, found, PublishedNumber)
    return found.assign(dataset=found["dataset"].replace("tinyimagenet", "tiny-imagenet"))


def beside_methods(
    table: pd.DataFrame, published: pd.DataFrame, data: dict[str, str], architectures: dict[str, str]
) -> pd.DataFrame:
    """Published numbers of the cells that ran, and this run's in these cells, side by side.

    Args:
        table: Table 1 or 3 of this run.
        published: as `read_published` gives it.
        data: data set of the run to its source, for those that hold a published data set as it is.
        architectures: architecture of the run to the name that publications have for it; nothing stands beside others.

    Returns:
        One row per published number, or method of such a cell that has none: `dataset`, `ipc`, `method`,
        `published_mean`, `published_std`, `published_architecture`, `reference`, `run_mean`, `run_std`,
        `run_failed` (networks), `run_architecture`; missing ones are empty.
    """
    ours = table[table["architecture"].isin(architectures)].rename(columns=OURS)
    cells = ours[["dataset", "ipc"]].drop_duplicates()
    return _beside(ours, published[published["table"] != OTHER_ARCHITECTURES], cells, data, [])


def beside_architectures(
    table: pd.DataFrame, published: pd.DataFrame, data: dict[str, str], architectures: dict[str, str]
) -> pd.DataFrame:
    """The same for Table 2, on the published architectures alone.

    Args:
        table: Table 2 of this run.
        architectures: architecture of the run to the name that publications have for it.
    """
    ours = table[table["architecture"].isin(architectures)].rename(columns=OURS)
    cells = ours[["dataset", "ipc", "run_architecture"]].drop_duplicates()
    cells = cells.assign(published_architecture=cells["run_architecture"].map(architectures))
    theirs = published[published["table"] == OTHER_ARCHITECTURES]
    return _beside(ours, theirs, cells, data, ["published_architecture", "run_architecture"])


def _beside(
    ours: pd.DataFrame, published: pd.DataFrame, cells: pd.DataFrame, data: dict[str, str], architecture: list[str]
) -> pd.DataFrame:
    """Published numbers of `cells`, outer-joined with this run's; `architecture`: columns that tell those apart."""
    theirs = published.rename(columns=THEIRS | {"dataset": "holds"})
    theirs = theirs.assign(method=theirs["method"].str.lower().str.replace("+", "-").replace(RENAMED))
    holding = cells.assign(holds=cells["dataset"].map(lambda name: data.get(name, "")).astype(str))
    listed = holding.merge(theirs, on=["holds", "ipc", *(name for name in architecture if name in theirs)])
    run = ours[["dataset", "ipc", "method", *OURS.values()]].merge(listed[["dataset", "ipc"]].drop_duplicates())
    both = listed.merge(
        run, how="outer", on=["dataset", "ipc", "method", *(name for name in architecture if name in run)]
    )
    unlisted = both["published_mean"].isna() & both["method"].str.startswith("seqmatch-")
    both.loc[unlisted, "reference"] = UNLISTED
    return both[["dataset", "ipc", "method", *THEIRS.values(), *OURS.values()]]
