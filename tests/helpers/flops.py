"""Operations as PyTorch counts them, of all that runs, gradients of gradients too."""

from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


class Counted(TorchDispatchMode):
    """Within, `total` grows by the operations of convolutions and products of matrices."""

    def __init__(self):
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        if count := flop_registry.get(function._overloadpacket):
            self.total += count(*args, **(kwargs or {}), out_val=out)
        return out
