"""Measure the coupling of a synthetic set: split it by how strongly matching moves each image, train on the halves.

Writes one row per half (larger, smaller) and network: the half's images, their mean amplification, and the accuracy in
percent, on test data, of a network trained on the half alone.
"""

from shared import command, compute, runs

from seqmatch import config
from seqmatch.analysis.coupling import measure_coupling
from seqmatch.files.store import save_table
from seqmatch.networks import activations
from seqmatch.runtime.budget import chunk_size
from seqmatch.seeds import Seed
from seqmatch.synthetic.subset import load_subset


def main(args):
    with compute.job(args, args.subsets) as job:
        subsets = [load_subset(path, job.dataset.dimensions).to(job.device) for path in args.subsets]
        images = sum(subset.seen for subset in subsets)
        chunk = chunk_size(images, activations(args.architecture, job.dataset.shape, job.dataset.classes), job.device)
        test = job.dataset.split("test", job.device)
        seed = Seed("coupling", args.dataset, args.method, args.ipc, args.seed)
        table = measure_coupling(subsets, test, compute.learner(args, job), args.coupling, chunk, seed)
        table = runs.add_run(runs.run_of(vars(args)), table).round({"amplification": 6, "accuracy": 4})
        save_table(args.out, table, job.header)


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    compute.add_synthetic_set(arguments)
    command.add_section(arguments, "coupling", config.Coupling, help="how much to measure")
    arguments.add_argument("--out", type=command.table_file, required=True, help="table to write (.csv)")
    compute.add_arguments(arguments)
    command.run(main, arguments)
