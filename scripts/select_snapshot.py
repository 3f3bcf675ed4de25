"""Score every snapshot of a subset and select one: the first of --selections decides.

`validation`: networks are trained through the earlier subsets and each snapshot, and tested on the split held
out of the training data. `test`: the same on test data, as is usual in the field, for the column that shows it.
`last`: the last snapshot, which needs no scores.

The subset's file holds the normalised images, labels, step size, the normalisation, and pixels that a person can look
at, of the initial images too; its header names classes and augmentation: it can be used alone. Of a whitening it holds
what it is known by: the matrix is in the file of the data set.
"""

import sys

import pandas as pd
from shared import command, compute

from seqmatch import config
from seqmatch.analysis.evaluation import SELECTIONS, choose_snapshot, doubts, score_snapshots
from seqmatch.data.dataset import SPLITS
from seqmatch.files.kinds import SNAPSHOTS, Scores
from seqmatch.files.store import load_header, save_table
from seqmatch.seeds import Seed
from seqmatch.synthetic.snapshots import load_snapshots
from seqmatch.synthetic.subset import load_subset, save_subset


def main(args):
    with compute.job(args, [*args.prefix, args.snapshots], also=[args.scores]) as job:
        snapshots = load_snapshots(args.snapshots, job.dataset.dimensions)
        scores = score(args, job, snapshots)
        selection = args.selections[0]
        index = choose_snapshot(snapshots, scores, selection)
        iteration = int(snapshots.iterations[index]) if snapshots.moved(index) else 0
        save_table(args.scores, scores, job.header)
        augmentation = args.evaluation.augmentation
        about = {
            "distilled": load_header(args.snapshots, SNAPSHOTS).get("parameters", {}),
            "iteration": iteration,
            "class_names": job.dataset.class_names,
            "augmentation": job.dataset.augmentation if augmentation is None else augmentation,
            "prepared": job.dataset.prepared,
        }
        normalization = job.dataset.normalization
        save_subset(args.out, snapshots.subset(index), snapshots.subset(0), normalization, job.header | about)
    print(f"{args.out}: the snapshot after {iteration} iterations, selected by {selection}", file=sys.stderr)
    if selection in SPLITS:
        for doubt in doubts(scores, selection, len(job.dataset.splits[selection])):
            print(f"warning: {args.out}: {doubt}", file=sys.stderr)
    print(
        f"note: {args.out} also holds the real images that it began as (initial_pixels); docs/guide/sets.md "
        "says how to share it without them",
        file=sys.stderr,
    )


def score(args, job, snapshots):
    """The scores that --selections need."""
    splits = {name: job.dataset.split(name, job.device) for name in args.selections if name in SPLITS}
    if not splits:
        return pd.DataFrame(columns=Scores.required())
    prefix = [load_subset(path, job.dataset.dimensions) for path in args.prefix]
    seed = Seed("score", *args.name.split("/"))
    return score_snapshots(prefix, snapshots, splits, compute.learner(args, job), args.networks, seed)


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument("--data", type=command.path, required=True, help="prepared data set")
    arguments.add_argument(
        "--prefix", type=command.path, nargs="*", default=[], help="subsets of the earlier stages, in order"
    )
    arguments.add_argument("--snapshots", type=command.path, required=True, help="snapshots of this subset")
    arguments.add_argument(
        "--selections",
        nargs="+",
        choices=SELECTIONS,
        required=True,
        help="what to score for; the first one selects the snapshot",
    )
    command.add_section(arguments, "architecture", config.Architecture, help="architecture to train")
    command.add_section(arguments, "evaluation", config.Evaluation, help="how to train it")
    compute.add_architecture_name(arguments)
    arguments.add_argument("--networks", type=command.count, required=True, help="networks that score each snapshot")
    arguments.add_argument(
        "--name", type=command.words, required=True, help="names the random draws, parts joined by /"
    )
    arguments.add_argument("--scores", type=command.table_file, required=True, help="table of scores to write (.csv)")
    arguments.add_argument("--out", type=command.file, required=True, help="subset to write (.safetensors)")
    compute.add_arguments(arguments)
    command.run(main, arguments)
