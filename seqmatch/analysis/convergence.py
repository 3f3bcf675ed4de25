"""How the distillation of a subset went: matching loss, step size and validation accuracy by iteration. No torch."""

import numpy as np
import pandas as pd

WINDOWS = 50
"""At most so many means per quantity stand for those of all iterations."""


def convergence_table(matching_losses: np.ndarray, step_sizes: np.ndarray, scores: pd.DataFrame) -> pd.DataFrame:
    """The course of one subset's distillation, thinned and smoothed by means over windows of iterations.

    There are at most `WINDOWS` windows. They do not overlap, and all are of one length; the last may be shorter.

    Args:
        matching_losses, step_sizes: one number per iteration.
        scores: as `seqmatch.analysis.evaluation.score_snapshots` returns; its column `validation` is used if it exists.

    Returns:
        One row per quantity and point: `quantity` (matching_loss, step_size, or validation: accuracy of a snapshot in
        percent, mean over networks, empty where one failed), `iteration` (the middle of the window, or updates done
        before the snapshot), `window` (iterations that the value is the mean of), `value`.
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
        means = scores.groupby("iteration")["validation"].agg(lambda of: of.mean(skipna=False))
        rows += [
            {"quantity": "validation", "iteration": iteration, "window": 1, "value": value}
            for iteration, value in means.items()
        ]
    return pd.DataFrame(rows)
