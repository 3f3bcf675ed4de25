"""Train fresh networks on what a synthetic set is fairly compared with, and test them.

`random`: random real images, as many per class and stage as the set stores, at the set's own step sizes and under the
same evaluation; they are those that the method `random` takes at this seed. With --choosers, as for sets that are
labelled by experts, these label them. `class-labels`: a set of soft labels, with its classes for labels. Networks of
equal number share their random draws with those of evaluate.py. Writes one row per baseline and network; accuracy is
in percent, after the last epoch, on test data; a network that failed has none.
"""

from dataclasses import replace
from functools import partial

from shared import choosers, command, compute, runs

from seqmatch.analysis.evaluation import evaluate, evaluation_seed
from seqmatch.config.sections import Coreset
from seqmatch.data.dataset import check_classes
from seqmatch.distillation.coresets import random_order
from seqmatch.distillation.initial import Part, initial_subset
from seqmatch.files.kinds import SUBSET
from seqmatch.files.store import load_header, save_table
from seqmatch.seeds import Seed
from seqmatch.synthetic.curriculum import make_curriculum
from seqmatch.synthetic.subset import load_subset
from seqmatch.training.experts import Trajectories


def main(args):
    with compute.job(args, [*args.subsets, *args.choosers]) as job:
        subsets = [load_subset(path, job.dataset.dimensions) for path in args.subsets]
        sets = {"random": random_images(args, job, subsets)}
        if any(subset.soft_labels is not None for subset in subsets):
            sets["class-labels"] = [replace(subset, soft_labels=None) for subset in subsets]
        curricula = {
            name: [stage.to(job.device) for stage in make_curriculum(found, args.evaluation)]
            for name, found in sets.items()
        }
        seed = evaluation_seed(args.dataset, args.ipc, args.seed, args.architecture_name)
        results = evaluate(curricula, job.dataset.split("test", job.device), compute.learner(args, job), seed)
        results = results.rename(columns={"selection": "baseline"})
        soft = (results["baseline"] == "random") & bool(args.choosers)
        results.insert(1, "labels", soft.map({True: "soft", False: "class"}))
        results = runs.add_run(runs.run_of(vars(args)), results)
        save_table(args.out, results.round({"accuracy": 4, "seconds": 3}), job.header)


def random_images(args, job, subsets):
    """Real images in the place of those of the subsets, at their step sizes."""
    real, sizes = job.dataset.split("train"), command.sizes_of(args, len(subsets))
    check_classes(job.dataset, sum(sizes))
    seed = Seed("initial images", args.dataset, args.seed)  # as distill_subset.py has it
    found = []
    for k, subset in enumerate(subsets, start=1):
        stage = Coreset(initial_step_size=subset.step_size)
        images = initial_subset(real, Part(sizes, k), stage, random_order(seed), seed)
        found.append(replace(images, rates=subset.rates))
    if not args.choosers:
        return found
    keys = load_header(args.subsets[0], SUBSET).get("distilled", {}).get("matching", {})
    with Trajectories(args.choosers) as experts:
        said = partial(choosers.soft_labels, args, job, experts, keys)
        return [replace(subset, soft_labels=said(subset.images, subset.labels)) for subset in found]


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    compute.add_synthetic_set(arguments)
    compute.add_architecture_name(arguments)
    arguments.add_argument(
        "--choosers", type=command.path, nargs="*", default=[], help="shards of experts that label the random images"
    )
    command.add_sizes(arguments)
    arguments.add_argument("--out", type=command.table_file, required=True, help="table to write (.csv)")
    compute.add_arguments(arguments)
    command.run(main, arguments)
