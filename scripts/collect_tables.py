"""Put tables with the same columns one below the other, such as a measurement of every run.

Writes one tidy table with all of their rows.
"""

from pathlib import Path

import pandas as pd
from shared import command

from seqmatch.errors import SeqmatchError
from seqmatch.files.store import load_table, provenance, save_table


def main(args):
    tables = [load_table(path) for path in args.tables]
    for path, table in zip(args.tables, tables, strict=True):
        if list(table.columns) != list(tables[0].columns):
            raise SeqmatchError(f"{path}: its columns are not those of {args.tables[0]}")
    save_table(args.out, pd.concat(tables, ignore_index=True), provenance(command.parameters(args), args.tables))


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument("tables", type=Path, nargs="+", help="tables of one kind")
    arguments.add_argument("--out", type=Path, required=True, help="table to write (.csv)")
    command.run(main, arguments)
