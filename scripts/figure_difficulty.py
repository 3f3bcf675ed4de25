"""Draw the losses of easy and hard real training images against epochs, a panel a method (Fig. 1 of the paper)."""

from pathlib import Path

import command
import pandas as pd

from seqmatch.errors import SeqmatchError
from seqmatch.figures import difficulty_figure, save


def main(args):
    table = pd.read_csv(args.difficulty, dtype={"ipc": str})
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
