"""Measure what each stage of a synthetic set adds: the test accuracy of networks after one stage, after two, and so on.

Writes one row a curriculum (union: stage k trains on S_1 … S_k; subset: on S_k alone), network and number of stages;
accuracy in percent. The networks of the curriculum that evaluation takes are those of evaluation.
"""

from functools import partial
from pathlib import Path
from typing import get_args

from shared import command, compute

from seqmatch import config
from seqmatch.analysis.stages import stage_accuracies
from seqmatch.data.dataset import load
from seqmatch.files.store import provenance, save_table
from seqmatch.networks import build
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
    kinds = get_args(config.Evaluation.model_fields["curriculum"].annotation)
    curricula = {
        kind: make_curriculum(subsets, args.evaluation.model_copy(update={"curriculum": kind})) for kind in kinds
    }
    seed = Seed("evaluate", args.dataset, args.ipc, args.seed, args.architecture)
    seen = sum(images_seen(make_phases(curriculum, args.evaluation, seed)) for curriculum in curricula.values())
    table = stage_accuracies(
        curricula,
        dataset.split("test", device),
        partial(build, args.network, dataset.shape, dataset.classes, device=device),
        args.evaluation,
        dataset.augmentation,
        seed,
        compute.gradients(args, dataset, args.evaluation.networks * seen, device),
        checkpoint,
    )
    save_table(args.out, compute.of_run(args, table).round({"accuracy": 4}), header)
    checkpoint.remove()


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    compute.add_synthetic_set(arguments)
    arguments.add_argument("--architecture", required=True, help="name of the architecture")
    arguments.add_argument("--out", type=Path, required=True, help="table to write (.csv)")
    compute.add_arguments(arguments)
    command.run(main, arguments)
