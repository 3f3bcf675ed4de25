"""Compare runs of config/corner.yaml with the published numbers that they are meant to reproduce.

Takes what is finished. Writes a table (CSV and its provenance), the figure, and the table within a page; says how many
cells lie within max(2 points, two published standard deviations). Cells of the table that the folder does not have stay
as they are, so that several machines can share the work.
"""

import sys
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import pandas as pd
from shared import command, pages

from seqmatch import config, networks
from seqmatch.command.experiment import merged
from seqmatch.errors import SeqmatchError
from seqmatch.files.csv_text import from_csv
from seqmatch.files.kinds import Accuracy, ReproducedCell
from seqmatch.files.schema import check_table
from seqmatch.files.store import digest, load_table, load_table_header, load_tables
from seqmatch.planning.costs import Scale
from seqmatch.planning.jobs import Plan
from seqmatch.report.agreement import agreement, agreement_body
from seqmatch.report.figures.agreement import agreement_figure
from seqmatch.report.published import read_published
from seqmatch.report.tables.accuracy import RUN
from seqmatch.report.tables.methods import methods_table
from seqmatch.report.tables.text import markdown

MARK = "<!-- written by tools/corner.py -->"


def main(args):
    before, after = pages.around(args.page, MARK)
    plan = Plan(config.load(merged(args.configfile)))
    found = [path for path in plan.outputs("evaluate") if (args.folder / path).exists()]
    if not found:
        raise SeqmatchError(f"{args.folder}/results: no accuracy of this experiment is there yet; run it first")
    cells = from_csv(args.cells.read_bytes(), list(ReproducedCell.model_fields)).fillna("")
    check_table(args.cells, cells, ReproducedCell)
    accuracies = load_tables([args.folder / path for path in found], Accuracy)
    ours = methods_table(accuracies, list(dict.fromkeys(cells["method"]))).merge(cells[RUN], on=RUN)
    with chdir(args.folder):  # where images are that have to be counted
        ours = ours.assign(pflop=list(petaflops(plan, ours)))
    inputs = {path: digest(args.folder / path) for path in found}
    if args.csv.exists():
        ours, inputs = joined(ours, inputs, args.csv)
    table = agreement(ours, cells, read_published(args.published))
    page = MARK.join([before, f"\n{in_words(agreement_body(table))}\n", after])
    pages.write(args, table, inputs, agreement_figure(table), page)
    compared = table[table["within"] != ""]
    print(f"{(compared['within'] == 'yes').sum()} of {len(compared)} cells lie within the bound")


def joined(ours: pd.DataFrame, inputs: dict[str, str], earlier: Path) -> tuple[pd.DataFrame, dict[str, str]]:
    """Our accuracies and what they were made from, with those of an earlier table where there are none of a cell."""
    before, made_from = load_table(earlier), load_table_header(earlier)["inputs"]
    new = {cell[:3]: cell[3] for cell in ours[[*RUN, "seeds"]].itertuples(index=False, name=None)}
    for *cell, seeds in before[[*RUN, "seeds"]].itertuples(index=False, name=None):
        if new.get(tuple(cell), seeds) < seeds:
            raise SeqmatchError(
                f"{earlier} has {seeds} seeds of {' '.join(cell)}, more than the {new[tuple(cell)]} of this folder; "
                "finish them, or take that row out by --csv with another name"
            )
    kept = before[[cell not in new for cell in before[RUN].itertuples(index=False, name=None)]]
    kept = kept.fillna({"accuracy_failed": 0})
    folders = tuple(f"results/{cell.dataset}/{cell.method}/ipc{cell.ipc}/" for cell in kept.itertuples())
    made_from = {path: found for path, found in made_from.items() if path.startswith(folders)}
    return pd.concat([ours, kept[kept.columns.intersection(ours.columns)]]), made_from | inputs


def in_words(body: pd.DataFrame) -> str:
    """The table, and below it, since it is long, what is not as published."""
    texts = body.pop("not as published")
    lines = [
        f"- {cell}, {method}: {text}"
        for cell, method, text in zip(body["cell"], body["method"], texts, strict=True)
        if text
    ]
    return "\n".join([markdown(body), "", "Not as published:", "", *lines])


def petaflops(plan: Plan, table: pd.DataFrame) -> Iterator[float]:
    """What one seed of each cell costs with its experts, which other cells may share: 10¹⁵ operations."""
    scale = Scale(plan.experiment, networks.count_operations)
    for cell in table[RUN].to_dict("records"):
        yield plan.operations(scale, plan.experiment.run_of(cell)) / 1e15


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    pages.add_arguments(arguments, "corner")
    for option, place, meaning in (
        ("--cells", "resources/corner.csv", "which published number each cell is meant to reproduce"),
        ("--published", "resources/published_results.csv", "list of published numbers"),
    ):
        arguments.add_argument(option, type=command.path, default=command.ROOT / place, help=meaning)
    command.run(main, arguments)
