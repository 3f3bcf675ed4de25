import numpy as np
import pandas as pd
import pytest

from seqmatch.analysis.convergence import WINDOWS, convergence_table


def quantity(table, name):
    return table[table["quantity"] == name].reset_index(drop=True)


def test_long_courses_are_means_over_windows():
    iterations = 7 * WINDOWS
    losses = np.arange(iterations, dtype=float)
    table = convergence_table(losses, 2 * losses, pd.DataFrame({"iteration": []}))
    means = quantity(table, "matching_loss")
    assert len(means) == WINDOWS and (means["window"] == 7).all()
    assert means["value"].tolist() == losses.reshape(WINDOWS, 7).mean(1).tolist() == means["iteration"].tolist()
    assert quantity(table, "step_size")["value"].tolist() == (2 * means["value"]).tolist()
    assert set(table["quantity"]) == {"matching_loss", "step_size"}


def test_the_last_window_may_be_shorter():
    table = convergence_table(np.arange(2 * WINDOWS - 1.0), np.ones(2 * WINDOWS - 1), pd.DataFrame())
    assert quantity(table, "matching_loss")["window"].tolist() == [2] * (WINDOWS - 1) + [1]


def test_short_courses_keep_every_iteration_and_validation_is_averaged_over_networks():
    scores = pd.DataFrame({"network": [0, 0, 1, 1], "iteration": [0, 5, 0, 5], "validation": [10.0, 50.0, 20.0, 70.0]})
    table = convergence_table(np.array([3.0, 2.0, 1.0]), np.ones(3), scores)
    assert quantity(table, "matching_loss")["value"].tolist() == [3, 2, 1]
    validation = quantity(table, "validation")
    assert validation["iteration"].tolist() == [0, 5] and validation["value"].tolist() == pytest.approx([15, 60])
