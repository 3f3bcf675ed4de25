"""What the commands that compute with torch share: their options, their checkpoint, and their gradient."""

import argparse
import sys
from pathlib import Path
from typing import Any, get_args

import torch

from seqmatch.checkpoint import SECONDS_BETWEEN_SAVES, Checkpoint, fingerprint
from seqmatch.config import CompileMode
from seqmatch.data.dataset import Dataset
from seqmatch.networks import activations
from seqmatch.sources import sources_of
from seqmatch.training import Gradient, best_gradient


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


def open_checkpoint(args: argparse.Namespace, header: dict[str, Any]) -> Checkpoint:
    """The checkpoint of the work that `header` describes, in a folder named like the file that it makes."""
    out = args.out.with_suffix("")
    own_sources = sources_of(Path(sys.argv[0]).resolve())
    folder = args.checkpoints / out.relative_to(out.anchor)
    checkpoint = Checkpoint(folder, fingerprint(header, own_sources), args.save_every)
    for path in checkpoint.foreign():
        print(f"note: {path}: of other parameters, inputs or sources; not used, left alone", file=sys.stderr)
    return checkpoint


def gradient(args: argparse.Namespace, dataset: Dataset, images: int, device: torch.device) -> Gradient:
    """The gradient of `args.network` for training on `images` images, counted anew each epoch."""
    return best_gradient(args.compile, activations(args.network, dataset.shape, dataset.classes), images, device)
