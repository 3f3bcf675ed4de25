"""Print how far an experiment is: `seqmatch status`, from a clone that is not installed."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from shared import command

from seqmatch.command import status

if __name__ == "__main__":
    arguments = command.parser(status.__doc__)
    status.add_arguments(arguments)
    command.run(status.main, arguments)
