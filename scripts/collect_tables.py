"""Put tables with the same columns one below the other, such as a measurement of every run.

Writes one tidy table with all of their rows.
"""

import pandas as pd
from shared import command

from seqmatch.errors import SeqmatchError
from seqmatch.files.kinds import COLLECTED
from seqmatch.files.schema import check_table
from seqmatch.files.store import load_table, provenance, save_table


def main(args):
    tables = [load_table(path) for path in args.tables]
    row = kind_of(tables[0], args.tables[0])
    for path, table in zip(args.tables, tables, strict=True):
        if list(table.columns) != list(tables[0].columns):
            raise SeqmatchError(f"{path}: its columns are not those of {args.tables[0]}")
        check_table(path, table, row)
    save_table(args.out, pd.concat(tables, ignore_index=True), provenance(command.parameters(args), args.tables))


def kind_of(table, path):
    """What the rows of a table must be, by its columns."""
    for row in COLLECTED:
        if set(row.model_fields) == set(table.columns):
            return row
    raise SeqmatchError(f"{path}: none of the tables that are collected: {', '.join(row.about for row in COLLECTED)}")


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument("tables", type=command.path, nargs="+", help="tables of one kind")
    arguments.add_argument("--out", type=command.table_file, required=True, help="table to write (.csv)")
    command.run(main, arguments)
