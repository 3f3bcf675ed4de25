"""Split the real training images of each run in hard and easy ones by k-means on their losses.

Writes one row a run, network, moment and kind: share of the images and their mean loss.
"""

from pathlib import Path

import command
import pandas as pd

from seqmatch.difficulty import difficulty_table
from seqmatch.store import load_arrays, provenance, save_table

RANDOM_STATE = 0


def main(args):
    tables = []
    for path in args.losses:
        record, header = load_arrays(path, ("losses", "epochs", "stages"))
        run = {name: header["parameters"][name] for name in ("dataset", "method", "ipc", "seed")}
        table = difficulty_table(**record, random_state=RANDOM_STATE)
        tables.append(pd.DataFrame([run] * len(table)).join(table))
    save_table(
        args.out,
        pd.concat(tables, ignore_index=True).round(6),
        provenance(command.parameters(args), args.losses),
    )


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument("losses", type=Path, nargs="+", help="files that record_losses.py wrote")
    arguments.add_argument("--out", type=Path, required=True, help="table to write (.csv)")
    command.run(main, arguments)
