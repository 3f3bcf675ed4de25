"""What the commands that compute with torch share: their options, their checkpoint, and their gradients."""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import torch
from shared import command

from seqmatch import config
from seqmatch.config import CompileMode
from seqmatch.data.dataset import Dataset
from seqmatch.files.checkpoint import SECONDS_BETWEEN_SAVES, Checkpoint, fingerprint
from seqmatch.networks import activations
from seqmatch.planning.code import digest
from seqmatch.training.gradients import Gradients, best_gradients

if TYPE_CHECKING:
    import pandas as pd


def add_arguments(arguments: argparse.ArgumentParser) -> None:
    """Where and how to compute, and where to save along the way."""
    arguments.add_argument("--gpu", type=int, default=0, metavar="N", help="GPUs this job may use; 0: CPU (default)")
    arguments.add_argument("--threads", type=int, default=1, metavar="N", help="CPU threads (default 1)")
    arguments.add_argument(
        "--compile",
        choices=get_args(CompileMode),
        default="auto",
        help="PyTorch's compiler: auto (default) uses it where the work repays compiling",
    )
    arguments.add_argument(
        "--checkpoints",
        type=Path,
        default=Path("checkpoints"),
        metavar="DIR",
        help="folder for saved states",
    )
    arguments.add_argument(
        "--save-every",
        type=float,
        default=SECONDS_BETWEEN_SAVES,
        metavar="SECONDS",
        help="time between two of them (default %(default)g)",
    )


def add_synthetic_set(arguments: argparse.ArgumentParser, subsets: str = "+") -> None:
    """A synthetic set, its data set, which run it is of, and how networks are trained on it.

    Args:
        subsets: how many there may be, as argparse says it.
    """
    arguments.add_argument("--data", type=Path, required=True, help="prepared data set")
    none = "; none: all real training images" if subsets == "*" else ""
    arguments.add_argument(
        "--subsets", type=Path, nargs=subsets, required=subsets == "+", default=[], help=f"the subsets in order{none}"
    )
    command.add_section(arguments, "network", config.Network, help="architecture to train")
    command.add_section(arguments, "evaluation", config.Evaluation, help="how to train it")
    arguments.add_argument("--dataset", required=True, help="name of the data set")
    arguments.add_argument("--method", required=True, help="name of the method")
    arguments.add_argument("--ipc", required=True, help="images per class, or all")
    arguments.add_argument("--seed", type=int, required=True, help="distillation seed")


def of_run(args: argparse.Namespace, table: "pd.DataFrame") -> "pd.DataFrame":
    """A table with columns before it that say which run it is of."""
    about = {"dataset": args.dataset, "method": args.method, "ipc": args.ipc, "seed": args.seed}
    return table.assign(**about)[[*about, *table.columns]]


def open_checkpoint(args: argparse.Namespace, header: dict[str, Any], modules: Iterable[str] = ()) -> Checkpoint:
    """The checkpoint of the work that `header` describes, in a folder named like the file that it makes.

    Args:
        modules: those that the command loads by their names.
    """
    out = args.out.with_suffix("")
    code = digest(Path(sys.argv[0]).resolve(), modules)
    folder = args.checkpoints / out.relative_to(out.anchor)
    checkpoint = Checkpoint(folder, fingerprint(header, code), args.save_every)
    for path in checkpoint.foreign():
        print(f"note: {path}: of other parameters, inputs or code; not used, left alone", file=sys.stderr)
    return checkpoint


def gradients(args: argparse.Namespace, dataset: Dataset, images: int, device: torch.device) -> Gradients:
    """Those of `args.network` for training on `images` images, counted anew each epoch."""
    written = activations(args.network, dataset.shape, dataset.classes)
    return best_gradients(args.compile, args.network.norm, written, images, device)
