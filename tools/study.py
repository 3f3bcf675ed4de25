"""What several subsets gain over one, at equal images and at equal compute: from a run of config/study.yaml.

Takes the cells that are finished with all their methods. Writes a table (CSV and its provenance), the figure, and the
table within a page. Cells of the table that the folder does not have stay as they are, so that several machines can
share the work; what is significant is decided anew over all of them.
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
from seqmatch.files.kinds import Accuracy
from seqmatch.files.store import digest, load_table, load_table_header, load_tables
from seqmatch.planning.contents import contrasts
from seqmatch.planning.costs import Scale
from seqmatch.planning.jobs import Plan
from seqmatch.report.figures.gains import gains_figure
from seqmatch.report.tables.accuracy import CELL, cell_names, method_names
from seqmatch.report.tables.comparison import adjusted, comparison_table, tests
from seqmatch.report.tables.text import markdown

MARK = "<!-- written by tools/study.py -->"


def main(args):
    before, after = pages.around(args.page, MARK)
    plan = Plan(config.load(merged(args.configfile)))
    found = [path for cell in cells(plan) if all((args.folder / path).exists() for path in cell) for path in cell]
    if not found:
        raise SeqmatchError(
            f"{args.folder}/results: no cell of this experiment has all its accuracies yet; run it first"
        )
    accuracies = load_tables([args.folder / path for path in found], Accuracy)
    with chdir(args.folder):  # where images are that have to be counted
        table = gains(plan, accuracies)
    inputs = {path: digest(args.folder / path) for path in found}
    if args.csv.exists():
        table, inputs = joined(plan, table, inputs, args.csv)
    page = MARK.join([before, f"\n{markdown(body(table))}\n", after])
    pages.write(args, table, inputs, gains_figure(table), page)
    print(f"{len(table[CELL].drop_duplicates())} of {len(plan.experiment.config.cells)} cells are done")


def cells(plan: Plan) -> Iterator[list[str]]:
    """The accuracies that each cell of the experiment has at the end."""
    for cell in plan.experiment.config.cells:
        own = {"dataset": cell.dataset, "ipc": str(cell.ipc)}
        yield plan.outputs("evaluate", lambda wildcards, own=own: own.items() <= wildcards.items())


def gains(plan: Plan, accuracies: pd.DataFrame) -> pd.DataFrame:
    """`comparison_table` of methods of several subsets with those of one, of as many images and of as much work.

    Returns:
        The same with `equal` (ipc or compute).
    """
    experiment = plan.experiment
    there = set(accuracies[CELL].itertuples(index=False, name=None))
    alike = {contrast: equal for contrast in contrasts(experiment) if (equal := equal_in(experiment, *contrast))}
    asked = [contrast for contrast in alike if contrast[:2] in there]
    scale = Scale(experiment, networks.count_operations)
    runs = [run for run in experiment.runs.values() if (run.dataset, str(run.ipc)) in there]
    counted = pd.DataFrame(
        [(run.dataset, str(run.ipc), run.method, plan.own_operations(scale, run)) for run in runs],
        columns=[*CELL, "method", "own_gflop"],
    )
    table = comparison_table(accuracies, asked, counted)
    return table.assign(equal=[alike[contrast] for contrast in asked])


def equal_in(experiment, dataset: str, ipc: str, method: str, baseline: str) -> str | None:
    """What a method of several subsets and one of a single subset have alike; None where that is neither."""
    entries = {(cell.dataset, str(cell.ipc)): cell.methods for cell in experiment.config.cells}[dataset, ipc]
    entry = entries[baseline]
    as_much_as = entry and entry.equal_compute
    if as_much_as is None:
        return "ipc"
    subsets = [experiment.runs[dataset, name, ipc].subsets for name in (method, as_much_as)]
    return "compute" if len(set(subsets)) == 1 else None


def joined(
    plan: Plan, table: pd.DataFrame, inputs: dict[str, str], earlier: Path
) -> tuple[pd.DataFrame, dict[str, str]]:
    """These rows and what they were made from, with those of an earlier table where a cell has none."""
    before, made_from = load_table(earlier), load_table_header(earlier)["inputs"]
    new = set(table[CELL].itertuples(index=False, name=None))
    kept = before[[cell not in new for cell in before[CELL].itertuples(index=False, name=None)]]
    order = {(cell.dataset, str(cell.ipc)): place for place, cell in enumerate(plan.experiment.config.cells)}
    both = pd.concat([kept, table], ignore_index=True)
    places = both[CELL].apply(tuple, axis=1).map(order)
    both = both.loc[places.sort_values(kind="stable").index].reset_index(drop=True)
    of_kept = {path for cell in cells(plan) for path in cell} - set(inputs)
    return adjusted(both), {path: found for path, found in made_from.items() if path in of_kept} | inputs


def body(table: pd.DataFrame) -> pd.DataFrame:
    """The table as people read it."""
    columns = {"cell": cell_names(table), "method": method_names(table), "equal": table["equal"]} | tests(table)
    compute = [f"{ratio:.2f}" for ratio in table["compute"]]
    return pd.DataFrame(columns | {"compute": compute}).drop(columns=["p", "of", "pairs"])


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    pages.add_arguments(arguments, "study")
    command.run(main, arguments)
