"""Table 4: the hyperparameters of every stage, as the configuration resolves them. Needs no results.

Writes a tidy CSV, and Markdown, LaTeX and HTML made from it.
"""

import command
import forms

from seqmatch import config
from seqmatch.store import provenance
from seqmatch.tables.settings import settings_sheets, settings_table


def main(args):
    table = settings_table(config.runs(args.configuration).values())
    forms.write(args, table, provenance(command.parameters(args)), settings_sheets(table))


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    command.add_section(arguments, "configuration", config.Config, "what the configuration sets")
    forms.add_forms(arguments)
    command.run(main, arguments)
