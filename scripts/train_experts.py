"""Train one shard of experts on real data and record their parameters after every epoch.

Experts of the first stage start from fresh networks. Those of stage k > 1 (teachers) are first trained through
S_1 … S_{k-1} exactly as evaluation does it, and are recorded from there on.
"""

from pathlib import Path

import command

from seqmatch import config
from seqmatch.data.dataset import load
from seqmatch.device import prepare
from seqmatch.errors import SeqmatchError
from seqmatch.experts import record_trajectory, save_shard
from seqmatch.networks import activations, build
from seqmatch.progress import Progress
from seqmatch.seeds import Seed
from seqmatch.sequence import load_subset, make_curriculum
from seqmatch.store import provenance
from seqmatch.training import Stage, best_gradient, images_seen, is_finite, train_through


def main(args):
    if args.prefix and args.evaluation is None:
        raise SeqmatchError("--prefix needs --evaluation: how networks are trained through the earlier stages")
    device = prepare(args.gpu, args.threads)
    dataset = load(args.data)
    recipe = args.recipe
    real = Stage(*dataset.split("train", device), recipe.learning_rate)
    subsets = [load_subset(path) for path in args.prefix]
    earlier = [stage.to(device) for stage in make_curriculum(subsets, args.evaluation)] if subsets else []

    seen = images_seen([real], args.epochs) + (images_seen(earlier, args.evaluation.epochs) if earlier else 0)
    gradient = best_gradient(
        args.compile,
        activations(args.network, dataset.shape, dataset.classes),
        recipe.networks_per_shard * seen,
        device,
    )

    trajectories = []
    first = args.shard * recipe.networks_per_shard
    for index in Progress(range(first, first + recipe.networks_per_shard), desc="experts", unit="network"):
        seed = Seed("experts", *args.name.split("/")) / index
        network = build(args.network, dataset.shape, dataset.classes, seed / "initial", device)
        if earlier:
            train_through(
                network,
                earlier,
                args.evaluation.epochs,
                args.evaluation,
                dataset.augmentation,
                seed / "earlier",
                gradient=gradient,
            )
            if not is_finite(network):
                rates = ", ".join(f"{stage.step_size:g}" for stage in earlier)
                raise SeqmatchError(
                    f"a teacher diverged on the earlier subsets, at step sizes {rates}; "
                    "set evaluation.learning_rate, or distil them again with a lower lr_step_size"
                )
        trajectories.append(
            record_trajectory(network, real, args.epochs, recipe, dataset.augmentation, seed / "real", gradient)
        )
    header = provenance(command.parameters(args), [args.data, *args.prefix], device.type)
    save_shard(args.out, trajectories, header, recipe.storage)


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument("--data", type=Path, required=True, help="prepared data set")
    arguments.add_argument("--prefix", type=Path, nargs="*", default=[], help="subsets of the earlier stages, in order")
    command.add_section(arguments, "recipe", config.Experts, "how experts train on real data")
    command.add_section(arguments, "network", config.Network, "their architecture")
    command.add_section(
        arguments, "evaluation", config.Evaluation, "with --prefix: training through earlier stages", required=False
    )
    arguments.add_argument("--epochs", type=int, required=True, help="epochs on real data to record")
    arguments.add_argument("--shard", type=int, required=True, help="number of this shard, from 0")
    arguments.add_argument("--name", required=True, help="names these experts' random draws, parts joined by /")
    arguments.add_argument("--out", type=Path, required=True, help="file to write (.safetensors)")
    command.add_compute(arguments)
    command.run(main, arguments)
