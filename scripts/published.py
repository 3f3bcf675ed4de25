"""Published numbers of the cells that ran, each with its source, beside this run's.

Writes a tidy CSV, and Markdown, LaTeX and HTML made from it; accuracies in percent.
"""

from pathlib import Path

import pandas as pd
from shared import command, table_formats

from seqmatch.files.store import load_table, provenance
from seqmatch.report.published import beside_architectures, beside_methods, read_published
from seqmatch.report.tables.published import published_sheets


def main(args):
    published = read_published(args.published)
    tables = [beside_methods(load_table(path), published, args.sources) for path in args.methods]
    tables += [
        beside_architectures(load_table(path), published, args.sources, args.networks) for path in args.architectures
    ]
    table = pd.concat(tables).drop_duplicates()
    header = provenance(command.parameters(args), [*args.methods, *args.architectures, args.published])
    table_formats.write(args, table, header, published_sheets(table))


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument("--methods", type=Path, nargs="*", default=[], help="tables that table1.py wrote")
    arguments.add_argument("--architectures", type=Path, nargs="*", default=[], help="tables that table2.py wrote")
    table_formats.add_published(arguments)
    table_formats.add_networks(arguments)
    table_formats.add_forms(arguments)
    command.run(main, arguments)
