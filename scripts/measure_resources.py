"""List what the jobs of a data set took: time, processor time, peak memory, and the size of the files they left.

Reads the benchmark files that Snakemake writes; of a job that was interrupted they hold the last attempt. Files that
are no longer there count as nothing. Writes one row per job.
"""

from pathlib import Path

import pandas as pd
from shared import command

from seqmatch.errors import SeqmatchError
from seqmatch.files.kinds import Benchmark
from seqmatch.files.schema import check_table
from seqmatch.files.store import provenance, save_table

MEGABYTE = 1e6
COLUMNS = {"s": "seconds", "cpu_time": "cpu_seconds", "max_rss": "memory_mib"}
"""Columns of a benchmark file that are kept, and how they are called here."""


def main(args):
    if len(args.job) != len(args.benchmarks):
        raise SeqmatchError(f"{len(args.benchmarks)} benchmark files, but {len(args.job)} jobs: one for each")
    rows = []
    for benchmark, (rule, *files) in zip(args.benchmarks, args.job, strict=True):
        took = measured(benchmark)
        rows.append(
            {"dataset": args.dataset, "rule": rule, "job": benchmark.with_suffix("").as_posix()}
            | took
            | {"disk_mb": sum(map(size, (beside(benchmark, name) for name in files))) / MEGABYTE}
        )
    save_table(args.out, pd.DataFrame(rows), provenance({"dataset": args.dataset}, args.benchmarks))


def beside(benchmark, name):
    """The path of a file in the folder of results that its benchmark file lies in, whatever comes before that."""
    before, _, _ = benchmark.as_posix().rpartition("results/benchmarks/")
    return Path(before + name)


def size(path):
    """Bytes of a file, and of the provenance beside a table; nothing where they are no longer there."""
    both = [path, path.with_suffix(".json")] if path.suffix == ".csv" else [path]
    return sum(each.stat().st_size for each in both if each.exists())


def measured(path):
    """Seconds and memory of a benchmark file's only row."""
    try:
        table = pd.read_csv(path, sep="\t", na_values=["-", "NA"])
    except ValueError as error:  # pandas' own errors are kinds of it
        raise SeqmatchError(f"{path}: not {Benchmark.about} ({error}); delete it and run again") from None
    check_table(path, table, Benchmark)
    if len(table) != 1:
        raise SeqmatchError(f"{path}: not {Benchmark.about}: {len(table)} rows; delete it and run again")
    return {name: float(table[column].iloc[0]) for column, name in COLUMNS.items()}


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument("--dataset", type=command.name, required=True, help="name of the data set")
    arguments.add_argument(
        "--job",
        type=command.words,
        nargs="+",
        action="append",
        required=True,
        metavar=("RULE", "FILE"),
        help="a job's rule, and the files that it wrote; once for each benchmark file, in the same order",
    )
    arguments.add_argument(
        "--benchmarks", type=command.path, nargs="+", required=True, help="a benchmark file for each job"
    )
    arguments.add_argument("--out", type=command.table_file, required=True, help="table to write (.csv)")
    command.run(main, arguments)
