"""What the commands that draw a figure from a table share: a whole command but for the drawing itself."""

from collections.abc import Callable, Sequence

import pandas as pd
from matplotlib.figure import Figure
from shared import command

from seqmatch.errors import SeqmatchError
from seqmatch.files.schema import Row
from seqmatch.files.store import load_table, provenance, save_table
from seqmatch.report.figures.style import save


def run(
    description: str,
    draw: Callable[[pd.DataFrame], Figure],
    row: type[Row],
    of_one: Sequence[str] = ("dataset", "ipc"),
) -> None:
    """A command that draws some rows of a table, and writes them beside the figure: from there it can be redrawn.

    Args:
        of_one: columns in which all rows that are drawn have one value.
    """
    arguments = command.parser(description)
    arguments.add_argument("table", type=command.path, help="table to draw, such as the one beside a figure (.csv)")
    arguments.add_argument("--dataset", type=command.name, help="of a larger table, only the rows of this data set")
    arguments.add_argument(
        "--ipc",
        type=command.images_per_class,
        metavar="N",
        help="of a larger table, only the rows of so many images per class",
    )
    arguments.add_argument(
        "--out",
        type=command.figure_file,
        nargs="+",
        required=True,
        help="figures (.pdf, .png) and table of its rows (.csv) to write",
    )

    def main(args) -> None:
        rows = load_table(args.table, row)
        wanted = {name: value for name, value in (("dataset", args.dataset), ("ipc", args.ipc)) if value is not None}
        for name, value in wanted.items():
            if name not in rows:
                raise SeqmatchError(f"{args.table}: has no column {name} to choose {value} from")
            rows = rows[rows[name] == value]
        if rows.empty:
            raise SeqmatchError(
                f"{args.table}: no rows{''.join(f', {name} {value}' for name, value in wanted.items())}"
            )
        for name in of_one:
            if rows[name].nunique() > 1:
                found = ", ".join(rows[name].unique())
                raise SeqmatchError(f"{args.table}: has rows of several ({name}: {found}); choose one with --{name}")
        save(draw(rows), [path for path in args.out if path.suffix != ".csv"])
        for path in args.out:
            if path.suffix == ".csv":
                save_table(path, rows, provenance(command.parameters(args), [args.table]))

    command.run(main, arguments)
