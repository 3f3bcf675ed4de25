"""Put the accuracies of all runs into one tidy table, one row a trained network."""

from pathlib import Path

import command
import pandas as pd

from seqmatch.store import provenance, save_table


def main(args):
    table = pd.concat([pd.read_csv(path, dtype={"ipc": str}) for path in args.tables], ignore_index=True)
    save_table(args.out, table, provenance(command.parameters(args), args.tables))


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument("tables", type=Path, nargs="+", help="tables that evaluate.py wrote")
    arguments.add_argument("--out", type=Path, required=True, help="table to write (.csv)")
    command.run(main, arguments)
