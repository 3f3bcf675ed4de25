"""Collect the course of distillation: matching loss, step size and validation accuracy against iterations.

Losses and step sizes are means over windows of iterations (at most 50 per subset), so that the table stays small.
Writes one row per run, subset, quantity and point.
"""

import pandas as pd
from shared import command, runs

from seqmatch.analysis.convergence import convergence_table
from seqmatch.errors import SeqmatchError
from seqmatch.files.kinds import COURSE, Scores
from seqmatch.files.store import load_arrays, load_table, provenance, save_table


def main(args):
    if len(args.snapshots) != len(args.score_tables):
        raise SeqmatchError(
            f"{len(args.snapshots)} files of snapshots, but {len(args.score_tables)} of scores: one for each"
        )
    tables = []
    for snapshots, scores in zip(args.snapshots, args.score_tables, strict=True):
        arrays, header = load_arrays(snapshots, COURSE)
        table = convergence_table(arrays["matching_losses"], arrays["step_size_course"], load_table(scores, Scores))
        tables.append(runs.add_run(runs.run_of(header["parameters"], "subset"), table))
    header = provenance(command.parameters(args), [*args.snapshots, *args.score_tables])
    save_table(args.out, pd.concat(tables, ignore_index=True).round(8), header)


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument("snapshots", type=command.path, nargs="+", help="files that distill_subset.py wrote")
    arguments.add_argument(
        "--score-tables", type=command.path, nargs="+", required=True, help="their scores, in the same order"
    )
    arguments.add_argument("--out", type=command.table_file, required=True, help="table to write (.csv)")
    command.run(main, arguments)
