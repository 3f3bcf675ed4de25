"""What several subsets gain, from the cells of several machines."""

from itertools import product
from types import SimpleNamespace

import pandas as pd
import pytest
import study
from helpers.tiny import ROOT

from seqmatch import config
from seqmatch.errors import SeqmatchError
from seqmatch.files.store import load_table, load_table_header, save_table
from seqmatch.report.figures.gains import gains_figure

STUDY = config.load(config.read(ROOT / "config/study.yaml"))
LATER = [f"{number}-{when}" for number in ("two", "three", "five") for when in ("late", "early")]


def asked(folder, csv=None):
    folder.mkdir(exist_ok=True)
    page = folder / "study.md"
    page.write_text(f"before\n{study.MARK}\nold\n{study.MARK}\nafter\n")
    return SimpleNamespace(
        folder=folder, configfile=[ROOT / "config/study.yaml"], csv=csv or folder / "study.csv",
        figure=folder / "study.png", page=page,
    )  # fmt: skip


def finish(folder, dataset, ipc, gains, seeds=STUDY.config.seeds):
    """A cell as the workflow leaves it: `mtt` has 50 % and a point more with each seed, others what they gain."""
    runs = [run for run in STUDY.runs.values() if (run.dataset, run.ipc) == (dataset, ipc)]
    for run, seed in product(runs, seeds):
        gain = gains.get(run.method, 0.0)
        about = {"dataset": dataset, "method": run.method, "K": run.subsets, "ipc": str(ipc), "seed": seed}
        about |= {"matched_on": "convnet", "architecture": "convnet", "selection": "validation", "seconds": 1.0,
                  "selected_on": 9, "undistilled": 0, "stored_numbers": 1280}  # fmt: skip
        accuracy = [50 + seed + gain * (1 + seed / 10) + network for network in (0, 1)]
        path = folder / f"results/{dataset}/{run.method}/ipc{ipc}/seed{seed}/accuracy/convnet.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        table = pd.DataFrame({**about, "network": [0, 1], "accuracy": accuracy})
        save_table(path, table, {"device": "cpu", "versions": {}})


def test_each_method_of_several_subsets_is_compared_at_equal_ipc_and_at_equal_compute(tmp_path, capsys):
    args = asked(tmp_path)
    finish(tmp_path, "fashion-mnist", 5, {"two-late": 2.0, "mtt-as-two": 0.5, "mtt-as-five": -1.0})
    study.main(args)
    assert capsys.readouterr().out == "1 of 8 cells are done\n"
    table = load_table(args.csv)
    assert list(table["method"]) == [name for name in LATER for _ in ("ipc", "compute")]
    assert set(table["baseline"][table["equal"] == "ipc"]) == {"mtt"}
    equal = table[table["equal"] == "compute"].set_index("method")
    assert list(equal["baseline"]) == [f"mtt-as-{name.split('-')[0]}" for name in equal.index]
    of_late = equal["compute"][["two-late", "three-late", "five-late"]]
    assert (of_late > 1).all()  # by its teachers
    assert equal["difference"]["two-late"] == pytest.approx(1.5 * 1.2) and equal["low"]["two-late"] < 1.8
    assert table["difference"][0] == pytest.approx(2.0 * 1.2) and equal["difference"]["five-early"] == pytest.approx(
        1.2
    )
    text = args.page.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "two-late (K = 2)" in text and "old" not in text
    assert args.figure.stat().st_size > 1000


def test_cells_of_two_machines_are_adjusted_together_as_if_of_one(tmp_path):
    first, both = asked(tmp_path / "first"), asked(tmp_path / "both")
    second = asked(tmp_path / "second", first.csv)
    of_cifar, of_fashion = ("cifar10", 10, {"two-late": 1.0}), ("fashion-mnist", 5, {"five-early": -1.0})
    finish(first.folder, *of_cifar)
    finish(second.folder, *of_fashion)
    for cell in (of_cifar, of_fashion):
        finish(both.folder, *cell)
    for args in (first, second, both):
        study.main(args)
    pd.testing.assert_frame_equal(load_table(first.csv), load_table(both.csv))
    assert load_table_header(first.csv)["inputs"] == load_table_header(both.csv)["inputs"]
    finish(second.folder, "fashion-mnist", 5, {"five-early": 3.0})
    study.main(second)
    again = load_table(first.csv).set_index(["dataset", "method", "equal"])["difference"]
    assert again["fashion-mnist", "five-early", "ipc"] > 3 and again["cifar10", "two-late", "ipc"] > 1


def test_a_page_without_a_place_for_the_table_changes_nothing(tmp_path):
    args = asked(tmp_path)
    finish(tmp_path, "cifar10", 5, {})
    args.page.write_text(f"a page with one {study.MARK}")
    with pytest.raises(SeqmatchError, match=r"study.md: expected two lines <!-- .* found 1"):
        study.main(args)
    assert not args.csv.exists() and not args.figure.exists()


def test_a_cell_without_all_its_seeds_waits(tmp_path):
    args = asked(tmp_path)
    finish(tmp_path, "cifar10", 5, {}, seeds=[0, 1])
    with pytest.raises(SeqmatchError, match="no cell of this experiment has all its accuracies yet"):
        study.main(args)


def test_a_panel_for_each_data_set_and_each_equality_has_a_point_for_each_difference():
    rows = [
        ("digits", "5", "two-late", 2, "ipc", 1.0, 0.5, 1.5, 0.01),
        ("digits", "10", "two-late", 2, "ipc", 2.0, -1.0, 5.0, 0.3),
        ("digits", "5", "two-late", 2, "compute", -1.0, -2.0, 0.5, 0.2),
        ("other", "10", "three-late", 3, "compute", -3.0, -4.0, -2.0, 0.04),
    ]
    table = pd.DataFrame(rows, columns=["dataset", "ipc", "method", "K", "equal", "difference", "low", "high", "q"])
    figure = gains_figure(table)
    titles = [f"({letter}) {cell}" for letter, cell in zip("abcd", product_of(("digits", "other")), strict=True)]
    assert [panel.get_title() for panel in figure.axes] == titles
    points = [[line for line in panel.lines if line.get_marker() == "o"] for panel in figure.axes]
    assert [[float(line.get_ydata()[0]) for line in drawn] for drawn in points] == [[1.0, 2.0], [-1.0], [], [-3.0]]
    filled = [[line.get_markerfacecolor() != "white" for line in drawn] for drawn in points]
    assert filled == [[True, False], [False], [], [True]]
    assert [round(float(line.get_xdata()[0])) for line in points[0]] == [0, 1]
    assert [text.get_text() for text in figure.legends[0].texts] == [
        "two-late (K = 2)",
        "three-late (K = 3)",
        "significant",
    ]


def product_of(datasets):
    return [f"{dataset}, at equal {equal}" for dataset, equal in product(datasets, ("ipc", "compute"))]


def test_the_study_compares_each_number_of_subsets_with_a_set_that_costs_as_much():
    found = {study.equal_in(STUDY, "cifar10", "20", "three-early", name) for name in ("mtt-as-two", "mtt-as-five")}
    assert found == {None}
    assert study.equal_in(STUDY, "cifar10", "20", "three-early", "mtt-as-three") == "compute"
