"""Train networks through the subsets of a synthetic set and record the loss of every real training image.

The record holds float32 losses (networks, moments, images), and the epoch and stage of each moment.
"""

from dataclasses import asdict
from functools import partial
from pathlib import Path

from shared import command, compute

from seqmatch import config
from seqmatch.analysis.losses import record_losses
from seqmatch.data.dataset import load
from seqmatch.files.store import provenance
from seqmatch.files.tensors import save_tensors
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
    subsets = [load_subset(path) for path in args.subsets]
    curriculum = [stage.to(device) for stage in make_curriculum(subsets, args.evaluation)]
    seed = Seed("record losses", args.dataset, args.method, args.ipc, args.seed)
    gradients = compute.gradients(
        args, dataset, args.difficulty.networks * images_seen(make_phases(curriculum, args.evaluation, seed)), device
    )
    record = record_losses(
        curriculum,
        dataset.split("train", device),
        partial(build, args.network, dataset.shape, dataset.classes, device=device),
        args.evaluation,
        args.difficulty,
        dataset.augmentation,
        seed,
        gradients,
        checkpoint,
    )
    save_tensors(args.out, asdict(record), header)
    checkpoint.remove()


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    compute.add_synthetic_set(arguments)
    command.add_section(arguments, "difficulty", config.Difficulty, "how much to record")
    arguments.add_argument("--out", type=Path, required=True, help="losses to write (.safetensors)")
    compute.add_arguments(arguments)
    command.run(main, arguments)
