"""Table 2: how the synthetic sets do on other architectures than the one they were distilled with.

Writes a tidy CSV and a Markdown table made from it; accuracies in percent.
"""

from pathlib import Path

import command

from seqmatch.html import page
from seqmatch.store import provenance, save_table, save_text
from seqmatch.tables import markdown2, read_accuracies, table2


def main(args):
    table = table2(read_accuracies(args.accuracies), args.methods)
    save_table(args.csv, table.round(4), provenance(command.parameters(args), args.accuracies))
    save_text(args.markdown, markdown2(table))
    save_text(args.html, page(table, "Table 2: test accuracy in percent on other architectures"))


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument("accuracies", type=Path, nargs="+", help="tables that evaluate.py wrote")
    arguments.add_argument("--methods", nargs="+", required=True, help="method names, top to bottom")
    arguments.add_argument("--csv", type=Path, required=True, help="table to write")
    arguments.add_argument("--markdown", type=Path, required=True, help="its Markdown form")
    arguments.add_argument("--html", type=Path, required=True, help="its form for the report")
    command.run(main, arguments)
