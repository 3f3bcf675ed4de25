"""Train fresh networks through the subsets of a synthetic set, or on all real training images, and test them.

Writes one row a network and choice of the last subset's snapshot: the one in the subset's file, and those that
--also names. Networks of equal seed and number share their random draws, across choices and methods, so that these
compare in pairs.
Accuracy is in percent, after the last epoch, on test data.
"""

from functools import partial
from pathlib import Path

from shared import command, compute

from seqmatch.analysis.evaluation import choose_snapshot, evaluate
from seqmatch.data.dataset import load
from seqmatch.errors import SeqmatchError
from seqmatch.files.store import load_table, provenance, save_table
from seqmatch.networks import build
from seqmatch.runtime.device import prepare
from seqmatch.seeds import Seed
from seqmatch.synthetic.curriculum import make_curriculum
from seqmatch.synthetic.snapshots import load_snapshots
from seqmatch.synthetic.subset import load_subset
from seqmatch.training.loop import Stage, images_seen, make_phases


def main(args):
    if args.also and not (args.snapshots and args.scores):
        raise SeqmatchError("--also needs --snapshots and --scores of the last subset")
    if not args.subsets and args.evaluation.learning_rate is None:
        raise SeqmatchError("--evaluation: learning_rate is missing; without --subsets there is no learned step size")
    device = prepare(args.gpu, args.threads)
    inputs = [args.data, *args.subsets, *(path for path in (args.snapshots, args.scores) if path)]
    header = provenance(command.parameters(args), inputs, device.type)
    checkpoint = compute.open_checkpoint(args, header)
    dataset = load(args.data)
    choices = {name: [stage.to(device) for stage in curriculum] for name, curriculum in curricula(args, dataset)}
    seed = Seed("evaluate", args.dataset, args.ipc, args.seed, args.architecture)
    gradients = compute.gradients(
        args,
        dataset,
        args.evaluation.networks
        * sum(images_seen(make_phases(curriculum, args.evaluation, seed)) for curriculum in choices.values()),
        device,
    )
    results = evaluate(
        choices,
        dataset.split("test", device),
        partial(build, args.network, dataset.shape, dataset.classes, device=device),
        args.evaluation,
        dataset.augmentation,
        seed,
        gradients,
        checkpoint,
    )
    about = {
        "dataset": args.dataset,
        "method": args.method,
        "K": len(args.subsets),
        "ipc": args.ipc,
        "matched_on": args.matched_on,
        "architecture": args.architecture,
        "seed": args.seed,
    }
    table = results.assign(**about)[[*about, *results.columns]].round({"accuracy": 4, "seconds": 3})
    save_table(args.out, table, header)
    checkpoint.remove()


def curricula(args, dataset):
    """What networks learn from, by what chose it: the headline's choice first."""
    if not args.subsets:
        yield args.selection, [Stage(*dataset.split("train"), args.evaluation.learning_rate)]
        return
    subsets = [load_subset(path) for path in args.subsets]
    yield args.selection, make_curriculum(subsets, args.evaluation)
    for protocol in args.also:
        snapshots = load_snapshots(args.snapshots)
        last = snapshots.subset(choose_snapshot(snapshots, load_table(args.scores), protocol))
        yield protocol, make_curriculum([*subsets[:-1], last], args.evaluation)


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    compute.add_synthetic_set(arguments, subsets="*")
    arguments.add_argument("--architecture", required=True, help="name of the architecture")
    arguments.add_argument("--matched-on", required=True, help="name of the network the subsets were distilled with")
    arguments.add_argument("--selection", required=True, help="what chose the snapshot in the last subset's file")
    arguments.add_argument(
        "--also",
        nargs="*",
        choices=["validation", "last", "test"],
        default=[],
        help="other choices to evaluate; they need --snapshots and --scores",
    )
    arguments.add_argument("--snapshots", type=Path, nargs="?", help="snapshots of the last subset")
    arguments.add_argument("--scores", type=Path, nargs="?", help="their scores")
    arguments.add_argument("--out", type=Path, required=True, help="table to write (.csv)")
    compute.add_arguments(arguments)
    command.run(main, arguments)
