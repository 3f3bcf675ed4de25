"""Compare methods pair by pair of networks: sequential ones with their backbones, others with what they are against.

Writes a tidy CSV, and Markdown, LaTeX and HTML made from it; differences in points of accuracy.
"""

from shared import command, table_formats

from seqmatch.config.sections import Name
from seqmatch.files.kinds import Accuracy, Ipc, Operations
from seqmatch.files.store import load_table, load_tables, provenance
from seqmatch.report.tables.comparison import comparison_sheets, comparison_table


def main(args):
    operations = load_table(args.operations, Operations) if args.operations else None
    table = comparison_table(load_tables(args.accuracies, Accuracy), args.contrasts, operations)
    inputs = [*args.accuracies, *filter(None, [args.operations])]
    table_formats.write(args.csv, table, provenance(command.parameters(args), inputs), comparison_sheets(table))


def contrasts(text):
    """What is compared, from JSON."""
    kind = list[tuple[Name, Ipc, Name, Name]]
    return command.validated(kind, command.json_value(text), "lists of data set, ipc, method, baseline")


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument("accuracies", type=command.path, nargs="+", help="tables that evaluate.py wrote")
    arguments.add_argument(
        "--contrasts", type=contrasts, required=True, metavar="JSON", help="lists of data set, ipc, method, baseline"
    )
    arguments.add_argument("--operations", type=command.path, help="table that count_operations.py wrote")
    table_formats.add_csv(arguments)
    command.run(main, arguments)
