"""Do images fit the experts that they were matched with, rather than experts at large?

Prints the mean matching loss of each snapshot of a first subset, and its standard error over draws of starts and
minibatches: with the experts that it was matched with, and with others that it never was, such as those of another
recipe, or of a shard that its configuration did not have. Nothing is trained.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import pandas as pd
from shared import command, compute

from seqmatch.config import Architecture
from seqmatch.config.methods import OBJECTIVES
from seqmatch.data import dataset
from seqmatch.distillation.step import Problem
from seqmatch.distillation.trajectory import make_step
from seqmatch.errors import SeqmatchError
from seqmatch.files.store import load_header
from seqmatch.networks import build
from seqmatch.runtime import device as devices
from seqmatch.seeds import Seed
from seqmatch.synthetic.snapshots import load_snapshots
from seqmatch.training.experts import Trajectories


def main(args):
    device = devices.prepare(args.gpu, args.threads)
    data = dataset.load(args.data)
    snapshots, said = load_snapshots(args.snapshots, data.dimensions), load_header(args.snapshots)["parameters"]
    if said.get("objective") != "trajectory" or said["subset"] != 1:
        raise SeqmatchError(f"{args.snapshots}: expected a first subset that was matched with trajectories")
    matching = OBJECTIVES["trajectory"].section.model_validate(said["matching"])
    architecture = Architecture.model_validate(said["architecture"])
    size = {"P": sum(each.numel() for each in build(architecture, data.shape, data.classes, Seed("")).parameters())}
    rows = {int(iteration): {} for iteration in snapshots.iterations}
    for name, shards in (("matched", args.matched), ("unseen", args.unseen)):
        with Trajectories(shards, size) as experts:
            for index, row in enumerate(rows.values()):
                images, labels = snapshots.subset(index).to(device).decoded()
                seed = Seed("unseen", name)
                problem = Problem(data, architecture, matching, labels, len(labels), experts, seed, device, "never")
                step = make_step(problem)
                found = pd.Series([step(images, float(snapshots.step_sizes[index]), n).loss for n in range(args.draws)])
                row |= {name: found.mean(), f"{name} ±": found.sem()}
    table = pd.DataFrame(rows).T.rename_axis("iteration").reset_index()
    print(table.astype({"iteration": int}).to_markdown(index=False, floatfmt=".3f"))


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument("snapshots", type=command.path, help="snapshots of the subset")
    arguments.add_argument("--data", type=command.path, required=True, help="prepared data set")
    for option, meaning in (("matched", "that it was matched with"), ("unseen", "that it never was")):
        arguments.add_argument(
            f"--{option}", type=command.path, nargs="+", required=True, help=f"shards of experts {meaning}"
        )
    arguments.add_argument("--draws", type=command.count, default=50, help="of each loss (default %(default)s)")
    compute.add_device(arguments)
    command.run(main, arguments)
