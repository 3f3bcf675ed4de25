"""Count the operations of one seed of each method of an experiment, from its experts to its evaluation.

Nothing is run: they are counted from the configuration. Writes one row per method in a cell.
"""

import pandas as pd
from shared import command

from seqmatch import config, networks
from seqmatch.files.store import provenance, save_table
from seqmatch.planning.costs import Scale
from seqmatch.planning.jobs import Plan

GIGA = 1e9


def main(args):
    plan = Plan(config.load(args.configuration))
    scale = Scale(plan.experiment, networks.count_operations)
    rows = [
        {
            "dataset": run.dataset,
            "ipc": str(run.ipc),
            "method": run.method,
            "gflop": plan.operations(scale, run) / GIGA,
            "own_gflop": plan.own_operations(scale, run) / GIGA,
        }
        for run in plan.experiment.runs.values()
    ]
    save_table(args.out, pd.DataFrame(rows), provenance(command.parameters(args)))


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    command.add_configuration(arguments)
    arguments.add_argument("--out", type=command.table_file, required=True, help="table to write (.csv)")
    command.run(main, arguments)
