"""`seqmatch train` and `evaluate`."""

import argparse
import math
import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import seqmatch
from seqmatch import config
from seqmatch.command.arguments import add_section, between, count, number, set_file
from seqmatch.command.sets import add_dataset, add_set, add_tensors, are_tensors, external, opened, refuse_of_tensors
from seqmatch.errors import SeqmatchError

if TYPE_CHECKING:
    import torch


def add_network(arguments: argparse.ArgumentParser) -> None:
    """Which networks learn, and where."""
    add_section(
        arguments, "architecture", config.Architecture, "architecture; by default the set's own", required=False
    )
    add_section(
        arguments, "evaluation", config.Evaluation, "how they are trained, where not as the set says", required=False
    )
    arguments.add_argument("--seed", type=number, help="names the random draws")
    arguments.add_argument("--gpu", type=between(0, 1), default=0, metavar="N", help="GPUs; 0: CPU (default)")
    arguments.add_argument("--threads", type=between(1, 1024), default=1, metavar="N", help="CPU threads (default 1)")


def add_train(arguments: argparse.ArgumentParser) -> None:
    """What learns from what, and where its parameters go."""
    add_set(arguments)
    add_network(arguments)
    arguments.add_argument("--out", type=set_file, required=True, help="file of the parameters to write (.safetensors)")


def train(args: argparse.Namespace) -> None:
    """Train a network on a set, and write its parameters.

    They are those of the network's state_dict, which `safetensors.torch.load_file` reads.
    """
    from seqmatch.files.store import check_writable, provenance
    from seqmatch.files.tensors import save_tensors
    from seqmatch.networks import build
    from seqmatch.seeds import Seed
    from seqmatch.sets.learning import failed

    check_writable(args.out)
    distilled, device = prepared(args, opened(args))
    seed = args.seed or 0
    fresh = build(distilled.architecture, distilled.shape, len(distilled.class_names), Seed("initial", seed), device)
    trained = seqmatch.train(fresh, distilled, seed=seed)
    if failed(trained, distilled):
        raise SeqmatchError(f"{args.out}: not written: training diverged; set a lower learning_rate (--evaluation)")
    about = {"architecture": distilled.architecture.model_dump(mode="json"), "seed": seed}
    save_tensors(args.out, dict(trained.state_dict()), provenance(about))
    print(f"wrote {args.out}")


def add_evaluate(arguments: argparse.ArgumentParser) -> None:
    """What is evaluated, and on which test images."""
    add_set(arguments)
    add_network(arguments)
    add_tensors(arguments)
    add_dataset(arguments, "source of the test images; by default that of the set, split as it was")
    arguments.add_argument("--networks", type=count, help="how many; by default as many as its makers took")


def evaluate(args: argparse.Namespace) -> None:
    """Train fresh networks on a set, and test them on real images.

    Prints the accuracy of each in percent, and their mean and standard deviation. Without further options networks and
    test images are those of the set's own makers.
    """
    from seqmatch.sets.real import real

    if are_tensors(args):
        distilled, found = external(args)
    else:
        refuse_of_tensors(args)
        distilled = opened(args)
        found = real(distilled, args.dataset, args.data)
    distilled, device = prepared(args, distilled)
    if distilled.fingerprint and not distilled.normalization:
        print("note: the set comes without its whitening matrix, which is fitted anew", file=sys.stderr)
        distilled = distilled.refit(found.images("train")[0])
    images, labels = found.images("test")
    own = partial(_fresh, distilled, device) if distilled.architecture.own else None
    accuracies = seqmatch.evaluate(
        distilled, images.to(device), labels, new_network=own, networks=args.networks, seed=args.seed
    )
    for index, value in enumerate(accuracies.values):
        print(f"network {index}: " + ("failed" if math.isnan(value) else f"{value:.2f} %"))
    print(f"accuracy: {accuracies}, on {len(labels)} test images")
    if all(map(math.isnan, accuracies.values)):
        raise SeqmatchError("training diverged each time; set a lower learning_rate (--evaluation)")


def _fresh(distilled: "seqmatch.Distilled", device: "torch.device") -> "torch.nn.Module":
    """A network of the user's own, drawn by PyTorch's generator."""
    import torch

    from seqmatch.networks import build
    from seqmatch.seeds import Seed

    drawn = Seed("initial", int(torch.randint(2**31, ())))
    return build(distilled.architecture, distilled.shape, len(distilled.class_names), drawn, device)


def prepared(args: argparse.Namespace, distilled: "seqmatch.Distilled") -> tuple["seqmatch.Distilled", "torch.device"]:
    """The set, to be learned from as it is asked for, and the device."""
    from seqmatch.runtime import device

    if args.architecture is not None:
        distilled = replace(distilled, architecture=args.architecture)
    elif distilled.architecture.own:
        raise SeqmatchError(
            f"{args.set}: evaluated on a network of its makers' own, {distilled.architecture.family}, whose code is "
            "not run for it; name one with --architecture"
        )
    if args.evaluation is not None:
        distilled = distilled.with_evaluation(**args.evaluation.model_dump(exclude_unset=True))
    return distilled, device.prepare(args.gpu, args.threads)
