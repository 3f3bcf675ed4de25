"""How a subset's distillation went: matching loss, step size and validation accuracy along its iterations. No torch."""

import numpy as np
import pandas as pd

WINDOWS = 50
"""At most so many means stand for the matching losses of all iterations, and so many for the step sizes."""


def convergence_table(matching_losses: np.ndarray, step_sizes: np.ndarray, scores: pd.DataFrame) -> pd.DataFrame:
    """The course of one subset's distillation, thinned and smoothed by means over windows of iterations.

    The windows are at most `WINDOWS`, do not overlap, and are of one length, but for a shorter one at the end.

    Args:
        matching_losses, step_sizes: one number an iteration.
        scores: as `seqmatch.analysis.evaluation.score_snapshots` returns; `validation` is used, where it is there.

    Returns:
        One row a quantity and point: `quantity` (matching_loss, step_size, or validation: accuracy of a snapshot in
        percent, mean over networks), `iteration` (the middle of the window, or updates done before the snapshot),
        `window` (iterations that the value is the mean of), `value`.
    """
    iterations = np.arange(len(matching_losses))
    length = max(1, -(-len(iterations) // WINDOWS))
    windows = [iterations[first : first + length] for first in range(0, len(iterations), length)]
    rows = [
        {"quantity": name, "iteration": window.mean(), "window": len(window), "value": values[window].mean()}
        for name, values in (("matching_loss", matching_losses), ("step_size", step_sizes))
        for window in windows
    ]
    if "validation" in scores:
        means = scores.groupby("iteration")["validation"].mean()
        rows += [
            {"quantity": "validation", "iteration": iteration, "window": 1, "value": value}
            for iteration, value in means.items()
        ]
    return pd.DataFrame(rows)
