"""Tables 1 and 3: every method by data set and images per class, on the network that was matched.

Writes a tidy CSV, and Markdown, LaTeX and HTML made from it, with published numbers beside this run's; accuracies in
percent. In LaTeX, what follows the first table has a file of its own (…-further.tex). Table 3 is that of the ImageNet
subsets.
"""

from shared import command, table_formats

from seqmatch.files.kinds import Accuracy, Operations
from seqmatch.files.store import load_table, load_tables, provenance
from seqmatch.report.published import beside_methods, read_published
from seqmatch.report.tables.methods import methods_sheets, methods_table

TITLE = "Table {}: test accuracy in percent, mean ± standard deviation over networks"


def main(args):
    operations = load_table(args.operations, Operations) if args.operations else None
    table = methods_table(load_tables(args.accuracies, Accuracy), args.methods, operations)
    networks = args.published_architectures
    compared = beside_methods(table, read_published(args.published), args.published_data, networks)
    sheets = methods_sheets(table, compared, TITLE.format(args.number), networks)
    inputs = [*args.accuracies, *filter(None, [args.operations]), args.published]
    header = provenance(command.parameters(args), inputs)
    table_formats.write(args.csv, table, header, sheets, apart=True)


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument("accuracies", type=command.path, nargs="+", help="tables that evaluate.py wrote")
    arguments.add_argument("--number", type=command.count, choices=[1, 3], default=1, help="of the table, in its title")
    arguments.add_argument("--methods", type=command.name, nargs="+", required=True, help="method names, top to bottom")
    arguments.add_argument("--operations", type=command.path, help="table that count_operations.py wrote")
    table_formats.add_published(arguments)
    table_formats.add_csv(arguments)
    command.run(main, arguments)
