"""Put the accuracies of all runs into one tidy table, one row a trained network."""

from pathlib import Path

from shared import command

from seqmatch.files.store import provenance, save_table
from seqmatch.report.tables.accuracy import read_accuracies


def main(args):
    save_table(args.out, read_accuracies(args.tables), provenance(command.parameters(args), args.tables))


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument("tables", type=Path, nargs="+", help="tables that evaluate.py wrote")
    arguments.add_argument("--out", type=Path, required=True, help="table to write (.csv)")
    command.run(main, arguments)
