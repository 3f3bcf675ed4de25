"""Split the real training images of each run into hard and easy ones by k-means on their losses.

The split is made once per run, on losses averaged over its networks. Writes one row per run, network, moment and kind:
share of the images and their mean loss; and one row per run, moment and bin of images of near-equal loss, the hardest
first. A third table says how stable the split is: the adjusted Rand index of every two networks of a run, and of every
two seeds.
"""

import pandas as pd
from shared import command, runs, table_formats

from seqmatch.analysis.difficulty import agreement_table, binned_losses, difficulty_table, hard_instances
from seqmatch.files import finished
from seqmatch.files.kinds import LOSSES, RUN
from seqmatch.files.store import load_arrays, provenance, save_table
from seqmatch.report.tables.stability import stability_sheets

SEEDLESS = RUN[:-1]
"""What tells runs apart, but for their seeds."""


def main(args):
    finished.check(args.losses, [args.out, args.bins, args.csv])
    kinds, bins, agreements, splits = [], [], [], {}
    for path in args.losses:
        record, header = load_arrays(path, LOSSES)
        run = runs.run_of(header["parameters"])
        hard = hard_instances(record["losses"].mean(0))
        kinds.append(runs.add_run(run, difficulty_table(**record, hard=hard)))
        bins.append(runs.add_run(run, binned_losses(**record, hard=hard)))
        networks = {index: hard_instances(losses) for index, losses in enumerate(record["losses"])}
        agreements.append(runs.add_run(run | {"between": "networks"}, agreement_table(networks)))
        splits.setdefault(tuple(run[name] for name in SEEDLESS), {})[run["seed"]] = hard
    for names, seeds in splits.items():
        about = dict(zip(SEEDLESS, names, strict=True)) | {"between": "seeds"}
        agreements.append(runs.add_run(about, agreement_table(seeds)))
    header = provenance(command.parameters(args), args.losses)
    for path, tables in ((args.out, kinds), (args.bins, bins)):
        save_table(path, pd.concat(tables, ignore_index=True).round(6), header)
    columns = [*SEEDLESS, "between", "seed", "first", "second", "adjusted_rand_index"]
    stability = pd.concat(agreements, ignore_index=True)[columns].astype({"seed": "Int64"})
    table_formats.write(args.csv, stability, header, stability_sheets(stability))


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument("losses", type=command.path, nargs="+", help="files that record_losses.py wrote")
    arguments.add_argument("--out", type=command.table_file, required=True, help="table of both kinds to write (.csv)")
    arguments.add_argument(
        "--bins", type=command.table_file, required=True, help="table of all images, in bins, to write (.csv)"
    )
    table_formats.add_csv(arguments)
    command.run(main, arguments)
