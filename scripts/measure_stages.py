"""Measure what each stage of a synthetic set adds: the test accuracy of networks after one stage, after two, and so on.

Writes one row per curriculum (union: stage k trains on S_1 … S_k; subset: on S_k alone), network and number of stages;
accuracy in percent. The networks of the curriculum that evaluation takes are those of evaluation.
"""

from typing import get_args

from shared import command, compute, runs

from seqmatch import config
from seqmatch.analysis.evaluation import evaluation_seed
from seqmatch.analysis.stages import stage_accuracies
from seqmatch.files.store import save_table
from seqmatch.synthetic.curriculum import make_curriculum
from seqmatch.synthetic.subset import load_subset

KINDS = get_args(config.Evaluation.model_fields["curriculum"].annotation)


def main(args):
    with compute.job(args, args.subsets) as job:
        subsets = [load_subset(path, job.dataset.dimensions).to(job.device) for path in args.subsets]
        settings = {kind: args.evaluation.model_copy(update={"curriculum": kind}) for kind in KINDS}
        curricula = {kind: make_curriculum(subsets, settings[kind]) for kind in KINDS}
        test = job.dataset.split("test", job.device)
        seed = evaluation_seed(args.dataset, args.ipc, args.seed, args.architecture_name)
        table = stage_accuracies(curricula, test, compute.learner(args, job), seed)
        table = runs.add_run(runs.run_of(vars(args)), table).round({"accuracy": 4})
        save_table(args.out, table, job.header)


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    compute.add_synthetic_set(arguments)
    compute.add_architecture_name(arguments)
    arguments.add_argument("--out", type=command.table_file, required=True, help="table to write (.csv)")
    compute.add_arguments(arguments)
    command.run(main, arguments)
