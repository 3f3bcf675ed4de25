"""Train one shard of experts on real data and record their parameters after every epoch.

Experts of the first stage start from fresh networks. Those of stage k > 1 (teachers) are first trained through
S_1 … S_{k-1} exactly as evaluation does it, and are recorded from there on.
"""

from functools import partial

from shared import command, compute

from seqmatch import config
from seqmatch.data.dataset import check_classes
from seqmatch.errors import SeqmatchError
from seqmatch.seeds import Seed
from seqmatch.synthetic.curriculum import make_curriculum
from seqmatch.synthetic.subset import load_subset
from seqmatch.training.ensemble import Member
from seqmatch.training.experts import record_trajectories, save_shard
from seqmatch.training.loop import Phase, Stage, make_phases, plain_descent
from seqmatch.training.sharpness import sharpness_aware


def main(args):
    if args.prefix and args.evaluation is None:
        raise SeqmatchError("--prefix needs --evaluation: how networks are trained through the earlier stages")
    with compute.job(args, args.prefix) as job:
        compute.check_matched(args, job)
        check_classes(job.dataset, args.images_per_class)
        members = list(make_members(args, job))
        augmentation, gradients_for = job.dataset.augmentation, compute.gradients_for(args, job)
        trajectories = record_trajectories(members, augmentation, gradients_for, job.checkpoint)
        save_shard(args.out, trajectories, job.header, args.recipe.storage)


def make_members(args, job):
    """The networks of this shard, and what each learns."""
    recipe = args.recipe
    real = Stage(*job.dataset.split("train", job.device), recipe.learning_rate)
    subsets = [load_subset(path, job.dataset.dimensions) for path in args.prefix]
    earlier = [stage.to(job.device) for stage in make_curriculum(subsets, args.evaluation)] if subsets else []
    new_network = compute.new_network(args, job)
    first = args.shard * recipe.networks_per_shard
    for index in range(first, first + recipe.networks_per_shard):
        seed = Seed("experts", *args.name.split("/")) / index
        before = make_phases(earlier, args.evaluation, seed / "earlier")
        phases = [*before, Phase(real, args.epochs, recipe, seed / "real", descent(recipe))]
        yield Member(partial(new_network, seed / "initial"), phases)


def descent(recipe):
    """How experts of this recipe go downhill."""
    if recipe.rho == 0:
        return plain_descent
    return partial(sharpness_aware, rho=recipe.rho, alpha=recipe.gsam_alpha, adaptive=recipe.adaptive)


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument("--data", type=command.path, required=True, help="prepared data set")
    arguments.add_argument(
        "--prefix", type=command.path, nargs="*", default=[], help="subsets of the earlier stages, in order"
    )
    command.add_section(arguments, "recipe", config.Experts, help="how experts train on real data")
    command.add_section(arguments, "architecture", config.Architecture, help="their architecture")
    command.add_section(
        arguments,
        "evaluation",
        config.Evaluation,
        help="with --prefix: training through earlier stages",
        required=False,
    )
    arguments.add_argument("--epochs", type=command.number, required=True, help="epochs on real data to record")
    arguments.add_argument("--shard", type=command.number, required=True, help="number of this shard, from 0")
    arguments.add_argument(
        "--name", type=command.words, required=True, help="names these experts' random draws, parts joined by /"
    )
    command.add_images_per_class(arguments)
    arguments.add_argument("--out", type=command.file, required=True, help="file to write (.safetensors)")
    compute.add_arguments(arguments)
    command.run(main, arguments)
