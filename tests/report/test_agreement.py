"""Published numbers beside runs that are meant to reproduce them."""

from types import SimpleNamespace

import corner
import pandas as pd
import pytest
from helpers.tiny import ROOT

from seqmatch import config
from seqmatch.errors import SeqmatchError
from seqmatch.files.store import digest, load_table, load_table_header, save_table
from seqmatch.report.agreement import agreement, agreement_body
from seqmatch.report.figures.agreement import agreement_figure
from seqmatch.report.published import read_published

PUBLISHED = pd.DataFrame(
    {
        "method": ["Random", "Random", "DSA", "DSA"],
        "dataset": "cifar10",
        "ipc": "1",
        "accuracy_mean": [14.4, 15.0, 28.8, 28.0],
        "accuracy_std": [2.0, 0.2, 0.7, 0.7],
        "source": ["a", "b", "a", "b"],
    }
)


def cells(**published):
    """Cells of methods, each with the name and the reference of its published number."""
    rows = [
        {"dataset": "jpeg", "ipc": "1", "method": method, "published_method": name, "published_dataset": "cifar10",
         "reference": reference, "data": "JPEG files", "experts": "", "iterations": "5 of 9", "other": ""}
        for method, (name, reference) in published.items()
    ]  # fmt: skip
    return pd.DataFrame(rows)


def ours(**means):
    return pd.DataFrame(
        {"dataset": "jpeg", "ipc": "1", "method": list(means), "accuracy_mean": list(means.values()),
         "accuracy_std": 1.0, "accuracy_failed": 0, "std_between_seeds": 0.5, "test_selected_mean": None,
         "networks": 10, "seeds": 2, "pflop": 0.25}
    )  # fmt: skip


@pytest.mark.parametrize(
    "method, name, mean, within",
    [
        ("random", "Random", 18.3, "yes"),  # two published deviations are 4 points
        ("random", "Random", 18.5, "no"),
        ("dsa", "DSA", 26.9, "yes"),  # never less than 2 points
        ("dsa", "DSA", 26.7, "no"),
        ("dsa", "DSA", 30.9, "no"),
    ],
)
def test_a_mean_is_within_two_points_or_two_published_deviations(method, name, mean, within):
    found = agreement(ours(**{method: mean}), cells(**{method: (name, "a")}), PUBLISHED)
    assert list(found["within"]) == [within]


def test_cells_are_joined_with_the_number_that_they_name_and_those_not_run_are_left_out():
    listed = cells(dsa=("DSA", "b"), mine=("", ""), random=("Random", "a"))
    found = agreement(ours(mine=50.0, dsa=28.5), listed, PUBLISHED)
    assert list(found["method"]) == ["dsa", "mine"]
    assert found["published_mean"][0] == 28.0 and found["difference"][0] == 0.5
    assert found["published_mean"].isna()[1] and list(found["within"]) == ["yes", ""]
    body = agreement_body(found).iloc[1]
    assert body["ours (networks, seeds)"] == "50.0 ± 1.0 (10, 2)" and body["difference"] == ""
    assert body["not as published"] == "JPEG files; iterations: 5 of 9"


def test_a_cell_with_failed_networks_is_not_within_and_says_so():
    nan = float("nan")
    table = ours(dsa=28.5, random=nan).assign(accuracy_failed=[1, 10], accuracy_std=[1.0, nan])
    found = agreement(table, cells(dsa=("DSA", "a"), random=("Random", "a")), PUBLISHED)
    assert list(found["within"]) == ["no", "no"]
    shown = agreement_body(found)["ours (networks, seeds)"]
    assert list(shown) == ["28.5 ± 1.0, 1 failed (10, 2)", "10 failed (10, 2)"]
    assert len(agreement_figure(found).axes[0].containers) == 1
    assert agreement_figure(found[1:]).axes[0].get_xlim() == (0, 100)  # nothing to draw


@pytest.mark.parametrize("reference", ["c", ""])
def test_a_number_that_is_not_listed_is_an_error(reference):
    with pytest.raises(SeqmatchError, match="expected one such published number, found 0"):
        agreement(ours(dsa=28.0), cells(dsa=("DSA", reference)), PUBLISHED)


def test_each_cell_with_a_published_number_is_a_point():
    found = agreement(
        ours(random=15.0, dsa=28.5, mine=1.0), cells(random=("Random", "a"), dsa=("DSA", "a"), mine=("", "")), PUBLISHED
    )
    panel = agreement_figure(found).axes[0]
    points = [tuple(map(float, container.lines[0].get_xydata()[0])) for container in panel.containers]
    assert points == [(14.4, 15.0), (28.8, 28.5)]


def asked(folder):
    """What tools/corner.py is called with, writing beside `folder`'s results."""
    page = folder / "corner.md"
    page.write_text(f"before\n{corner.MARK}\nold\n{corner.MARK}\nafter\n")
    resources = ROOT / "resources"
    return SimpleNamespace(
        folder=folder, configfile=[ROOT / "config/corner.yaml"], cells=resources / "corner.csv",
        published=resources / "published_results.csv", csv=folder / "corner.csv", figure=folder / "f.png", page=page,
    )  # fmt: skip


def finish(folder, method, accuracies, seed=1):
    """A run of `method` at one image per class, as the workflow leaves it."""
    path = folder / f"results/cifar10/{method}/ipc1/seed{seed}/accuracy/convnet.csv"
    about = {"dataset": "cifar10", "method": method, "K": 1, "ipc": "1", "matched_on": "convnet", "seed": seed}
    about |= {
        "architecture": "convnet",
        "selection": "last",
        "seconds": 1.0,
        "selected_on": 0,
        "undistilled": 0,
        "stored_numbers": 1280,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    networks = pd.DataFrame({**about, "network": range(len(accuracies)), "accuracy": accuracies})
    save_table(path, networks, {"device": "cpu", "versions": {}})


def test_the_tool_takes_what_is_finished(tmp_path, capsys):
    args = asked(tmp_path)
    with pytest.raises(SeqmatchError, match="no accuracy of this experiment is there yet"):
        corner.main(args)
    finish(tmp_path, "random", [15.0, 16.0])
    corner.main(args)
    assert capsys.readouterr().out == "1 of 1 cells lie within the bound\n"
    (row,) = load_table(args.csv).to_dict("records")
    assert (row["published_mean"], row["accuracy_mean"], row["seeds"], row["within"]) == (14.4, 15.5, 1, "yes")
    text = args.page.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "| random" in text and "old" not in text
    assert "\n- cifar10 ipc 1, random: JPEG files; " in text
    assert args.figure.stat().st_size > 1000


def test_cells_of_other_folders_stay(tmp_path):
    first, second = (asked(tmp_path / name) for name in ("first", "second") if not (tmp_path / name).mkdir())
    finish(first.folder, "random", [15.0, 16.0])
    finish(first.folder, "dsa", [28.0, 29.0])
    corner.main(first)
    before = load_table(first.csv)
    second.csv = first.csv
    finish(second.folder, "herding", [20.0, 21.0])
    finish(second.folder, "dsa", [30.0, 31.0, 32.0])
    corner.main(second)
    after = load_table(first.csv)
    assert list(after["method"]) == ["random", "herding", "dsa"]
    assert list(after["accuracy_mean"]) == [15.5, 20.5, 31.0]
    pd.testing.assert_frame_equal(after[:1], before[:1], check_dtype=False)
    random, dsa = (f"results/cifar10/{method}/ipc1/seed1/accuracy/convnet.csv" for method in ("random", "dsa"))
    inputs = load_table_header(first.csv)["inputs"]
    assert len(inputs) == 3
    assert (inputs[random], inputs[dsa]) == (digest(first.folder / random), digest(second.folder / dsa))


def test_cells_of_other_folders_are_compared_with_what_they_are_meant_to_reproduce_now(tmp_path):
    first, second = (asked(tmp_path / name) for name in ("first", "second") if not (tmp_path / name).mkdir())
    finish(first.folder, "random", [15.0, 16.0])
    corner.main(first)
    second.csv, second.cells = first.csv, tmp_path / "cells.csv"
    listed = pd.read_csv(first.cells, dtype=str, keep_default_na=False)
    theirs = ["published_method", "published_dataset", "reference"]
    listed.assign(other="told anew", **dict.fromkeys(theirs, "")).to_csv(second.cells, index=False)
    finish(second.folder, "herding", [20.0, 21.0])
    corner.main(second)
    random, herding = load_table(first.csv).to_dict("records")
    assert random["accuracy_mean"] == 15.5 and pd.isna(random["published_mean"]) and pd.isna(random["within"])
    assert random["other"] == herding["other"] == "told anew"


def test_fewer_seeds_do_not_take_the_place_of_more(tmp_path):
    first, second = (asked(tmp_path / name) for name in ("first", "second") if not (tmp_path / name).mkdir())
    for seed in (0, 1):
        finish(first.folder, "random", [15.0, 16.0], seed)
    corner.main(first)
    second.csv = first.csv
    finish(second.folder, "random", [15.0, 16.0])
    before = first.csv.read_bytes()
    with pytest.raises(SeqmatchError, match=r"has 2 seeds of cifar10 1 random, more than the 1 of this folder"):
        corner.main(second)
    assert first.csv.read_bytes() == before


def test_every_cell_of_the_list_is_one_of_the_experiment_and_names_a_number_that_is_there():
    listed = pd.read_csv(ROOT / "resources/corner.csv", dtype=str, keep_default_na=False)
    runs = config.load(config.read(ROOT / "config/corner.yaml")).runs
    assert set(zip(listed["dataset"], listed["method"], listed["ipc"], strict=True)) == set(runs)
    constant = {"accuracy_mean": 50.0, "accuracy_std": 1.0, "accuracy_failed": 0, "std_between_seeds": 1.0,
                "test_selected_mean": None, "networks": 1, "seeds": 1, "pflop": 1.0}  # fmt: skip
    means = pd.DataFrame({**listed[["dataset", "ipc", "method"]], **constant})
    found = agreement(means, listed, read_published(ROOT / "resources/published_results.csv"))
    assert (found["published_mean"].notna() == (listed["published_method"] != "")).all()
