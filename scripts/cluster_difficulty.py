"""Split the real training images of each run in hard and easy ones by k-means on their losses.

The split is made once a run, on losses averaged over its networks. Writes one row a run, network, moment and kind:
share of the images and their mean loss; and one row a run, moment and bin of images of near-equal loss, the hardest
first.
"""

from pathlib import Path

import command
import pandas as pd

from seqmatch.difficulty import binned_losses, difficulty_table, hard_instances
from seqmatch.store import load_arrays, provenance, save_table

RANDOM_STATE = 0


def main(args):
    kinds, bins = [], []
    for path in args.losses:
        record, header = load_arrays(path, ("losses", "epochs", "stages"))
        run = {name: header["parameters"][name] for name in ("dataset", "method", "ipc", "seed")}
        hard = hard_instances(record["losses"].mean(0), RANDOM_STATE)
        for tables, make in ((kinds, difficulty_table), (bins, binned_losses)):
            table = make(**record, hard=hard)
            tables.append(pd.DataFrame([run] * len(table)).join(table))
    header = provenance(command.parameters(args), args.losses)
    for path, tables in ((args.out, kinds), (args.bins, bins)):
        save_table(path, pd.concat(tables, ignore_index=True).round(6), header)


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument("losses", type=Path, nargs="+", help="files that record_losses.py wrote")
    arguments.add_argument("--out", type=Path, required=True, help="table of both kinds to write (.csv)")
    arguments.add_argument("--bins", type=Path, required=True, help="table of all images, in bins, to write (.csv)")
    command.run(main, arguments)
