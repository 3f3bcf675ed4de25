"""The command `seqmatch`: distilled data sets, looked at, trained on, checked, passed on; and experiments."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

from seqmatch.command import arguments, compare, estimate, learning, sets, status
from seqmatch.command.frame import check_apart, errors_in_words, plain_streams, warnings_in_words


@dataclass(frozen=True)
class Command:
    """One of the command's own commands."""

    about: str
    """For people; the first line alone in the list of all."""
    add_arguments: Callable[[argparse.ArgumentParser], None]
    main: Callable[[argparse.Namespace], None]


COMMANDS = {
    "sets": Command(sets.listing.__doc__, lambda parser: None, sets.listing),
    "show": Command(sets.show.__doc__, sets.add_set, sets.show),
    "train": Command(learning.train.__doc__, learning.add_train, learning.train),
    "evaluate": Command(learning.evaluate.__doc__, learning.add_evaluate, learning.evaluate),
    "export": Command(sets.export.__doc__, sets.add_export, sets.export),
    "import": Command(sets.take_in.__doc__, sets.add_take_in, sets.take_in),
    "status": Command(status.__doc__, status.add_arguments, status.main),
    "estimate": Command(estimate.__doc__, estimate.add_arguments, estimate.main),
    "compare": Command(compare.__doc__, compare.add_arguments, compare.main),
}


def parser() -> argparse.ArgumentParser:
    """Of the whole command."""
    whole = arguments.parser(__doc__)
    whole.prog = "seqmatch"
    whole.epilog = "`seqmatch COMMAND --help` tells of one command."
    whole.add_argument("--version", action=_Version, nargs=0, help="show the version and end")
    commands = whole.add_subparsers(metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        text = "\n".join(line.removeprefix("    ") for line in command.about.strip().splitlines())
        one = commands.add_parser(
            name,
            help=text.splitlines()[0],
            description=text,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        command.add_arguments(one)
        one.set_defaults(main=command.main, parser=one)
    return whole


class _Version(argparse.Action):
    def __call__(self, parser, namespace, values, option_string=None):
        import seqmatch

        print(f"seqmatch {seqmatch.__version__}")
        parser.exit()


def main() -> None:
    """What the console calls."""
    with plain_streams():
        parsed = parser().parse_args()
        check_apart(parsed.parser, parsed)
        with warnings_in_words(), errors_in_words():
            parsed.main(parsed)
