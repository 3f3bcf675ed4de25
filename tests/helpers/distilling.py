"""Distillation from its beginning to its end."""

from seqmatch.distillation.loop import State, distill


def distilled(initial, prefix, step, matching, checkpoint, device, *restarts):
    """Snapshots of `initial` after all iterations; a state found in `checkpoint` is resumed."""
    state = State(initial, matching, device)
    distill(matching.iterations, state, prefix, step, checkpoint, *restarts)
    return state.snapshots()
