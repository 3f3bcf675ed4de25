"""Print what an experiment will cost before it runs: `seqmatch estimate`, from a clone that is not installed."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from shared import command

from seqmatch.command import estimate

if __name__ == "__main__":
    arguments = command.parser(estimate.__doc__)
    estimate.add_arguments(arguments)
    command.run(estimate.main, arguments)
