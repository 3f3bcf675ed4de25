"""Published accuracies beside this run's: shown together, never mixed."""

from pathlib import Path

import pandas as pd

from seqmatch.errors import SeqmatchError

PUBLISHED_COLUMNS = ["table", "method", "dataset", "ipc", "network", "accuracy_mean", "accuracy_std", "source"]
OTHER_ARCHITECTURES = 2
"""The table of the paper whose numbers are not of the network that was matched."""

UNLISTED = "fill from the paper"
"""Source of SeqMatch's own published numbers, which the list of them does not hold."""


def read_published(path: Path) -> pd.DataFrame:
    """The list of published numbers: one row a number, each with its source; data sets by our names of their sources.

    Raises:
        SeqmatchError: it is missing, or not such a list.
    """
    try:
        found = pd.read_csv(path, dtype={"ipc": str})
    except (OSError, ValueError) as error:
        raise SeqmatchError(f"{path}: cannot be read as a list of published numbers: {error}") from None
    missing = [column for column in PUBLISHED_COLUMNS if column not in found]
    if missing:
        raise SeqmatchError(f"{path}: not a list of published numbers; it has no column {', '.join(missing)}")
    return found.assign(dataset=found["dataset"].replace("tinyimagenet", "tiny-imagenet"))


def beside(table: pd.DataFrame, published: pd.DataFrame, sources: dict[str, str]) -> pd.DataFrame:
    """Every published number of a cell that ran, and every row of this run, side by side.

    Args:
        table: Table 1 of this run.
        published: as `read_published` gives it.
        sources: data set of the run to its source, for those that hold a published data set as it is.

    Returns:
        One row a published number, or a method that has none: `dataset`, `ipc`, `method`, `published_mean`,
        `published_std`, `published_network`, `source`, `run_mean`, `run_std`, `run_network`; missing ones are empty.
    """
    ours = table[table["dataset"].isin(sources)]
    columns = {"accuracy_mean": "run_mean", "accuracy_std": "run_std", "network": "run_network"}
    ours = ours[["dataset", "ipc", "method", *columns]].rename(columns=columns)
    theirs = published[published["table"] != OTHER_ARCHITECTURES].rename(
        columns={"accuracy_mean": "published_mean", "accuracy_std": "published_std", "network": "published_network"}
    )
    theirs = theirs.assign(key=theirs["method"].str.lower(), on=theirs["dataset"]).drop(columns=["method", "dataset"])
    cells = ours[["dataset", "ipc"]].drop_duplicates()
    cells = cells.assign(on=cells["dataset"].map(sources))
    listed = cells.merge(theirs, on=["on", "ipc"])
    both = listed.merge(ours.assign(key=ours["method"]), how="outer", on=["dataset", "ipc", "key"])
    both["method"] = both["method"].fillna(both["key"])
    unlisted = both["published_mean"].isna() & both["method"].str.startswith("seqmatch-")
    both.loc[unlisted, "source"] = UNLISTED
    return both[
        [
            "dataset",
            "ipc",
            "method",
            "published_mean",
            "published_std",
            "published_network",
            "source",
            "run_mean",
            "run_std",
            "run_network",
        ]
    ]


def markdown_beside(table: pd.DataFrame) -> str:
    """The same as a Markdown table; empty where there is nothing to compare."""
    if table.empty:
        return ""
    published = zip(table["published_mean"], table["published_std"], strict=True)
    own = zip(table["run_mean"], table["run_std"], strict=True)
    shown = pd.DataFrame(
        {
            "cell": table["dataset"] + " ipc " + table["ipc"],
            "method": table["method"],
            "published": [_mean_std(*pair) for pair in published],
            "on": table["published_network"],
            "source": table["source"],
            "this run": [_mean_std(*pair) for pair in own],
            "with": table["run_network"],
        }
    )
    lines = [
        "",
        "## Published numbers beside this run's",
        "",
        shown.fillna("").to_markdown(index=False),
        "",
        "Published numbers are chosen on test data by most authors; each row names where it was printed. Methods that "
        "this project does not run have no number of this run.",
    ]
    return "\n".join(lines) + "\n"


def _mean_std(mean: float, std: float) -> str:
    if pd.isna(mean):
        return ""
    return f"{mean:.1f}" if pd.isna(std) else f"{mean:.1f} ± {std:.1f}"
