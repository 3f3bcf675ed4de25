"""Count the operations of one seed of each method of an experiment, from its experts to its evaluation.

Nothing is run: they are counted from the configuration. Writes one row per method in a cell; none where the images of a
folder, whose number and size decide, are no longer there.
"""

import sys

import pandas as pd
from shared import command

from seqmatch import config, networks
from seqmatch.files.kinds import Operations
from seqmatch.files.store import provenance, save_table
from seqmatch.planning.costs import Scale
from seqmatch.planning.jobs import Plan
from seqmatch.planning.sizes import size_of

GIGA = 1e9


def main(args):
    plan = Plan(config.load(args.configuration))
    scale = Scale(plan.experiment, networks.count_operations)
    runs, datasets = plan.experiment.runs.values(), plan.experiment.config.datasets
    gone = {run.dataset for run in runs if size_of(datasets[run.dataset]).train == 0}
    for name in sorted(gone):
        print(f"warning: the images of {name} are not there, so that its operations are not counted", file=sys.stderr)
    rows = [
        {
            "dataset": run.dataset,
            "ipc": str(run.ipc),
            "method": run.method,
            "gflop": plan.operations(scale, run) / GIGA,
            "own_gflop": plan.own_operations(scale, run) / GIGA,
        }
        for run in runs
        if run.dataset not in gone
    ]
    save_table(args.out, pd.DataFrame(rows, columns=Operations.required()), provenance(command.parameters(args)))


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    command.add_configuration(arguments)
    arguments.add_argument("--out", type=command.table_file, required=True, help="table to write (.csv)")
    command.run(main, arguments)
