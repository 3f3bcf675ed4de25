"""Table 4: the hyperparameters of every stage, as the configuration resolves them. Needs no results.

Writes a tidy CSV, and Markdown, LaTeX and HTML made from it.
"""

from shared import command, table_formats

from seqmatch import config
from seqmatch.files.store import provenance
from seqmatch.report.tables.settings import settings_sheets, settings_table


def main(args):
    table = settings_table(config.runs(args.configuration).values())
    table_formats.write(args, table, provenance(command.parameters(args)), settings_sheets(table))


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    command.add_section(arguments, "configuration", config.Config, help="what the configuration sets")
    table_formats.add_forms(arguments)
    command.run(main, arguments)
