"""The public MTT code as one more way: its networks, its module of flat parameters, its augmentation and its epochs.

It is read from a checkout that the user has, `python -m benchmarks --peer PATH`; nothing of it is here. Its student
steps are not a function of its own, but part of a script: they are taken by `plain.match`, which does the same.
"""

import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks import plain
from seqmatch.errors import SeqmatchError

NAME = "public MTT code"
TUNED = "public MTT code, tuned allocator"
WAYS = NAME, TUNED
TASKS = "matching", "training", "evaluation", "test pass"
CHANNELS = 3
"""Its ConvNet takes grey images of 28 pixels alone."""
FILES = "networks.py", "reparam_module.py", "utils.py"
UNUSED = "kornia", "torchvision", "scipy", "scipy.ndimage", "scipy.ndimage.interpolation", "tqdm"
"""What its modules import and what is timed does not use: where one is missing, an empty one takes its place."""
STRATEGY = "color_crop_cutout_flip_scale_rotate"


def check(path: Path) -> None:
    """Whether it is such a checkout.

    Raises:
        SeqmatchError: it is not.
    """
    if missing := [name for name in FILES if not (path / name).is_file()]:
        raise SeqmatchError(
            f"--peer {path}: no {missing[0]} there; give a folder that holds a checkout of the public MTT code "
            "(github.com/GeorgeCazenavette/mtt-distillation)"
        )


class Peer:
    """Its modules, and what it would train with the settings of a case."""

    def __init__(self, path: Path, shape: tuple[int, int, int], classes: int, width: int, depth: int, device: Any):
        check(path)
        for name in UNUSED:
            _stand_in(name)
        sys.path.insert(0, str(path))
        self._networks, self._module, self._utils = (import_module(Path(name).stem) for name in FILES)
        self._size = shape[0], classes, width, depth, "relu", "instancenorm", "avgpooling", shape[1:]
        self._arguments = SimpleNamespace(
            device=device, dataset="", dsa=True, dsa_strategy=STRATEGY, dsa_param=self._utils.ParamDiffAug()
        )

    def network(self) -> nn.Module:
        return self._networks.ConvNet(*self._size).to(self._arguments.device)

    def augment(self, images: Tensor) -> Tensor:
        return self._utils.DiffAugment(images, STRATEGY, param=self._arguments.dsa_param)

    def match(
        self, labelled: tuple[Tensor, Tensor], batch: int, steps: int, rate: float
    ) -> tuple[float, Tensor, float]:
        """One distillation iteration, as `plain.match`."""
        student, other = (self._module.ReparamModule(self.network()) for _ in range(2))
        start, end = (each.flat_param.detach().clone() for each in (student, other))
        ends = start, start + 0.05 * (end - start)
        return plain.match(student.train(), ends, labelled, batch, steps, rate, _flat_forward, self.augment)

    def epochs(self, labelled: tuple[Tensor, Tensor], batch: int, count: int) -> Callable[[], list]:
        """So many epochs of training of one network."""
        network = self.network()
        optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
        epoch = partial(self._utils.epoch, "train", self._loader(labelled, batch, shuffle=True), network, optimizer)
        return lambda: [epoch(nn.CrossEntropyLoss(), self._arguments, aug=True) for _ in range(count)]

    def test(self, labelled: tuple[Tensor, Tensor]) -> Callable[[], tuple[float, float]]:
        """A test pass over the images; with gradients on, as where it trains experts."""
        loader, network = self._loader(labelled, plain.TEST_BATCH, shuffle=False), self.network()
        return lambda: self._utils.epoch(
            "test", loader, network, None, nn.CrossEntropyLoss(), self._arguments, aug=False
        )

    def _loader(self, labelled: tuple[Tensor, Tensor], batch: int, shuffle: bool) -> torch.utils.data.DataLoader:
        dataset = self._utils.TensorDataset(*labelled)
        return torch.utils.data.DataLoader(dataset, batch_size=batch, shuffle=shuffle, num_workers=0)


def _flat_forward(network: nn.Module, flat: Tensor, images: Tensor) -> Tensor:
    return network(images, flat_param=flat)


def _stand_in(name: str) -> None:
    """Have something to import under a name that is not installed."""
    try:
        import_module(name)
    except ImportError:
        module = sys.modules[name] = ModuleType(name)
        module.__getattr__ = lambda attribute: None  # type: ignore[method-assign]
