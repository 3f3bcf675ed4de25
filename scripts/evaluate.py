"""Train fresh networks through the subsets of a synthetic set, or on all real training images, and test them.

Writes one row per network and selection of the last subset's snapshot: the snapshot in the subset's file, and those
that --also names. Networks of equal seed and number share their random draws, across selections and methods, so that
these compare in pairs. Accuracy is in percent, after the last epoch, on test data; a network that failed has none.
`selected_on` is the number of images that the snapshot was selected on, `undistilled` that of subsets whose snapshot
is the first, so that they are their initial images although they were distilled; `stored_numbers` are those of the
set, with its decoder and soft labels, `image_numbers` those that images of its ipc have. With --own-protocol, `own` is
the accuracy by the objective's own protocol.
"""

import math
from pkgutil import resolve_name

from shared import command, compute, runs

from seqmatch.analysis.evaluation import SELECTIONS, choose_snapshot, evaluate, evaluation_seed
from seqmatch.config.methods import OBJECTIVES
from seqmatch.errors import SeqmatchError
from seqmatch.files.kinds import SUBSET, Scores
from seqmatch.files.store import load_header, load_table, save_table
from seqmatch.synthetic.curriculum import make_curriculum
from seqmatch.synthetic.snapshots import load_snapshots
from seqmatch.synthetic.subset import load_subset
from seqmatch.training.loop import Stage


def main(args):
    if args.also and not (args.snapshots and args.scores):
        raise SeqmatchError("--also needs --snapshots and --scores of the last subset")
    if len({args.selection, *args.also}) <= len(args.also):
        raise SeqmatchError("--selection and --also: each selection once")
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
    own = OBJECTIVES[args.own_protocol].own_protocol if args.own_protocol else None
    inputs = [*args.subsets, *(path for path in (args.snapshots, args.scores) if path)]
    with compute.job(args, inputs, own.split(":")[:1] if own else ()) as job:
        made = list(evaluated_sets(args, job.dataset))
        curricula = {selection: curriculum(args, subsets, job) for selection, subsets, _ in made}
        seed = evaluation_seed(args.dataset, args.ipc, args.seed, args.architecture_name)
        test, learner = job.dataset.split("test", job.device), compute.learner(args, job)
        results = evaluate(curricula, test, learner, seed)
        images = {split: len(index) for split, index in job.dataset.splits.items()}
        undistilled = {selection: count for selection, _, count in made}
        place = results.columns.get_loc("seconds")  # which stays the last column
        if own:
            sections, accuracies = own_sections(args), resolve_name(own)
            found = [accuracies(subsets, sections, test, learner, seed) for _, subsets, _ in made]
            results.insert(place, "own", [accuracy for each in found for accuracy in each])
        results.insert(place, "selected_on", [images.get(selection, 0) for selection in results["selection"]])
        results.insert(place + 1, "undistilled", results["selection"].map(undistilled))
        results.insert(place + 2, "stored_numbers", stored_numbers(made[0][1], job.dataset))
        results.insert(place + 3, "image_numbers", image_numbers(args.ipc, job.dataset))
        save_table(args.out, runs.add_run(about, results).round({"accuracy": 4, "own": 4, "seconds": 3}), job.header)


def evaluated_sets(args, dataset):
    """Selections of the last subset's snapshot, the subsets with it, and how many of these are undistilled.

    First that in the subset's file.
    """
    subsets = [load_subset(path, dataset.dimensions) for path in args.subsets]
    undistilled = [is_undistilled(path) for path in args.subsets]
    yield args.selection, subsets, sum(undistilled)
    if not (args.subsets and args.also):
        return
    snapshots, scores = load_snapshots(args.snapshots, dataset.dimensions), load_table(args.scores, Scores)
    for selection in args.also:
        index = choose_snapshot(snapshots, scores, selection)
        first = len(snapshots.iterations) > 1 and not snapshots.moved(index)
        yield selection, [*subsets[:-1], snapshots.subset(index)], sum(undistilled[:-1]) + first


def curriculum(args, subsets, job):
    """What networks learn from: without subsets, all real training images."""
    real = [] if subsets else [Stage(*job.dataset.split("train"), args.evaluation.learning_rate)]
    return [stage.to(job.device) for stage in real or make_curriculum(subsets, args.evaluation)]


def own_sections(args):
    """How each subset was distilled, by its header."""
    section = OBJECTIVES[args.own_protocol].section
    settings = (load_header(path, SUBSET).get("distilled", {}).get("matching") for path in args.subsets)
    return [command.section(str(path), section, of) for path, of in zip(args.subsets, settings, strict=True)]


def stored_numbers(subsets, dataset):
    """Numbers that the synthetic set stores; without subsets, all real training images."""
    return sum(subset.numbers for subset in subsets) if subsets else image_numbers("all", dataset)


def image_numbers(ipc, dataset):
    """Numbers of so many images per class."""
    count = len(dataset.splits["train"]) if ipc == "all" else int(ipc) * dataset.classes
    return count * math.prod(dataset.shape)


def is_undistilled(path):
    """Whether a subset was distilled, but its snapshot is the first one: the images that it began as."""
    header = load_header(path, SUBSET)
    iterations = header.get("distilled", {}).get("matching", {}).get("iterations", 0)
    return iterations > 0 and header.get("iteration") == 0


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    compute.add_synthetic_set(arguments, subsets="*")
    compute.add_architecture_name(arguments)
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
    arguments.add_argument(
        "--own-protocol",
        choices=[name for name, objective in OBJECTIVES.items() if objective.own_protocol],
        help="what was matched, to be judged by its own protocol too",
    )
    arguments.add_argument("--out", type=command.table_file, required=True, help="table to write (.csv)")
    compute.add_arguments(arguments)
    command.run(main, arguments)
