"""Compare every method with random images under its own evaluation and step sizes, and with all real data.

Writes a tidy CSV, and Markdown, LaTeX and HTML made from it: improvement over random (IOR) and hard-label recovery
(HLR), in points of accuracy.
"""

from shared import command, table_formats

from seqmatch.files.kinds import Accuracy, BaselineAccuracy
from seqmatch.files.store import load_tables, provenance
from seqmatch.report.tables.fair import fair_sheets, fair_table


def main(args):
    baselines = load_tables(args.baselines, BaselineAccuracy)
    table = fair_table(load_tables(args.accuracies, Accuracy), baselines, args.methods)
    header = provenance(command.parameters(args), [*args.accuracies, *args.baselines])
    table_formats.write(args.csv, table, header, fair_sheets(table))


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument("accuracies", type=command.path, nargs="+", help="tables that evaluate.py wrote")
    arguments.add_argument(
        "--baselines", type=command.path, nargs="+", required=True, help="tables that evaluate_baselines.py wrote"
    )
    arguments.add_argument("--methods", type=command.name, nargs="+", required=True, help="method names, top to bottom")
    table_formats.add_csv(arguments)
    command.run(main, arguments)
