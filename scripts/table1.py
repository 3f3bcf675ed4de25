"""Table 1: every method by data set and images per class, on the network that was matched.

Writes a tidy CSV, another one with published numbers beside this run's, and a Markdown table made from both;
accuracies in percent.
"""

import argparse
import json
from pathlib import Path

import command

from seqmatch.html import page
from seqmatch.published import beside, markdown_beside, read_published
from seqmatch.store import provenance, save_table, save_text
from seqmatch.tables import markdown1, read_accuracies, table1

TITLE = "Table 1: test accuracy in percent, by data set and images per class (ipc)"


def main(args):
    table = table1(read_accuracies(args.accuracies), args.methods)
    compared = beside(table, read_published(args.published), args.sources)
    header = provenance(command.parameters(args), [*args.accuracies, args.published])
    save_table(args.csv, table.round(4), header)
    save_table(args.compared, compared.round(4), header)
    save_text(args.markdown, markdown1(table) + markdown_beside(compared))
    save_text(args.html, page(table, TITLE))
    save_text(args.compared_html, page(compared, "Published numbers beside this run's"))


def sources(text):
    """Data set to source, from JSON."""
    found = json.loads(text)
    if not isinstance(found, dict):
        raise argparse.ArgumentTypeError("expected an object, such as {}")
    return found


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument("accuracies", type=Path, nargs="+", help="tables that evaluate.py wrote")
    arguments.add_argument("--methods", nargs="+", required=True, help="method names, top to bottom")
    arguments.add_argument("--published", type=Path, required=True, help="list of published numbers")
    arguments.add_argument(
        "--sources", type=sources, default={}, metavar="JSON", help="published data set that each of the run's holds"
    )
    arguments.add_argument("--compared", type=Path, required=True, help="table of published and own numbers to write")
    arguments.add_argument("--csv", type=Path, required=True, help="table to write")
    arguments.add_argument("--markdown", type=Path, required=True, help="its Markdown form")
    arguments.add_argument("--html", type=Path, required=True, help="its form for the report")
    arguments.add_argument("--compared-html", type=Path, required=True, help="the same of --compared")
    command.run(main, arguments)
