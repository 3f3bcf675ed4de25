"""Score every snapshot of a subset and take one: the first of --protocols decides.

`validation`: networks are trained through the earlier subsets and each snapshot, and tested on the split held
out of the training data. `test`: the same on test data, the paper's protocol, kept for the column that shows it.
`last`: the last snapshot, which needs no scores.

The subset's file holds the normalised images, labels, step size, the statistics of the normalisation, and pixels that
a person can look at, of the initial images too; its header names classes and augmentation: it can be used alone.
"""

from functools import partial
from pathlib import Path

import pandas as pd
from shared import command, compute

from seqmatch import config
from seqmatch.analysis.evaluation import choose_snapshot, score_snapshots
from seqmatch.data.dataset import SPLITS, load
from seqmatch.files.store import load_header, provenance, save_table
from seqmatch.networks import build
from seqmatch.runtime.device import prepare
from seqmatch.seeds import Seed
from seqmatch.synthetic.curriculum import make_curriculum
from seqmatch.synthetic.snapshots import load_snapshots
from seqmatch.synthetic.subset import load_subset, save_subset
from seqmatch.training.loop import images_seen, make_phases


def main(args):
    device = prepare(args.gpu, args.threads)
    header = provenance(command.parameters(args), [args.data, *args.prefix, args.snapshots], device.type)
    checkpoint = compute.open_checkpoint(args, header)
    dataset = load(args.data)
    snapshots = load_snapshots(args.snapshots)
    splits = {name: dataset.split(name, device) for name in args.protocols if name in SPLITS}
    scores = pd.DataFrame(columns=["network", "snapshot", "iteration", "step_size"])
    if splits:
        prefix = [load_subset(path) for path in args.prefix]
        *before, last = make_phases(
            make_curriculum([*prefix, snapshots.subset(0)], args.evaluation), args.evaluation, Seed("size")
        )
        seen = images_seen(before) + len(snapshots.iterations) * images_seen([last])
        gradients = compute.gradients(args, dataset, args.networks * seen, device)
        scores = score_snapshots(
            prefix,
            snapshots,
            splits,
            partial(build, args.network, dataset.shape, dataset.classes, device=device),
            args.networks,
            args.evaluation,
            dataset.augmentation,
            Seed("score", *args.name.split("/")),
            gradients,
            checkpoint,
        )
    chosen = choose_snapshot(snapshots, scores, args.protocols[0])

    save_table(args.scores, scores, header)
    about = {
        "distilled": load_header(args.snapshots)["parameters"],
        "iteration": int(snapshots.iterations[chosen]),
        "class_names": dataset.class_names,
        "augmentation": dataset.augmentation if args.evaluation.augmentation is None else args.evaluation.augmentation,
    }
    save_subset(args.out, snapshots.subset(chosen), snapshots.subset(0), dataset.normalization, header | about)
    checkpoint.remove()
    print(f"{args.out}: the snapshot after {about['iteration']} iterations, chosen by {args.protocols[0]}")


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument("--data", type=Path, required=True, help="prepared data set")
    arguments.add_argument("--prefix", type=Path, nargs="*", default=[], help="subsets of the earlier stages, in order")
    arguments.add_argument("--snapshots", type=Path, required=True, help="snapshots of this subset")
    arguments.add_argument(
        "--protocols",
        nargs="+",
        choices=["validation", "last", "test"],
        required=True,
        help="what to score for; the first one takes the snapshot",
    )
    command.add_section(arguments, "network", config.Network, "architecture to train")
    command.add_section(arguments, "evaluation", config.Evaluation, "how to train it")
    arguments.add_argument("--networks", type=int, required=True, help="networks that score each snapshot")
    arguments.add_argument("--name", required=True, help="names the random draws, parts joined by /")
    arguments.add_argument("--scores", type=Path, required=True, help="table of scores to write (.csv)")
    arguments.add_argument("--out", type=Path, required=True, help="subset to write (.safetensors)")
    compute.add_arguments(arguments)
    command.run(main, arguments)
