"""Operators that a student step of matching calls, eager and compiled: `uv run python -m benchmarks.launches`.

On a GPU each call launches one kernel or more, microseconds apart; a step whose arithmetic takes less waits for them.
Counted on the CPU, without the views that compute nothing; a GPU's operators differ a little.
"""

import re
from collections.abc import Callable

import pandas as pd
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.cases import CIFAR, CLASSES, Setup
from seqmatch.matching.derivatives import classification_loss, compiled, eager, even_weights

IMAGES = CLASSES
CALL = re.compile(r"^\s+(?:\w+ = )?(?:cpp_fused\w*|extern_kernels\.\w+|torch\.ops\.[\w.]+)\(", re.MULTILINE)
"""Of a kernel, in the code that PyTorch's compiler writes."""


class Counter(TorchDispatchMode):
    """Counts operators that compute within."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, operator, types, arguments=(), keywords=None):
        self.count += not operator.is_view
        return operator(*arguments, **(keywords or {}))


def main() -> None:
    setup = Setup(**CIFAR, device=torch.device("cpu"))
    network, (images, labels) = setup.network(), setup.data(IMAGES)
    loss, theta = classification_loss(network), [parameter.detach() for parameter in network.parameters()]
    batch = images, labels, even_weights(labels, images)
    ways = {"eager": (eager(loss), eager_calls), "compiled": (compiled(loss, IMAGES, False), compiled_calls)}
    rows = [
        {
            "student step": way,
            "gradient": count(lambda kernel=kernel: kernel.gradient(theta, *batch)),
            "gradients of its directional derivative": count(lambda kernel=kernel: kernel.slope(theta, *batch, theta)),
        }
        for way, (kernel, count) in ways.items()
    ]
    print(pd.DataFrame(rows).to_markdown(index=False))


def eager_calls(work: Callable) -> int:
    with Counter() as counter:
        work()
    return counter.count


def compiled_calls(work: Callable) -> int:
    from torch._inductor.utils import run_and_get_code  # here, because the compiler takes seconds to import

    return kernels(run_and_get_code(work)[1][-1])


def kernels(code: str) -> int:
    """Calls of kernels in a module that PyTorch's compiler wrote."""
    return len(CALL.findall(code[code.index("def call(") :]))


if __name__ == "__main__":
    main()
