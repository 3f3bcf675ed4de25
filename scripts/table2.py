"""Table 2: how the synthetic sets do on other architectures than the one they were distilled with.

Writes a tidy CSV, and Markdown, LaTeX and HTML made from it, with published numbers beside this run's; accuracies in
percent.
"""

from shared import command, table_formats

from seqmatch.files.kinds import Accuracy
from seqmatch.files.store import load_tables, provenance
from seqmatch.report.published import beside_architectures, read_published
from seqmatch.report.tables.architectures import architectures_sheets, architectures_table


def main(args):
    table = architectures_table(load_tables(args.accuracies, Accuracy), args.methods)
    compared = beside_architectures(
        table, read_published(args.published), args.published_data, args.published_architectures
    )
    header = provenance(command.parameters(args), [*args.accuracies, args.published])
    table_formats.write(args.csv, table, header, architectures_sheets(table, compared))


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument("accuracies", type=command.path, nargs="+", help="tables that evaluate.py wrote")
    arguments.add_argument("--methods", type=command.name, nargs="+", required=True, help="method names, top to bottom")
    table_formats.add_published(arguments)
    table_formats.add_csv(arguments)
    command.run(main, arguments)
