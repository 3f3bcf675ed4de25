"""Measure the coupling of a synthetic set: split it by how strongly matching moves each image, train on the halves.

Writes one row a half (larger, smaller) and network: the half's images, their mean amplification, and the accuracy in
percent, on test data, of a network trained on the half alone.
"""

from functools import partial
from pathlib import Path

from shared import command, compute

from seqmatch import config
from seqmatch.analysis.coupling import measure_coupling
from seqmatch.data.dataset import load
from seqmatch.files.store import provenance, save_table
from seqmatch.networks import activations, build
from seqmatch.runtime.budget import chunk_size
from seqmatch.runtime.device import prepare
from seqmatch.seeds import Seed
from seqmatch.synthetic.curriculum import make_curriculum
from seqmatch.synthetic.subset import load_subset
from seqmatch.training.loop import images_seen, make_phases


def main(args):
    device = prepare(args.gpu, args.threads)
    header = provenance(command.parameters(args), [args.data, *args.subsets], device.type)
    checkpoint = compute.open_checkpoint(args, header)
    dataset = load(args.data)
    subsets = [load_subset(path).to(device) for path in args.subsets]
    seed = Seed("coupling", args.dataset, args.method, args.ipc, args.seed)
    seen = images_seen(make_phases(make_curriculum(subsets, args.evaluation), args.evaluation, seed))
    table = measure_coupling(
        subsets,
        dataset.split("test", device),
        partial(build, args.network, dataset.shape, dataset.classes, device=device),
        args.evaluation,
        args.coupling,
        dataset.augmentation,
        seed,
        chunk_size(
            sum(len(subset.decoded()[1]) for subset in subsets),
            activations(args.network, dataset.shape, dataset.classes),
            device,
        ),
        compute.gradients(args, dataset, 2 * args.coupling.networks * seen, device),
        checkpoint,
    )
    save_table(args.out, compute.of_run(args, table).round({"amplification": 6, "accuracy": 4}), header)
    checkpoint.remove()


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    compute.add_synthetic_set(arguments)
    command.add_section(arguments, "coupling", config.Coupling, "how much to measure")
    arguments.add_argument("--out", type=Path, required=True, help="table to write (.csv)")
    compute.add_arguments(arguments)
    command.run(main, arguments)
