"""Tables 1 and 3: methods by data set and images per class, on the network that was matched."""

from collections.abc import Sequence

import pandas as pd

from seqmatch.config.methods import display_name
from seqmatch.errors import number
from seqmatch.report.published import UNLISTED
from seqmatch.report.tables.accuracy import (
    CELL,
    RUN,
    basis,
    cell_names,
    in_order,
    main_selection,
    method_names,
    notes,
    on_matched,
    spread,
)
from seqmatch.report.tables.comparison import against_best, best_in_words, not_told_from_best
from seqmatch.report.tables.text import Sheet, bold, grid, interleaved, mean_std, means_stds

ALL_IMAGES = "all"
"""The ipc of all real data."""

UNITS = {1e6: "PFLOP", 1e3: "TFLOP", 1: "GFLOP"}
"""Of operations, by their size in GFLOP."""

COSTS = (
    "Numbers stored: of a set with all that belongs to it. FLOP: operations, as counted, of one seed: its "
    "experts, which other methods may share, distillation, selection and evaluation."
)


def methods_table(accuracy: pd.DataFrame, order: Sequence[str], operations: pd.DataFrame | None = None) -> pd.DataFrame:
    """Every method of every cell, on the network that was matched.

    Args:
        accuracy: one row per trained network, accuracy in percent.
        order: method names, top to bottom.
        operations: if they were counted, `gflop` of each cell's methods.

    Returns:
        One row per method in a cell: `dataset`, `ipc`, `method`, `K`, `architecture`, `selection` (what chose the
        main selection's snapshot), `accuracy_mean`, `accuracy_std` (sample standard deviation over all networks of all
        seeds), `std_within_seeds` (over the networks of a seed: the root of the seeds' mean variance),
        `std_between_seeds` (of the seeds' means), `networks`, `seeds`, `selected_on` (images that chose a snapshot),
        `undistilled` (seeds with a subset that is its initial images), `stored_numbers` (of a set), `image_numbers` (of
        images of its ipc), `gflop` (10⁹ operations of one seed with its experts; missing where they were not counted),
        `p_best` (of no difference from the cell's best, in a paired test over seeds; missing for that itself, and for
        too few seeds), and mean and std of `last` (the last snapshot) and `test_selected` (chosen on test data:
        optimistic). `…_failed` counts networks without an accuracy, which are in no mean.
        Where any method has a protocol of its own too, its accuracy by that: `own_mean`, and `own_std` of the seeds'
        means.
    """
    own = on_matched(accuracy)
    rows = []
    for (dataset, ipc, method), cell in own.groupby(RUN, sort=False):
        chosen = main_selection(cell)
        seeds = chosen.groupby("seed")["accuracy"]
        row = {
            "dataset": dataset,
            "ipc": ipc,
            "method": method,
            "K": int(cell["K"].iloc[0]),
            "architecture": cell["architecture"].iloc[0],
            "selection": chosen["selection"].iloc[0],
            **spread("accuracy", chosen),
            "std_within_seeds": seeds.var(ddof=1).mean() ** 0.5,
            "std_between_seeds": seeds.mean().std(ddof=1),
            "networks": len(chosen),
            "seeds": len(seeds),
            **basis(chosen),
            **spread("last", cell[cell["selection"] == "last"]),
            **spread("test_selected", cell[cell["selection"] == "test"]),
        }
        if "own" in own:
            means = chosen.groupby("seed")["own"].mean()
            failed = int(chosen["own"].isna().sum()) if means.notna().any() else 0  # others have no such protocol
            row |= {"own_mean": means.mean(), "own_std": means.std(ddof=1), "own_failed": failed}
        rows.append(row)
    table = in_order(pd.DataFrame(rows), order)
    if operations is not None:
        table = table.merge(operations[[*RUN, "gflop"]], how="left", on=RUN)
    return table.assign(p_best=against_best(table, own, CELL))


def methods_sheets(
    table: pd.DataFrame, compared: pd.DataFrame, title: str, architectures: dict[str, str]
) -> list[Sheet]:
    """The table for people; then, if there are several cells, what each set took; the spread within and between seeds;
    and the same by what chose the snapshot.

    Args:
        table: as `methods_table` returns it.
        compared: published numbers beside these, as `seqmatch.report.published.beside_methods` returns them.
        architectures: architecture of the run to the name that publications have for it.
    """
    main = Sheet(title, _main(table, compared, architectures), _note(table, compared))
    sheets = [main, _own_protocols(table), _spreads(table), _selections(table)]
    if len(_columns(table)) > 1:
        sheets.insert(1, _costs(table))
    return [sheet for sheet in sheets if len(sheet.body)]


def _columns(table: pd.DataFrame) -> list[str]:
    """The cells that are columns: all real data has one of its own only where its data set has no other."""
    alone = ~table["dataset"].isin(table.loc[table["ipc"] != ALL_IMAGES, "dataset"])
    return list(cell_names(table[(table["ipc"] != ALL_IMAGES) | alone]).unique())


def _main(table: pd.DataFrame, compared: pd.DataFrame, architectures: dict[str, str]) -> pd.DataFrame:
    """One row per method, one column per cell; under each method its published numbers, if the cell has any, with their
    network where it is not this run's. A single cell has columns for what its sets store and cost."""
    own = pd.DataFrame(
        {
            "method": table["method"],
            "row": method_names(table),
            "column": cell_names(table),
            "text": bold(means_stds(table, "accuracy"), not_told_from_best(table, CELL)),
        }
    )
    columns = _columns(table)
    elsewhere = own[~own["column"].isin(columns)]  # all real data, beside the sets of the same data set
    datasets = dict(zip(cell_names(table), table["dataset"], strict=True))
    copies = [
        elsewhere[elsewhere["column"].map(datasets) == datasets[column]].assign(column=column) for column in columns
    ]
    own = pd.concat([own[own["column"].isin(columns)], *copies], ignore_index=True)
    listed = compared[compared["published_mean"].notna() | (compared["reference"] == UNLISTED)]
    listed = listed[cell_names(listed).isin(columns)]
    ours = table["architecture"].map(architectures)
    theirs = pd.DataFrame(
        {
            "method": listed["method"],
            "row": listed["method"].map(display_name) + ", published",
            "column": cell_names(listed),
            "text": _with_other_networks(listed, set(zip(cell_names(table), ours, strict=True))),
        }
    )
    body = grid(interleaved(own, theirs), columns, corner="method")
    if len(columns) > 1:
        return body
    costs = (
        _cost_columns(table).set_index(method_names(table)).reindex(body["method"]).fillna("").reset_index(drop=True)
    )
    return pd.concat([body, costs], axis="columns")


def _cost_columns(table: pd.DataFrame) -> pd.DataFrame:
    """What a set of each row stores and costs."""
    columns = {"numbers stored": [f"{numbers}" for numbers in table["stored_numbers"]]}
    if "gflop" in table:
        size, unit = next((size, unit) for size, unit in UNITS.items() if table["gflop"].max() >= size or size == 1)
        columns[unit] = ["" if pd.isna(count) else f"{count / size:.1f}" for count in table["gflop"]]
    return pd.DataFrame(columns)


def _costs(table: pd.DataFrame) -> Sheet:
    body = pd.DataFrame({"cell": cell_names(table), "method": method_names(table)})
    return Sheet("What a set stores and costs", pd.concat([body, _cost_columns(table)], axis="columns"), COSTS)


def _note(table: pd.DataFrame, compared: pd.DataFrame) -> str:
    texts = [
        best_in_words(table),
        "Snapshots are chosen on a validation split held out of the training data; where there is none, the last one "
        "is taken.",
        f"Networks: {_networks(table)}.",
    ]
    if len(_columns(table)) == 1:
        texts.append(COSTS)
    texts += notes(table)
    if compared["published_mean"].notna().any():
        texts.append(
            "Rows of published numbers are never part of a mean, nor in bold; each number's source stands in "
            "published.csv. Most authors choose on test data."
        )
    missing = compared.loc[compared["reference"] == UNLISTED, "method"].unique()
    if len(missing):
        texts.append(
            f"Not in the list of published numbers, so empty ({UNLISTED}): {', '.join(map(display_name, missing))}."
        )
    return " ".join(texts)


def _networks(table: pd.DataFrame) -> str:
    """How many networks entries are of, and of how many seeds."""
    counts = table.groupby(["networks", "seeds"], sort=False)
    entries = {
        f"{networks} ({number(seeds, 'seed')})": ", ".join(dict.fromkeys(method_names(rows)))
        for (networks, seeds), rows in counts
    }
    most = max(entries, key=lambda entry: entries[entry].count(", "))
    others = [f"{entry} of {names}" for entry, names in entries.items() if entry != most]
    return "; ".join([f"{most} per entry", *others])


def _with_other_networks(listed: pd.DataFrame, ours: set[tuple[str, str]]) -> list[str]:
    """Published numbers, with their network where its cell is not among `ours` with it."""
    networks = zip(cell_names(listed), listed["published_architecture"], strict=True)
    return [
        text if not text or network in ours else f"{text} ({network[1]})"
        for text, network in zip(means_stds(listed, "published"), networks, strict=True)
    ]


def _own_protocols(table: pd.DataFrame) -> Sheet:
    shown = table[table.get("own_mean", pd.Series(index=table.index, dtype=float)).notna()]
    body = pd.DataFrame(
        {
            "cell": cell_names(shown),
            "method": method_names(shown),
            "own protocol": means_stds(shown, "own") if len(shown) else [],
            "networks, as all methods": means_stds(shown, "accuracy"),
            "seeds": shown["seeds"].astype(str),
        }
    )
    return Sheet(
        "By the method's own protocol",
        body,
        "How a method's authors judge its images, as docs/methods says of each: dd and rtp by the learned steps, kip "
        "by kernel ridge regression. Mean ± standard deviation of the seeds' means, beside the accuracy of networks in "
        "the table above.",
    )


def _spreads(table: pd.DataFrame) -> Sheet:
    shown = table[table["seeds"] > 1]
    body = pd.DataFrame(
        {
            "cell": cell_names(shown),
            "method": method_names(shown),
            "mean": [mean_std(mean) for mean in shown["accuracy_mean"]],
            "std over networks of a seed": [mean_std(std) for std in shown["std_within_seeds"]],
            "std between seeds": [mean_std(std) for std in shown["std_between_seeds"]],
            "networks": shown["networks"].astype(str),
            "seeds": shown["seeds"].astype(str),
        }
    )
    return Sheet(
        "Spread over networks, and over distillation seeds",
        body,
        "Networks of a seed learn from the same synthetic images; each seed has its own. The first spread says how "
        "much one training tells, the second how much one distillation does.",
    )


def _selections(table: pd.DataFrame) -> Sheet:
    shown = table[(table["selection"] != "last") | table["test_selected_mean"].notna()]
    body = pd.DataFrame(
        {
            "cell": cell_names(shown),
            "method": method_names(shown),
            "main selection": means_stds(shown, "accuracy"),
            "chosen by": shown["selection"],
            "last snapshot": means_stds(shown, "last"),
            "chosen on test data": means_stds(shown, "test_selected"),
        }
    )
    return Sheet(
        "The same by how the snapshot of the last subset is chosen",
        body,
        "Chosen on test data is the usual protocol of the field; it is optimistic and shown for comparison only. It "
        "applies to the last subset: the earlier ones, after which that was distilled, are the main selection's.",
    )
