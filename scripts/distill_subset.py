"""Distil subset k of a synthetic set, with the subsets before it frozen; write snapshots along the way.

Starts from real training images. The state is saved in the checkpoint folder every few minutes, and
the same command takes it up again.
"""

from contextlib import nullcontext
from functools import partial
from pathlib import Path

import command
import compute
import torch
from torch.nn.utils import vector_to_parameters

from seqmatch import config
from seqmatch.coresets import CHOICES, coreset_order, embed, random_order
from seqmatch.data.dataset import load
from seqmatch.device import prepare
from seqmatch.distillation import distill
from seqmatch.errors import SeqmatchError
from seqmatch.experts import Trajectories
from seqmatch.matching.choice import best_match
from seqmatch.networks import activations, build, structure
from seqmatch.objectives.distribution import distribution_step
from seqmatch.objectives.gradient import gradient_step
from seqmatch.objectives.trajectory import student_batch, trajectory_step
from seqmatch.seeds import Seed
from seqmatch.sequence import initial_subset, load_subset
from seqmatch.snapshots import save_snapshots
from seqmatch.store import provenance


def main(args):
    if not 1 <= args.subset <= args.subsets <= args.ipc:
        raise SeqmatchError(f"--subset {args.subset} of --subsets {args.subsets} at --ipc {args.ipc}: not possible")
    if len(args.prefix) != args.subset - 1:
        raise SeqmatchError(f"--prefix: {len(args.prefix)} files; subset {args.subset} needs {args.subset - 1}")
    if config.uses_experts(args.settings) and not args.experts:
        raise SeqmatchError("--experts: missing; only with 0 iterations from random images there is nothing to match")
    device = prepare(args.gpu, args.threads)
    header = provenance(command.parameters(args), [args.data, *args.prefix, *args.experts], device.type)
    checkpoint = compute.open_checkpoint(args, header)
    dataset = load(args.data)
    settings = args.settings
    real = dataset.split("train")
    if settings.initial == "random":
        order = random_order(Seed("initial images", args.dataset, args.seed))
    else:
        features = embed(expert(args, dataset, device), real[0].to(device))
        order = coreset_order(CHOICES[settings.initial], features, args.ipc)
    try:
        initial = initial_subset(*real, args.ipc, args.subsets, args.subset, settings.initial_step_size, order)
    except ValueError as error:
        raise SeqmatchError(f"{args.dataset}: {error}") from None
    prefix = [load_subset(path) for path in args.prefix]
    with Trajectories(args.experts) if args.experts else nullcontext() as trajectories:
        step = make_step(args, dataset, real, initial, prefix, trajectories, device) if settings.iterations else None
        snapshots = distill(initial, prefix, step, settings, checkpoint, device)
    save_snapshots(args.out, snapshots, header)
    checkpoint.remove()


def make_step(args, dataset, real, initial, prefix, trajectories, device):
    """What this subset matches."""
    settings = args.settings
    seed = Seed("distill", args.dataset, args.method, args.ipc, args.seed, args.subset)
    labels = torch.cat([subset.labels for subset in (*prefix, initial)]).to(device)
    augmentation = dataset.augmentation if settings.augment_matching else ()
    if settings.objective != "trajectory":
        new_network = partial(build, args.network, dataset.shape, dataset.classes, device=device)
        make = {"gradient": gradient_step, "distribution": distribution_step}[settings.objective]
        return make(tuple(tensor.to(device) for tensor in real), new_network, labels, settings, augmentation, seed)
    network = structure(args.network, dataset.shape, dataset.classes)
    match_trajectory = best_match(
        network,
        args.compile,
        activations(args.network, dataset.shape, dataset.classes),
        student_batch(initial, settings),
        settings.synthetic_steps,
        settings.iterations * settings.experts_per_step,
        device,
    )
    return trajectory_step(
        trajectories,
        network,
        match_trajectory,
        labels,
        student_batch(initial, settings),
        settings,
        augmentation,
        seed,
    )


def expert(args, dataset, device):
    """The network whose eyes choose the real images: one expert at the end of its way."""
    network = build(args.network, dataset.shape, dataset.classes, Seed("expert"), device)
    with Trajectories(args.experts) as trajectories:
        number = args.seed % len(trajectories)
        vector_to_parameters(trajectories.parameters(number, trajectories.epochs).to(device), network.parameters())
    return network


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument("--data", type=Path, required=True, help="prepared data set")
    arguments.add_argument("--experts", type=Path, nargs="*", default=[], help="shards of experts of this stage")
    arguments.add_argument("--prefix", type=Path, nargs="*", default=[], help="subsets of the earlier stages, in order")
    command.add_section(arguments, "settings", config.Matching, "how this subset is distilled")
    command.add_section(arguments, "network", config.Network, "architecture of the experts")
    arguments.add_argument("--dataset", required=True, help="name of the data set")
    arguments.add_argument("--method", required=True, help="name of the method")
    arguments.add_argument("--ipc", type=int, required=True, help="images per class of the whole synthetic set")
    arguments.add_argument("--seed", type=int, required=True, help="distillation seed")
    arguments.add_argument("--subset", type=int, required=True, help="number of this subset, from 1")
    arguments.add_argument("--subsets", type=int, required=True, help="number of subsets (K)")
    arguments.add_argument("--out", type=Path, required=True, help="snapshots to write (.safetensors)")
    compute.add_arguments(arguments)
    command.run(main, arguments)
