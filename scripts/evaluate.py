"""Train fresh networks through the subsets of a synthetic set, or on all real training images, and test them.

Writes one row per network and selection of the last subset's snapshot: the snapshot in the subset's file, and those
that --also names. Networks of equal seed and number share their random draws, across selections and methods, so that
these compare in pairs. Accuracy is in percent, after the last epoch, on test data.
"""

from shared import command, compute, runs

from seqmatch.analysis.evaluation import SELECTIONS, choose_snapshot, evaluate
from seqmatch.errors import SeqmatchError
from seqmatch.files.kinds import Scores
from seqmatch.files.store import load_table, save_table
from seqmatch.seeds import Seed
from seqmatch.synthetic.curriculum import make_curriculum
from seqmatch.synthetic.snapshots import load_snapshots
from seqmatch.synthetic.subset import load_subset
from seqmatch.training.loop import Stage


def main(args):
    if args.also and not (args.snapshots and args.scores):
        raise SeqmatchError("--also needs --snapshots and --scores of the last subset")
    if not args.subsets and args.evaluation.learning_rate is None:
        raise SeqmatchError("--evaluation: learning_rate is missing; without --subsets there is no learned step size")
    about = {
        "dataset": args.dataset,
        "method": args.method,
        "K": len(args.subsets),
        "ipc": args.ipc,
        "matched_on": args.matched_on,
        "architecture": args.architecture_name,
        "seed": args.seed,
    }
    with compute.job(args, [*args.subsets, *(path for path in (args.snapshots, args.scores) if path)]) as job:
        curricula = {
            selection: [stage.to(job.device) for stage in curriculum]
            for selection, curriculum in make_curricula(args, job.dataset)
        }
        seed = Seed("evaluate", args.dataset, args.ipc, args.seed, args.architecture_name)
        results = evaluate(curricula, job.dataset.split("test", job.device), compute.learner(args, job), seed)
        save_table(args.out, runs.add_run(about, results).round({"accuracy": 4, "seconds": 3}), job.header)


def make_curricula(args, dataset):
    """What networks learn from, by the selection of the last subset's snapshot; that in the subset's file first."""
    if not args.subsets:
        yield args.selection, [Stage(*dataset.split("train"), args.evaluation.learning_rate)]
        return
    subsets = [load_subset(path, dataset.dimensions) for path in args.subsets]
    yield args.selection, make_curriculum(subsets, args.evaluation)
    for selection in args.also:
        snapshots = load_snapshots(args.snapshots, dataset.dimensions)
        last = snapshots.subset(choose_snapshot(snapshots, load_table(args.scores, Scores), selection))
        yield selection, make_curriculum([*subsets[:-1], last], args.evaluation)


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    compute.add_synthetic_set(arguments, subsets="*")
    arguments.add_argument("--architecture-name", type=command.name, required=True, help="name of the architecture")
    arguments.add_argument(
        "--matched-on",
        type=command.name,
        required=True,
        help="name of the architecture that the subsets were distilled with",
    )
    arguments.add_argument(
        "--selection", choices=SELECTIONS, required=True, help="how the snapshot in the last subset's file was selected"
    )
    arguments.add_argument(
        "--also",
        nargs="*",
        choices=SELECTIONS,
        default=[],
        help="other selections to evaluate; they need --snapshots and --scores",
    )
    arguments.add_argument("--snapshots", type=command.path, nargs="?", help="snapshots of the last subset")
    arguments.add_argument("--scores", type=command.path, nargs="?", help="their scores")
    arguments.add_argument("--out", type=command.table_file, required=True, help="table to write (.csv)")
    compute.add_arguments(arguments)
    command.run(main, arguments)
