"""Compare the first subsets of sequential sets with sets that were made directly at their size.

Writes a tidy CSV, and Markdown, LaTeX and HTML made from it; differences in points of accuracy.
"""

from shared import command, table_formats

from seqmatch.config.sections import Count, Name
from seqmatch.files.kinds import Accuracy, Ipc, StageAccuracy
from seqmatch.files.store import load_tables, provenance
from seqmatch.report.tables.prefixes import prefixes_sheets, prefixes_table


def main(args):
    stages = load_tables([args.stages], StageAccuracy)
    table = prefixes_table(stages, load_tables(args.accuracies, Accuracy), args.prefixes)
    header = provenance(command.parameters(args), [args.stages, *args.accuracies])
    table_formats.write(args.csv, table, header, prefixes_sheets(table))


def prefixes(text):
    """What is compared, from JSON."""
    kind = list[tuple[Name, Ipc, Name, Count, Count, Name]]
    return command.validated(
        kind, command.json_value(text), "lists of data set, ipc, method, number of subsets, their ipc, baseline"
    )


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument("stages", type=command.path, help="table of accuracies by stage")
    arguments.add_argument(
        "--accuracies", type=command.path, nargs="+", required=True, help="tables that evaluate.py wrote"
    )
    arguments.add_argument(
        "--prefixes",
        type=prefixes,
        required=True,
        metavar="JSON",
        help="lists of data set, ipc, method, number of subsets, their ipc, baseline",
    )
    table_formats.add_csv(arguments)
    command.run(main, arguments)
