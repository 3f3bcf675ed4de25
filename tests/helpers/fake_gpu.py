"""A fake GPU: tensors that say they are on a GPU, and hold their numbers in main memory.

While a `FakeGpu` is active, what is placed on `CUDA` behaves as on a GPU where it matters for a program's correctness:
operators that meet tensors of both places fail, but for those that CUDA allows; so do draws on the GPU from a CPU
generator. The numbers are those of the CPU's own kernels, so a run on the GPU has to equal a run without it.
A real GPU's own kernels (cuDNN's algorithms, atomic sums) are not imitated.

PyTorch's fake tensors cannot do this: without a driver its autograd fails on tensors of CUDA. To autograd these are
tensors of its `meta` device; to Python, and so to the library, of CUDA.
"""

import sys
from contextlib import ExitStack

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map, tree_map_only

CUDA = torch.device("cuda", 0)
META = torch.device("meta")

aten = torch.ops.aten
TAKES_CPU_INDICES = {aten.index.Tensor, aten.index_put.default, aten.index_put_.default}
COPIES = {aten.copy_.default, aten._to_copy.default}
ASKS = {
    aten._local_scalar_dense.default,
    aten.equal.default,
    aten.nonzero.default,
    aten.masked_select.default,
    aten._unique.default,
    aten._unique2.default,
    aten.bincount.default,
}
"""Operators whose result the program needs to go on."""


class WrongDevice(RuntimeError):
    """An operator met tensors of both places."""


class OnGpu(Tensor):
    """A tensor on the fake GPU."""

    @staticmethod
    def __new__(cls, numbers: Tensor):
        made = torch.Tensor._make_wrapper_subclass(
            cls, numbers.shape, strides=numbers.stride(), dtype=numbers.dtype, device=META
        )
        made.numbers = numbers
        return made

    device = property(lambda self: CUDA)
    is_cuda = property(lambda self: True)
    is_meta = property(lambda self: False)

    @property
    def data(self):
        return self.detach()

    @data.setter
    def data(self, other):
        if not isinstance(other, OnGpu):
            raise WrongDevice("data of the CPU for a tensor on the GPU")
        self.numbers = other.numbers

    def __repr__(self):
        return f"OnGpu({self.numbers})"

    @classmethod
    def __torch_dispatch__(cls, operator, types, args=(), kwargs=None):
        raise RuntimeError(f"{operator} on the GPU, which is not there any more")


class FakeGpu:
    """Active as a context manager; knows where the program waited for the GPU."""

    def __init__(self):
        self.waits: list[str] = []
        """Functions of the library that stopped until the GPU had done all it was told to, one name each time."""
        self._modes = ExitStack()

    def __enter__(self):
        places = _Places()
        self._modes.enter_context(places)
        self._modes.enter_context(_Kernels(self.waits, places))
        return self

    def __exit__(self, *error):
        self._modes.close()


class _Places(TorchFunctionMode):
    """Calls of Python for the GPU: under them, CUDA is `meta`."""

    templates = False
    """Whether the call is for real tensors of `meta`, which have no numbers."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function is torch.device:
            return function(*args, **kwargs)
        if function is Tensor.new_tensor and isinstance(args[0], OnGpu):
            return torch.tensor(args[1], dtype=args[0].dtype).to(META)
        if function is torch.tensor and _is_gpu(kwargs.get("device")):
            return torch.tensor(*args, **kwargs | {"device": "cpu"}).to(META)
        before, self.templates = self.templates, kwargs.get("device") == META
        try:
            return function(*map(_beneath, args), **{name: _beneath(value) for name, value in kwargs.items()})
        finally:
            self.templates = before


def _is_gpu(place) -> bool:
    return isinstance(place, torch.device | str) and str(place).startswith("cuda")


def _beneath(place):
    return META if _is_gpu(place) else place


class _Kernels(TorchDispatchMode):
    """Operators on the GPU: where their tensors are is checked, then the CPU computes."""

    def __init__(self, waits: list[str], places: _Places):
        super().__init__()
        self.waits, self.places = waits, places

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        place = kwargs.get("device")
        template = self.places.templates if not tensors else any(tensor.is_meta for tensor in tensors)
        if not any(isinstance(tensor, OnGpu) for tensor in tensors) and (place != META or template):
            return operator(*args, **kwargs)
        if operator is aten._efficientzerotensor.default:  # the CPU's kernels take none
            operator = aten.zeros.default
        if operator._can_decompose():  # inference mode hands on whole composites
            with self:
                return operator.decompose(*args, **kwargs)
        check(operator, args, kwargs)
        if waits(operator, args, kwargs):
            self.waits.append(_caller())
        known = {id(fetched(tensor)): tensor for tensor in tensors}
        with torch.inference_mode(False):  # where views of tensors that are not of inference are not either
            result = operator(*fetched(args), **fetched(kwargs | ({} if place is None else {"device": "cpu"})))
            if place not in (None, META):
                return result
            return tree_map_only(Tensor, lambda one: known[id(one)] if id(one) in known else OnGpu(one), result)


def check(operator, args, kwargs):
    """Refuse what CUDA refuses: tensors of both places, but for copies, indices, and numbers in pointwise operators.

    Raises:
        WrongDevice: it is refused.
    """
    if kwargs.get("generator") is not None:
        raise WrongDevice(f"{operator} on the GPU draws from a generator of the CPU")
    if operator in COPIES:
        return
    arguments = operator._schema.arguments
    given = {argument.name: value for argument, value in zip(arguments, args, strict=False)} | kwargs
    for argument in arguments:
        if operator in TAKES_CPU_INDICES and argument.name == "indices":
            continue
        written = argument.alias_info is not None and argument.alias_info.is_write
        for tensor in tree_leaves(given.get(argument.name)):
            if not isinstance(tensor, Tensor) or isinstance(tensor, OnGpu):
                continue
            if tensor.ndim or written or torch.Tag.pointwise not in operator.tags:
                raise WrongDevice(
                    f"{operator}: its {argument.name} {tuple(tensor.shape)} is on {tensor.device}, the rest on the GPU"
                )


def waits(operator, args, kwargs) -> bool:
    """Whether the program stops here until the GPU has done all it was told to."""
    if operator in COPIES:
        if operator is aten.copy_.default:
            source, arrives, blocks = args[1], isinstance(args[0], OnGpu), args[2:] != (True,)
        else:
            source, arrives, blocks = args[0], kwargs.get("device") in (None, META), not kwargs.get("non_blocking")
        leaves = isinstance(source, OnGpu)
        return leaves != arrives and (leaves or blocks)
    if operator in TAKES_CPU_INDICES:
        return any(index.dtype == torch.bool or not isinstance(index, OnGpu) for index in args[1] if index is not None)
    return operator in ASKS


def fetched(value):
    """The same with the numbers of tensors on the GPU in their place."""
    return tree_map(lambda leaf: leaf.numbers if isinstance(leaf, OnGpu) else leaf, value)


def _caller() -> str:
    """The innermost function of the library that is running: `module.function`."""
    frame = sys._getframe(1)
    while frame is not None and not (
        frame.f_globals["__name__"].startswith("seqmatch.") and frame.f_code.co_name.isidentifier()
    ):
        frame = frame.f_back
    return f"{frame.f_globals['__name__'].removeprefix('seqmatch.')}.{frame.f_code.co_name}" if frame else "elsewhere"
