"""Published numbers of the cells that ran, each with its source, beside this run's.

Writes a tidy CSV, and Markdown, LaTeX and HTML made from it; accuracies in percent.
"""

import pandas as pd
from shared import command, table_formats

from seqmatch.files.kinds import ArchitectureRow, MethodRow
from seqmatch.files.store import load_table, provenance
from seqmatch.report.published import beside_architectures, beside_methods, read_published
from seqmatch.report.tables.published import published_sheets


def main(args):
    published = read_published(args.published)
    data, networks = args.published_data, args.published_architectures
    tables = [beside_methods(load_table(path, MethodRow), published, data, networks) for path in args.method_tables]
    tables += [
        beside_architectures(load_table(path, ArchitectureRow), published, data, networks)
        for path in args.architecture_tables
    ]
    table = pd.concat(tables).drop_duplicates()
    header = provenance(command.parameters(args), [*args.method_tables, *args.architecture_tables, args.published])
    table_formats.write(args.csv, table, header, published_sheets(table))


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument(
        "--method-tables", type=command.path, nargs="*", default=[], help="tables that table1.py wrote"
    )
    arguments.add_argument(
        "--architecture-tables", type=command.path, nargs="*", default=[], help="tables that table2.py wrote"
    )
    table_formats.add_published(arguments)
    table_formats.add_csv(arguments)
    command.run(main, arguments)
