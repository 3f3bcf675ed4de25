"""The gradient of a loss and its derivative along a direction, in two halves of which the second repeats no product.

∇ℓ, differentiated forwards along a direction, gives ∂s/∂θ and ∂s/∂x of s = ⟨∇_θ ℓ, direction⟩, since second derivatives
are symmetric. Traced as one list of operators it falls apart: what does not depend on the direction is the first half,
the rest the second. Between them go what convolutions and products of matrices wrote; all else is cheap, and computed
again. So a step of a student costs as many convolutions as in one graph through all steps: 3 + 6 forward passes' worth
in place of 3 + 8.
"""

import operator
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, fx
from torch.func import functionalize, grad, jvp

from seqmatch.networks import channels_last
from seqmatch.runtime.compilation import tracing

_ATEN = torch.ops.aten
_BACKWARD = _ATEN.convolution_backward.default
_PRODUCTS = {_ATEN.convolution.default, _ATEN.mm.default, _ATEN.addmm.default, _ATEN.bmm.default, _ATEN.baddbmm.default}
_ZEROS = {_ATEN.zeros.default, _ATEN._efficientzerotensor.default}
_SHAPING = {_ATEN.expand.default, _ATEN.alias.default, _ATEN.clone.default, _ATEN.view.default}


def halves(loss: Callable, theta: Sequence[Tensor], *batch: Tensor) -> tuple[fx.GraphModule, fx.GraphModule]:
    """The halves of a `Loss` for tensors of these shapes.

    Returns:
        From the parameters one by one, images, labels and weights to ∇_θ ℓ and what is kept, as one list; from the
        same, what was kept, and a direction one by one to ∂s/∂θ, ∂s/∂images and, where labels are shares of classes,
        ∂s/∂labels.
    """
    from torch.fx.experimental.proxy_tensor import make_fx  # here, because it imports the compiler, seconds per process

    count, wanted = len(theta), (0, 1, 2) if batch[1].is_floating_point() else (0, 1)

    def both(*tensors: Tensor) -> tuple[Tensor, ...]:
        (images, labels, weights), direction = tensors[count : count + 3], tensors[count + 3 :]
        along, start = ([channels_last(tensor) for tensor in group] for group in (direction, tensors[:count]))

        def gradients(moved: list[Tensor]) -> tuple:
            return grad(loss, argnums=wanted)(moved, channels_last(images), labels, weights)

        (first, *_), (by_theta, *by_batch) = jvp(gradients, (start,), (along,))
        return (*first, *by_theta, *by_batch)

    with tracing():
        # Copies, because jvp wants both to begin at equal places of their storages, and parameters may be views.
        start, along = ([tensor.clone() for tensor in theta] for _ in range(2))
        traced = make_fx(functionalize(both, remove="mutations"), tracing_mode="fake")(*start, *batch, *along)
    return _split(_without_zeros(traced), count)


def _without_zeros(traced: fx.GraphModule) -> fx.GraphModule:
    """Without products of zeros: the images have no tangent, which is traced as zeros."""
    zero: set[fx.Node] = set()
    for node in traced.graph.nodes:
        if node.target in _ZEROS or (node.target in _SHAPING and node.args[0] in zero):
            zero.add(node)
        elif _multiplies_zeros(node, zero):
            value = node.meta["val"]
            with traced.graph.inserting_before(node):
                filled = traced.graph.call_function(
                    _ATEN.full.default, (list(value.shape), 0.0), {"dtype": value.dtype, "device": value.device}
                )
            filled.meta["val"] = value
            node.replace_all_uses_with(filled)
    traced.graph.eliminate_dead_code()
    return traced


def _multiplies_zeros(node: fx.Node, zero: set[fx.Node]) -> bool:
    if node.target is _ATEN.convolution.default:
        return node.args[2] is None and bool(zero & {*node.args[:2]})
    if node.target is operator.getitem and node.args[0].target is _BACKWARD:
        source, part = node.args  # the gradients of its input and its weight, of which each multiplies the other
        return source.args[0] in zero or (part < 2 and source.args[2 - part] in zero)
    return False


def _split(traced: fx.GraphModule, count: int) -> tuple[fx.GraphModule, fx.GraphModule]:
    nodes = list(traced.graph.nodes)
    inputs, results = [node for node in nodes if node.op == "placeholder"], nodes[-1].args[0]
    fixed, direction = inputs[: count + 3], inputs[count + 3 :]
    moving = set(direction)
    for node in nodes:
        if not moving.isdisjoint(node.all_input_nodes):
            moving.add(node)
    between = [node for node in nodes if node not in moving and _is_product(node)]
    needed = _reached(results[count:], {*between})
    kept = [node for node in between if node in needed]
    return (
        _part(traced, fixed, [*results[:count], *kept]),
        _part(traced, [*fixed, *kept, *direction], results[count:]),
    )


def _is_product(node: fx.Node) -> bool:
    source = node.args[0] if node.target is operator.getitem else None
    return node.target in _PRODUCTS or (source is not None and source.target is _BACKWARD)


def _reached(ends: Sequence[fx.Node], borders: set[fx.Node]) -> set[fx.Node]:
    """All nodes that these are computed from, up to the borders."""
    found, left = set(), list(ends)
    while left:
        node = left.pop()
        if node not in found:
            found.add(node)
            left += [] if node in borders else node.all_input_nodes
    return found


def _part(traced: fx.GraphModule, inputs: Sequence[fx.Node], results: Sequence[fx.Node]) -> fx.GraphModule:
    """What computes some results from some nodes."""
    graph, copies = fx.Graph(), {}
    for node in inputs:
        copies[node] = graph.placeholder(node.name)
    needed = _reached(results, {*inputs})
    for node in traced.graph.nodes:
        if node in needed and node not in copies:
            copies[node] = graph.node_copy(node, copies.__getitem__)
    graph.output([copies[node] for node in results])
    return fx.GraphModule(traced, graph)
