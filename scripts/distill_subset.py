"""Distil subset k of a synthetic set, with the subsets before it frozen; write snapshots along the way.

Starts from real training images. The state is saved in the checkpoint folder every few minutes, and
the same command takes it up again.
"""

from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from shared import command, compute

from seqmatch import config
from seqmatch.data.dataset import load
from seqmatch.data.normalization import Standardization
from seqmatch.distillation.condensation import condensation_step
from seqmatch.distillation.coresets import CHOICES, coreset_order, embed, random_order
from seqmatch.distillation.distribution import distribution_step
from seqmatch.distillation.gradient import gradient_step
from seqmatch.distillation.loop import distill
from seqmatch.distillation.soft_labels import mean_prediction
from seqmatch.distillation.trajectory import student_batch, trajectory_step
from seqmatch.errors import SeqmatchError
from seqmatch.files.store import provenance
from seqmatch.matching.dispatch import best_match, classes_at_once
from seqmatch.networks import activations, build, structure
from seqmatch.runtime.device import prepare
from seqmatch.seeds import Seed
from seqmatch.synthetic.snapshots import save_snapshots
from seqmatch.synthetic.subset import initial_subset, load_subset
from seqmatch.training.experts import Trajectories


def main(args):
    if not 1 <= args.subset <= args.subsets <= args.ipc:
        raise SeqmatchError(f"--subset {args.subset} of --subsets {args.subsets} at --ipc {args.ipc}: not possible")
    if len(args.prefix) != args.subset - 1:
        raise SeqmatchError(f"--prefix: {len(args.prefix)} files; subset {args.subset} needs {args.subset - 1}")
    matched = config.uses_teachers if args.subset > 1 else config.matches_experts
    if matched(args.settings) and not args.experts:
        raise SeqmatchError("--experts: missing; these settings need networks that were trained on real data")
    if config.asks_experts(args.settings) and not args.choosers:
        raise SeqmatchError("--choosers: missing; these settings need experts to choose or label the initial images")
    device = prepare(args.gpu, args.threads)
    header = provenance(command.parameters(args), [args.data, *args.prefix, *args.choosers, *args.experts], device.type)
    checkpoint = compute.open_checkpoint(args, header)
    dataset = load(args.data)
    prefix = [load_subset(path) for path in args.prefix]
    with Trajectories(args.choosers) if args.choosers else nullcontext() as choosers:
        initial = make_initial(args, dataset, choosers, device)
    with Trajectories(args.experts) if args.experts else nullcontext() as trajectories:
        step = make_step(args, dataset, initial, prefix, trajectories, device) if args.settings.iterations else None
        snapshots = distill(initial, prefix, step, args.settings, checkpoint, device, clamp(args, dataset))
    save_snapshots(args.out, snapshots, header)
    checkpoint.remove()


def make_initial(args, dataset, choosers, device):
    """The real images that this subset starts from."""
    settings = args.settings
    real = dataset.split("train")
    if settings.initial == "random":
        order = random_order(Seed("initial images", args.dataset, args.seed))
    else:
        one = finished_expert(args, dataset, choosers, args.seed % len(choosers), device)
        chosen = args.ipc * settings.formation**2
        order = coreset_order(CHOICES[settings.initial], embed(one, real[0].to(device)), chosen)
    try:
        initial = initial_subset(
            *real, args.ipc, args.subsets, args.subset, settings.initial_step_size, order, settings.formation
        )
    except ValueError as error:
        raise SeqmatchError(f"{args.dataset}: {error}") from None
    if not settings.soft_labels:
        return initial
    ensemble = (finished_expert(args, dataset, choosers, i, device) for i in range(len(choosers)))
    return replace(initial, soft_labels=mean_prediction(ensemble, initial.decoded()[0].to(device)))


def make_step(args, dataset, initial, prefix, trajectories, device):
    """What this subset matches."""
    settings = args.settings
    seed = Seed("distill", args.dataset, args.method, args.ipc, args.seed, args.subset)
    targets = [subset.decoded()[1] for subset in (*prefix, initial)]
    labels = torch.cat(targets).to(device)
    augmentation = dataset.augmentation if settings.augment_matching else ()
    written = activations(args.network, dataset.shape, dataset.classes)
    network = structure(args.network, dataset.shape, dataset.classes)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    if settings.objective != "trajectory":
        real = dataset.split("train", device)
        fresh = partial(build, args.network, dataset.shape, dataset.classes, device=device)
        if settings.objective == "distribution":
            return distribution_step(real, fresh, labels, settings, augmentation, seed)
        each = len(labels) // dataset.classes
        if settings.objective == "gradient":
            together = classes_at_once(settings.real_batch, each, written, parameters, device)
            return gradient_step(real, fresh, labels, settings, augmentation, seed, together)
        new_network = teacher_start(trajectories, fresh) if prefix else fresh
        shown = min(settings.synthetic_batch or each, each)
        together = classes_at_once(settings.real_batch, shown, written, parameters, device)
        return condensation_step(real, new_network, labels, settings, augmentation, seed, together)
    batch = student_batch(initial, settings)
    matches = settings.iterations * settings.experts_per_step
    match_trajectory = best_match(network, args.compile, written, batch, settings.synthetic_steps, matches, device)
    return trajectory_step(trajectories, network, match_trajectory, labels, batch, settings, augmentation, seed)


def clamp(args, dataset):
    """What keeps the images of condensation where real ones lie, as published; whitened ones have no such bounds."""
    bounded = args.settings.objective == "condensation" and isinstance(dataset.normalization, Standardization)
    return dataset.normalization.clamp if bounded else None


def teacher_start(teachers, fresh):
    """One of the networks that were trained through the earlier subsets, as a new network."""

    def new_network(seed):
        number = int(torch.randint(len(teachers), (), generator=(seed / "teacher").generator()))
        return teachers.load(fresh(seed), number, 0)

    return new_network


def finished_expert(args, dataset, choosers, number, device):
    """One expert at the end of its way."""
    network = build(args.network, dataset.shape, dataset.classes, Seed("expert"), device)
    return choosers.load(network, number, choosers.epochs)


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument("--data", type=Path, required=True, help="prepared data set")
    arguments.add_argument("--experts", type=Path, nargs="*", default=[], help="shards of experts of this stage")
    arguments.add_argument(
        "--choosers", type=Path, nargs="*", default=[], help="shards of experts that choose or label the initial images"
    )
    arguments.add_argument("--prefix", type=Path, nargs="*", default=[], help="subsets of the earlier stages, in order")
    command.add_section(arguments, "settings", config.Matching, help="how this subset is distilled")
    command.add_section(arguments, "network", config.Network, help="architecture of the experts")
    arguments.add_argument("--dataset", required=True, help="name of the data set")
    arguments.add_argument("--method", required=True, help="name of the method")
    arguments.add_argument("--ipc", type=int, required=True, help="images per class of the whole synthetic set")
    arguments.add_argument("--seed", type=int, required=True, help="distillation seed")
    arguments.add_argument("--subset", type=int, required=True, help="number of this subset, from 1")
    arguments.add_argument("--subsets", type=int, required=True, help="number of subsets (K)")
    arguments.add_argument("--out", type=Path, required=True, help="snapshots to write (.safetensors)")
    compute.add_arguments(arguments)
    command.run(main, arguments)
