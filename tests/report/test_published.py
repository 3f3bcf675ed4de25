import pandas as pd
import pytest
from helpers.tiny import ROOT

from seqmatch.config.catalog import SOURCES
from seqmatch.errors import SeqmatchError
from seqmatch.planning import contents
from seqmatch.report.published import UNLISTED, beside_architectures, beside_methods, read_published
from seqmatch.report.tables.published import published_sheets

NAMES = {"convnet": "ConvNet-3"}
PATH = ROOT / "resources/published_results.csv"


def ours(dataset="mine", methods=("mtt", "seqmatch-mtt", "herding", "my-own"), ipc="10"):
    rows = [
        {"dataset": dataset, "ipc": ipc, "method": method, "accuracy_mean": 50.0 + index, "accuracy_std": 1.0}
        for index, method in enumerate(methods)
    ]
    return pd.DataFrame(rows).assign(architecture="convnet", accuracy_failed=0)


def test_every_published_number_has_a_reference():
    found = read_published(PATH)
    assert len(found) > 200 and found["source"].str.len().min() > 5
    chance = found["dataset"].map({"cifar100": 1, "tiny-imagenet": 0.5}).fillna(10)
    assert (found["accuracy_mean"] > chance).all() and found["accuracy_mean"].le(100).all()
    assert found["accuracy_std"].dropna().between(0.1, 2.5).all()
    assert set(found["dataset"]) <= set(SOURCES) and found["ipc"].str.fullmatch("[0-9]+|all").all()
    assert not found.duplicated(["table", "method", "dataset", "ipc", "network", "source"]).any()
    assert set(found["dataset"]) >= {"cifar10", "tiny-imagenet", "imagenette"}


def test_published_and_own_numbers_stand_side_by_side():
    published = read_published(PATH)
    table = beside_methods(ours(), published, {"mine": "cifar10"}, NAMES)
    mtt = table[table["method"] == "mtt"]
    listed = published.query("table == 1 and method == 'MTT' and dataset == 'cifar10' and ipc == '10'")
    assert sorted(mtt["published_mean"]) == sorted(listed["accuracy_mean"]) and (mtt["run_mean"] == 50.0).all()
    not_run = table[table["method"] == "haba"]
    assert not_run["run_mean"].isna().all() and not_run["published_mean"].notna().all()
    unlisted = table[table["method"] == "seqmatch-mtt"].iloc[0]
    assert pd.isna(unlisted["published_mean"]) and unlisted["reference"] == UNLISTED and unlisted["run_mean"] == 51.0
    assert table.set_index("method").loc["herding", ["published_mean", "run_mean"]].tolist() == [31.6, 52.0]
    unknown = table[table["method"] == "my-own"].iloc[0]
    assert pd.isna(unknown["published_mean"]) and pd.isna(unknown["reference"])
    counted = published.query("table == 1 and dataset == 'cifar10' and ipc == '10'")
    assert len(table) == len(counted) + 2  # ours that nobody has published


def test_what_publications_call_k_center_stands_beside_k_means():
    table = beside_methods(ours(methods=("k-means", "k-center")), read_published(PATH), {"mine": "cifar10"}, NAMES)
    rows = table.set_index("method")
    assert rows.loc["k-means", ["published_mean", "run_mean"]].tolist() == [36.4, 50.0]
    assert pd.isna(rows.loc["k-center", "published_mean"])


def test_cells_without_published_numbers_are_compared_with_nothing():
    published = read_published(PATH)
    assert beside_methods(ours(), published, {}, NAMES).empty
    assert beside_methods(ours(ipc="3"), published, {"mine": "cifar10"}, NAMES).empty
    (sheet,) = published_sheets(beside_methods(ours(), published, {}, NAMES))
    assert sheet.body.empty and sheet.note == "No cell of this run has published numbers."


def test_other_architectures_are_compared_on_the_same_one():
    own = ours(ipc="50").assign(architecture="mine18")
    table = beside_architectures(own, read_published(PATH), {"mine": "cifar10"}, {"mine18": "ResNet18"})
    rows = table.set_index("method")
    assert rows.loc["mtt", ["published_mean", "run_mean"]].tolist() == [61.9, 50.0]
    assert rows.loc["mtt", ["published_architecture", "run_architecture"]].tolist() == ["ResNet18", "mine18"]
    assert rows.loc["dc", "published_mean"] == 20.8 and pd.isna(rows.loc["dc", "run_mean"])
    assert set(table["method"]) == {"mtt", "ftd", "dc", "cafe", "seqmatch-mtt", "herding", "my-own"}
    assert beside_architectures(own, read_published(PATH), {"mine": "cifar10"}, {"mine18": "ResNet50"}).empty


def test_the_sheet_keeps_missing_numbers_empty():
    (sheet,) = published_sheets(beside_methods(ours(), read_published(PATH), {"mine": "cifar10"}, NAMES))
    rows = sheet.body.set_index("method")
    assert rows.loc["SeqMatch-MTT"].tolist() == ["mine ipc 10", "", "", UNLISTED, "51.0 ± 1.0", "convnet"]
    assert "65.3 ± 0.7" in rows.loc["MTT", "published"].tolist() and rows.loc["HaBa", "this run"] == ""


def test_sources_with_published_numbers_are_known_before_anything_runs():
    assert set(contents.PUBLISHED_SOURCES) == set(read_published(PATH)["dataset"])


def test_a_list_that_is_none_is_named(tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(SeqmatchError, match=r"x\.csv: not a list of published numbers; it has no column table"):
        read_published(tmp_path / "x.csv")
    with pytest.raises(SeqmatchError, match="cannot be read"):
        read_published(tmp_path / "y.csv")


def test_imagenet_subsets_have_theirs_from_table_3():
    table = beside_methods(ours("nette", ("mtt",)), read_published(PATH), {"nette": "imagenette"}, NAMES)
    assert table.set_index("method").loc["mtt", ["published_mean", "run_mean"]].tolist() == [63.0, 50.0]
