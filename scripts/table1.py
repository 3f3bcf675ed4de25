"""Table 1: every method by data set and images per class, on the network that was matched.

Writes a tidy CSV and a Markdown table made from it; accuracies in percent.
"""

from pathlib import Path

import command

from seqmatch.store import provenance, save_table, save_text
from seqmatch.tables import markdown1, read_accuracies, table1


def main(args):
    table = table1(read_accuracies(args.accuracies), args.methods)
    save_table(args.csv, table.round(4), provenance(command.parameters(args), args.accuracies))
    save_text(args.markdown, markdown1(table))


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument("accuracies", type=Path, nargs="+", help="tables that evaluate.py wrote")
    arguments.add_argument("--methods", nargs="+", required=True, help="method names, top to bottom")
    arguments.add_argument("--csv", type=Path, required=True, help="table to write")
    arguments.add_argument("--markdown", type=Path, required=True, help="its Markdown form")
    command.run(main, arguments)
