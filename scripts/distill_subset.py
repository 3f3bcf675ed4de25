"""Distil subset k of a synthetic set, with the subsets before it frozen; write snapshots along the way.

Starts from real training images. The state is saved in the checkpoint folder every few minutes, and the same command
resumes from it. With --until, a part of the iterations is done: the state is written, from which --state goes on, and
the subset as it is then. With --external, the subset is one that another program made, and stays as it is.
"""

import sys
from contextlib import nullcontext
from dataclasses import replace
from pkgutil import resolve_name

import torch
from shared import choosers, command, compute

from seqmatch import config
from seqmatch.config.methods import OBJECTIVES, Objective
from seqmatch.config.sections import CHOSEN_BY_EXPERTS, LEARNED, asks_experts
from seqmatch.config.storage import check_stored, needs_real, started_per_class
from seqmatch.data.dataset import check_classes
from seqmatch.data.normalization import Standardization
from seqmatch.distillation.coresets import CHOICES, classified_order, coreset_order, embed, random_order
from seqmatch.distillation.initial import Part, initial_subset
from seqmatch.distillation.loop import Restarts, State, distill, is_skipped, undistilled
from seqmatch.distillation.step import Problem
from seqmatch.errors import SeqmatchError
from seqmatch.files.tensors import load_tensors, save_tensors
from seqmatch.networks import build
from seqmatch.seeds import Seed
from seqmatch.synthetic.snapshots import load_snapshots, save_snapshots
from seqmatch.synthetic.subset import load_subset, save_subset
from seqmatch.training.experts import Trajectories
from seqmatch.training.inference import classified

EXTERNAL = "seqmatch.synthetic.external"
"""The module that reads what other programs made."""


def main(args):
    unmoved = config.External if args.external else config.Coreset
    section = OBJECTIVES[args.objective].section if args.objective else unmoved
    args.matching = command.section("--matching", section, args.matching)
    check(args)
    objective = OBJECTIVES.get(args.objective)
    inputs = [*args.prefix, *args.choosers, *args.experts, *args.external, *args.state]
    declared = ([objective.module], [objective.reaching(args.matching)]) if objective else ()
    if args.external:
        declared = ([EXTERNAL],)
    also = [] if args.until is None else [args.subset_out]
    with compute.job(args, inputs, *declared, also=also) as job:
        compute.check_matched(args, job)
        prefix = [load_subset(path, job.dataset.dimensions) for path in args.prefix]
        size = {"P": parameter_count(args, job)}
        initial = begin(args, job, size)
        if args.matching.iterations == 0:
            snapshots = undistilled(initial)
        else:
            state = State(initial, args.matching, job.device)
            for path in args.state:
                state.restore(load_tensors(path, state.kind())[0])
            if args.until != 0:
                optimise(args, job, objective, state, prefix, size)
            snapshots = state.snapshots()
        if args.until is None:
            save_snapshots(args.out, snapshots, job.header)
        else:
            save_round(args, job, state)
    if count := sum(is_skipped(loss, args.matching) for loss in snapshots.matching_losses.tolist()):
        print(
            f"note: {args.out}: {count} of {args.matching.iterations} updates were skipped, for a matching loss above "
            f"skip_above = {args.matching.skip_above:g}",
            file=sys.stderr,
        )


def begin(args, job, size):
    """What this subset starts from."""
    if args.state:
        snapshots = load_snapshots(args.state[0], job.dataset.dimensions)
        return replace(snapshots.subset(0), soft_labels=snapshots.soft_labels)
    if args.external:
        return take_external(args, job)
    with Trajectories(args.choosers, size) if args.choosers else nullcontext() as experts:
        return make_initial(args, job, experts)


def optimise(args, job, objective, state, prefix, size):
    """Optimise this subset from `state` on."""
    restarts = Restarts(objective.resumes_every(args.matching), clamp(objective, args.matching, job.dataset))
    end = args.matching.iterations if args.until is None else args.until
    with Trajectories(args.experts, size) if args.experts else nullcontext() as trajectories:
        step = resolve_name(objective.step)(make_problem(args, job, state.initial, prefix, trajectories))
        distill(end, state, prefix, step, job.checkpoint, restarts)


def save_round(args, job, state):
    """The state, for the next round of this subset; its images, for that of later ones."""
    about = {"parameterisation": state.initial.parameterisation.name}
    save_subset(args.subset_out, state.subset(), state.initial, job.dataset.normalization, job.header)
    save_tensors(args.out, state.tensors(), job.header | about)


def check(args):
    """Whether the arguments go together."""
    if (args.until is None) != (args.subset_out is None):
        raise SeqmatchError("--until and --subset-out go together: a part of the iterations, and the subset after it")
    if args.until is not None and args.until >= args.matching.iterations:
        raise SeqmatchError(f"--until {args.until}: expected fewer than the {args.matching.iterations} iterations")
    if len(args.state) > 1 or (args.state and not args.objective):
        raise SeqmatchError("--state: one file at most, and with --objective")
    if args.ipc == "all" or not 1 <= args.subset <= args.subset_count <= int(args.ipc):
        raise SeqmatchError(
            f"--subset {args.subset} of --subset-count {args.subset_count} at --ipc {args.ipc}: not possible"
        )
    command.sizes_of(args, args.subset_count)
    if args.until == 0:
        return check_choosers(args)
    if len(args.prefix) != args.subset - 1:
        raise SeqmatchError(f"--prefix: {len(args.prefix)} files; subset {args.subset} needs {args.subset - 1}")
    needs = OBJECTIVES[args.objective].needs if args.matching.iterations else "nothing"
    if needs in (("trajectories",) if args.subset == 1 else ("trajectories", "starts")) and not args.experts:
        raise SeqmatchError("--experts: missing; these settings need networks that were trained on real data")
    check_choosers(args)


def check_choosers(args):
    """Whether there is what chooses or labels the initial images."""
    if args.state:
        return
    if asks_experts(args.matching) and not args.choosers:
        raise SeqmatchError("--choosers: missing; these settings need experts to choose or label the initial images")


def make_initial(args, job, experts):
    """What this subset starts from."""
    matching, size = args.matching, (job.dataset.classes, job.dataset.shape)
    ipcs = command.sizes_of(args, args.subset_count)
    if matching.size not in (None, ipcs[args.subset - 1]):
        raise SeqmatchError(f"--matching: size = {matching.size}, but --ipc and --sizes say {ipcs[args.subset - 1]}")
    check_stored([matching], ipcs[args.subset - 1], *size, "--matching")
    started = [started_per_class(matching, ipc, *size) for ipc in ipcs]
    check_classes(job.dataset, sum(started) if needs_real(matching) else 0)
    real, seed = job.dataset.split("train"), Seed("initial images", args.dataset, args.seed)
    order = order_of(args, job, experts, real, sum(started), seed)
    try:
        initial = initial_subset(real, Part(started, args.subset), matching, order, seed)
    except ValueError as error:
        raise SeqmatchError(f"{args.dataset}: {error}") from None
    if not getattr(matching, "soft_labels", False):
        return initial
    keys = type(matching).model_fields
    said = choosers.soft_labels(args, job, experts, keys, *initial.to(job.device).decoded())
    return replace(initial, soft_labels=said)


def order_of(args, job, experts, real, count, seed):
    """The order in which the first `count` real images of each class are taken."""
    initial = args.matching.initial
    if initial not in CHOSEN_BY_EXPERTS:
        return random_order(seed)
    one = choosers.expert(args, job, experts, args.seed % len(experts))
    images, labels = (tensor.to(job.device) for tensor in real)
    if initial == "classified":
        return classified_order(classified(one, images, labels), seed)
    return coreset_order(CHOICES[initial], embed(one, images), count)


def take_external(args, job):
    """This subset as another program made it."""
    size = command.sizes_of(args, args.subset_count)[args.subset - 1]
    take = resolve_name(f"{EXTERNAL}:take")  # by name: other jobs do not depend on it
    subset, doubt = take(args.external, args.matching, job.dataset, size)
    if doubt:
        print(f"warning: {args.external[0]}: {doubt}", file=sys.stderr)
    return subset


def make_problem(args, job, initial, prefix, trajectories):
    """What this subset is distilled against."""
    targets = [subset.decoded()[1] for subset in (*prefix, initial)]
    return Problem(
        dataset=job.dataset,
        architecture=args.architecture,
        matching=args.matching,
        labels=torch.cat(targets).to(job.device),
        new=len(targets[-1]),
        trajectories=trajectories,
        seed=Seed("distill", args.dataset, args.method, int(args.ipc), args.seed, args.subset),
        device=job.device,
        compile=args.compile,
        kept_memory=args.kept_memory,
    )


def clamp(objective: Objective, matching, dataset):
    """What keeps images where real ones lie, as published; whitened ones have no such bounds, nor have coefficients."""
    images = matching.parameterisation not in LEARNED
    bounded = objective.bounded and images and isinstance(dataset.normalization, Standardization)
    return dataset.normalization.clamp if bounded else None


def parameter_count(args, job):
    """Numbers that an expert has."""
    network = build(args.architecture, job.dataset.shape, job.dataset.classes, Seed("expert"))
    return sum(parameter.numel() for parameter in network.parameters())


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument("--data", type=command.path, required=True, help="prepared data set")
    arguments.add_argument(
        "--experts", type=command.path, nargs="*", default=[], help="shards of experts of this stage"
    )
    arguments.add_argument(
        "--choosers",
        type=command.path,
        nargs="*",
        default=[],
        help="shards of experts that choose or label the initial images",
    )
    arguments.add_argument(
        "--prefix", type=command.path, nargs="*", default=[], help="subsets of the earlier stages, in order"
    )
    arguments.add_argument(
        "--external",
        type=command.path,
        nargs="*",
        default=[],
        help="files of a synthetic set of another program: images, then labels and step size where --matching names "
        "files of theirs",
    )
    arguments.add_argument(
        "--objective", choices=OBJECTIVES, help="what is matched; without it, images stay as they are"
    )
    arguments.add_argument(
        "--matching",
        type=command.json_object,
        required=True,
        metavar="JSON",
        help="how this subset is distilled; keys: config/README.md",
    )
    command.add_section(arguments, "architecture", config.Architecture, help="architecture of the experts")
    compute.add_run(arguments)
    arguments.add_argument("--subset", type=command.count, required=True, help="number of this subset, from 1")
    arguments.add_argument("--subset-count", type=command.count, required=True, help="number of subsets (K)")
    command.add_sizes(arguments)
    arguments.add_argument(
        "--state", type=command.path, nargs="*", default=[], help="state that the round before wrote, to go on from"
    )
    arguments.add_argument("--until", type=command.number, metavar="N", help="iterations that are done when it ends")
    arguments.add_argument("--subset-out", type=command.file, help="with --until: subset to write (.safetensors)")
    arguments.add_argument(
        "--out", type=command.file, required=True, help="snapshots, or with --until a state, to write (.safetensors)"
    )
    arguments.add_argument(
        "--kept-memory",
        type=command.gigabytes,
        metavar="GB",
        help="for what a student's steps computed and need again; auto (default): a share of this machine's",
    )
    compute.add_arguments(arguments)
    command.run(main, arguments)
