"""Put tables with the same columns one below the other, such as a measurement of every run.

Writes one tidy table with all of their rows.
"""

from shared import command

from seqmatch.errors import SeqmatchError
from seqmatch.files.kinds import COLLECTED
from seqmatch.files.store import load_table, load_tables, provenance, save_table


def main(args):
    first = args.tables[0]
    whole = load_tables(args.tables, kind_of(load_table(first), first))
    save_table(args.out, whole, provenance(command.parameters(args), args.tables))


def kind_of(table, path):
    """What the rows of a table must be, by its columns."""
    for row in COLLECTED:
        if set(row.required()) <= set(table.columns) <= set(row.model_fields):
            return row
    raise SeqmatchError(f"{path}: none of the tables that are collected: {', '.join(row.about for row in COLLECTED)}")


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument("tables", type=command.path, nargs="+", help="tables of one kind")
    arguments.add_argument("--out", type=command.table_file, required=True, help="table to write (.csv)")
    command.run(main, arguments)
