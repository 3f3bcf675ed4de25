"""What the commands that compute with torch share: options, the frame of a job, and how networks learn in it."""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, get_args

import torch
from shared import command

from seqmatch import config
from seqmatch.config import CompileMode
from seqmatch.data.dataset import Dataset, load
from seqmatch.errors import SeqmatchError
from seqmatch.files import finished
from seqmatch.files.checkpoint import SECONDS_BETWEEN_SAVES, Checkpoint, fingerprint
from seqmatch.files.store import provenance
from seqmatch.networks import averages_batches, build
from seqmatch.planning.code import digest
from seqmatch.runtime import device as devices
from seqmatch.seeds import Seed
from seqmatch.training.ensemble import GradientsFor
from seqmatch.training.gradients import gradients_like
from seqmatch.training.learner import Learner
from seqmatch.training.loop import NewNetwork


def add_device(arguments: argparse.ArgumentParser) -> None:
    """Where to compute."""
    arguments.add_argument(
        "--gpu", type=command.between(0, 1024), default=0, metavar="N", help="GPUs this job may use; 0: CPU (default)"
    )
    arguments.add_argument(
        "--threads", type=command.between(1, 1024), default=1, metavar="N", help="CPU threads (default 1)"
    )


def add_arguments(arguments: argparse.ArgumentParser) -> None:
    """Where and how to compute, and where to save along the way."""
    add_device(arguments)
    arguments.add_argument(
        "--compile",
        choices=get_args(CompileMode),
        default="auto",
        help="PyTorch's compiler: auto (default) uses it where the work repays compiling",
    )
    arguments.add_argument(
        "--checkpoints",
        type=command.path,
        default=finished.checkpoints(),
        metavar="DIR",
        help="folder for saved states (default: SEQMATCH_CHECKPOINTS, else checkpoints)",
    )
    arguments.add_argument(
        "--save-every",
        type=command.seconds,
        default=SECONDS_BETWEEN_SAVES,
        metavar="SECONDS",
        help="time between two of them (default %(default)g)",
    )


def add_run(arguments: argparse.ArgumentParser) -> None:
    """Which run a job is of."""
    arguments.add_argument("--dataset", type=command.name, required=True, help="name of the data set")
    arguments.add_argument("--method", type=command.name, required=True, help="name of the method")
    arguments.add_argument(
        "--ipc", type=command.images_per_class, required=True, metavar="N", help="images per class, or all"
    )
    arguments.add_argument("--seed", type=command.number, required=True, help="distillation seed")


def add_synthetic_set(arguments: argparse.ArgumentParser, subsets: str = "+") -> None:
    """A synthetic set, its data set, which run it is of, and how networks are trained on it.

    Args:
        subsets: how many there may be, as argparse says it.
    """
    arguments.add_argument("--data", type=command.path, required=True, help="prepared data set")
    none = "; none: all real training images" if subsets == "*" else ""
    arguments.add_argument(
        "--subsets",
        type=command.path,
        nargs=subsets,
        required=subsets == "+",
        default=[],
        help=f"the subsets in order{none}",
    )
    command.add_section(arguments, "architecture", config.Architecture, help="architecture to train")
    command.add_section(arguments, "evaluation", config.Evaluation, help="how to train it")
    add_run(arguments)


def add_architecture_name(arguments: argparse.ArgumentParser) -> None:
    """What the architecture to train is called."""
    arguments.add_argument("--architecture-name", type=command.name, required=True, help="name of the architecture")


@dataclass(frozen=True)
class Job:
    """What a command that computes works with."""

    device: torch.device
    header: dict[str, Any]
    """The provenance of what it writes."""
    checkpoint: Checkpoint
    dataset: Dataset


@contextmanager
def job(
    args: argparse.Namespace,
    inputs: Sequence[Path],
    modules: Iterable[str] = (),
    texts: Iterable[str] = (),
    also: Sequence[Path] = (),
) -> Iterator[Job]:
    """Everything around a job: device, provenance, checkpoint and data set.

    The outputs have to be written inside. A block that ends without an error gives up its states; what it wrote is kept
    until it is accepted, and put back where it was lost.

    Args:
        inputs: what the job reads besides the data set.
        modules, texts: what else its fingerprint covers: modules that it loads by their names besides that of its
            family of networks, and what is declared.
        also: what it writes besides `args.out`.

    Raises:
        Finished: the outputs were put back.
    """
    inputs, outputs = [args.data, *inputs], [args.out, *also]
    finished.check(inputs, outputs)
    device = devices.prepare(args.gpu, args.threads)
    header = provenance(command.parameters(args), inputs, device.type)
    checkpoint = open_checkpoint(args, header, modules, texts)
    finished.accept(inputs, args.checkpoints)
    if checkpoint.finished(outputs):
        raise command.Finished
    with checkpoint:
        yield Job(device, header, checkpoint, load(args.data))
    checkpoint.finish(outputs)


def open_checkpoint(
    args: argparse.Namespace, header: dict[str, Any], modules: Iterable[str] = (), texts: Iterable[str] = ()
) -> Checkpoint:
    """The checkpoint of the work that `header` describes, in a folder named like the file that it makes.

    Args:
        modules, texts: as those of `job`.
    """
    code = digest(Path(sys.argv[0]).resolve(), [args.architecture.module, *modules], texts)
    folder = finished.folder_of(args.out, args.checkpoints)
    checkpoint = Checkpoint(folder, fingerprint(header, code), args.save_every)
    for path in checkpoint.of_others():
        print(f"note: {path}: of other parameters, inputs or code; not used, left alone", file=sys.stderr)
    return checkpoint


def learner(args: argparse.Namespace, job: Job) -> Learner:
    """Networks of `args.architecture` that train as `args.evaluation` says."""
    augmentation = job.dataset.augmentation
    return Learner(new_network(args, job), args.evaluation, augmentation, gradients_for(args, job), job.checkpoint)


def new_network(args: argparse.Namespace, job: Job) -> NewNetwork:
    """Makes networks of `args.architecture` for the job's data set."""
    return partial(build, args.architecture, job.dataset.shape, job.dataset.classes, device=job.device)


def gradients_for(args: argparse.Namespace, job: Job) -> GradientsFor:
    """How the gradients of `args.architecture` are computed best, for a number of images that will be trained on."""
    network = new_network(args, job)(Seed("gradients"))
    return gradients_like(network, job.dataset.shape, args.compile, together=not args.architecture.own)


def check_matched(args: argparse.Namespace, job: Job) -> None:
    """Refuse an architecture that cannot be matched; the configuration says so of the package's own families.

    Raises:
        SeqmatchError: its loss is no function of its parameters and of each image alone.
    """
    network = build(args.architecture, job.dataset.shape, job.dataset.classes, Seed("check"))
    if averages_batches(network):
        raise SeqmatchError(
            f"architecture of family {args.architecture.family}: what is matched, and its experts, must have no layer "
            "that averages over a minibatch or keeps running statistics (batch norm); use layer, group or instance norm"
        )
    if not args.architecture.own:
        return
    other = build(args.architecture, job.dataset.shape, job.dataset.classes, Seed("check", "another"))
    for (name, buffer), (_, drawn) in zip(network.named_buffers(), other.named_buffers(), strict=True):
        if not torch.equal(buffer, drawn):
            raise SeqmatchError(
                f"architecture of family {args.architecture.family}: its buffer {name} differs from network to "
                "network; what is matched has to be a function of its parameters, so make it one, or the same in all"
            )
