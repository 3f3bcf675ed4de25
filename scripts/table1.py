"""Table 1: every method by data set and images per class, on the network that was matched.

Writes a tidy CSV and a Markdown table made from it; accuracies in percent.
"""

from pathlib import Path

import command
import pandas as pd

from seqmatch.store import provenance, save_table, save_text
from seqmatch.tables import markdown1, table1


def main(args):
    table = table1(pd.read_csv(args.accuracy, dtype={"ipc": str}), args.methods)
    save_table(args.csv, table.round(4), provenance(command.parameters(args), [args.accuracy]))
    save_text(args.markdown, markdown1(table))


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument("accuracy", type=Path, help="table that collect_accuracy.py wrote")
    arguments.add_argument("--methods", nargs="+", required=True, help="method names, top to bottom")
    arguments.add_argument("--csv", type=Path, required=True, help="table to write")
    arguments.add_argument("--markdown", type=Path, required=True, help="its Markdown form")
    command.run(main, arguments)
