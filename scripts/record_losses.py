"""Train networks through the subsets of a synthetic set and record the loss of every real training image.

The record holds float32 losses (networks, moments, images), and the epoch and stage of each moment.
"""

from dataclasses import asdict

from shared import command, compute

from seqmatch import config
from seqmatch.analysis.losses import record_losses
from seqmatch.files.tensors import save_tensors
from seqmatch.seeds import Seed
from seqmatch.synthetic.curriculum import make_curriculum
from seqmatch.synthetic.subset import load_subset


def main(args):
    with compute.job(args, args.subsets) as job:
        subsets = [load_subset(path, job.dataset.dimensions) for path in args.subsets]
        curriculum = [stage.to(job.device) for stage in make_curriculum(subsets, args.evaluation)]
        real = job.dataset.split("train", job.device)
        seed = Seed("record losses", args.dataset, args.method, args.ipc, args.seed)
        record = record_losses(curriculum, real, compute.learner(args, job), args.difficulty, seed)
        save_tensors(args.out, asdict(record), job.header)


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    compute.add_synthetic_set(arguments)
    command.add_section(arguments, "difficulty", config.Difficulty, help="how much to record")
    arguments.add_argument("--out", type=command.file, required=True, help="losses to write (.safetensors)")
    compute.add_arguments(arguments)
    command.run(main, arguments)
