"""Draw the losses of easy and hard real training images against epochs, a panel a method (Fig. 1 of the paper)."""

from pathlib import Path

import command

from seqmatch.errors import SeqmatchError
from seqmatch.figures.difficulty import difficulty_figure
from seqmatch.figures.style import save
from seqmatch.store import load_table


def main(args):
    table = load_table(args.difficulty)
    rows = table[(table["dataset"] == args.dataset) & (table["ipc"] == args.ipc)]
    if rows.empty:
        raise SeqmatchError(f"{args.difficulty}: no rows for {args.dataset} at ipc {args.ipc}")
    save(difficulty_figure(rows), args.out)


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument("difficulty", type=Path, help="table that cluster_difficulty.py wrote")
    arguments.add_argument("--dataset", required=True, help="name of the data set")
    arguments.add_argument("--ipc", required=True, help="images per class")
    arguments.add_argument("--out", type=Path, nargs="+", required=True, help="figures to write (.pdf, .png)")
    command.run(main, arguments)
