"""Compare what methods teach of hard and easy real training images: their mean losses when each stage ends.

Which images are hard is the same for all methods of a cell, and for each seed decided by the others. Writes one row per
run, stage and kind; none of a cell with a single seed.
"""

import pandas as pd
from shared import command, runs

from seqmatch.analysis.difficulty import common_difficulty, stage_ends
from seqmatch.files import finished
from seqmatch.files.kinds import LOSSES, CommonDifficulty
from seqmatch.files.store import load_arrays, provenance, save_table


def main(args):
    finished.check(args.losses, [args.out])
    cells = {}
    for path in args.losses:
        record, header = load_arrays(path, LOSSES)
        run = runs.run_of(header["parameters"])
        cell = cells.setdefault((run["dataset"], run["ipc"]), {})
        cell[run["method"], run["seed"]] = stage_ends(record["losses"], record["stages"])
    tables = [common_difficulty(ends).assign(dataset=dataset, ipc=ipc) for (dataset, ipc), ends in cells.items()]
    table = pd.concat(tables, ignore_index=True)[CommonDifficulty.required()]
    save_table(args.out, table.round(6), provenance(command.parameters(args), args.losses))


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument("losses", type=command.path, nargs="+", help="files that record_losses.py wrote")
    arguments.add_argument("--out", type=command.table_file, required=True, help="table to write (.csv)")
    command.run(main, arguments)
