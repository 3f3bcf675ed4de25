import itertools
import json

import numpy as np
import pandas as pd
import pytest
from helpers.names import LOOK_LIKE_OTHERS, run_script
from helpers.tiny import ROOT
from scipy import stats

from seqmatch import config
from seqmatch.config.experiment import SECTIONS
from seqmatch.errors import SeqmatchError
from seqmatch.files.kinds import Accuracy
from seqmatch.files.store import load_table, load_tables, save_table
from seqmatch.report.published import UNLISTED, beside_architectures, beside_methods, read_published
from seqmatch.report.tables.architectures import architectures_sheets, architectures_table
from seqmatch.report.tables.comparison import comparison_sheets, comparison_table, not_told_from_best
from seqmatch.report.tables.fair import fair_sheets, fair_table
from seqmatch.report.tables.methods import methods_sheets, methods_table
from seqmatch.report.tables.prefixes import prefixes_sheets, prefixes_table
from seqmatch.report.tables.published import published_sheets
from seqmatch.report.tables.settings import UNSET, settings_sheets, settings_table
from seqmatch.report.tables.stability import stability_sheets
from seqmatch.report.tables.text import Sheet, bold, grid, interleaved, to_latex, to_markdown

ORDER = ["random", "mtt", "seqmatch-mtt", "whole"]
PUBLISHED = read_published(ROOT / "resources/published_results.csv")


def runs_of(method, k, values, seeds=(0, 1), **others):
    """One row per seed and network; each seed's accuracies are higher by one than the last one's."""
    about = {"dataset": "digits", "ipc": "2", "matched_on": "convnet", "architecture": "convnet", "selection": "last"}
    about |= {"selected_on": 0, "undistilled": 0, "stored_numbers": 1280, "image_numbers": 1280}
    return [
        about
        | {"method": method, "K": k, "seed": seed, "network": network, "accuracy": value + seed, "seconds": 1.0}
        | others
        for seed in seeds
        for network, value in enumerate(values)
    ]


def accuracy(**everywhere):
    rows = [
        *runs_of("seqmatch-mtt", 2, [80.0, 82.0], selection="validation"),
        *runs_of("seqmatch-mtt", 2, [70.0, 72.0]),
        *runs_of("seqmatch-mtt", 2, [90.0, 92.0], selection="test"),
        *runs_of("seqmatch-mtt", 2, [60.0, 62.0], selection="validation", architecture="resnet18"),
        *runs_of("random", 1, [50.0, 52.0]),
        *runs_of("random", 1, [61.0, 63.0], architecture="resnet18"),
        *runs_of("whole", 0, [99.0, 99.0], ipc="all"),
    ]
    return pd.DataFrame(rows).assign(**everywhere)


def table1_text(rows, networks=None, **sources):
    table = methods_table(rows, ORDER)
    networks = networks or {"convnet": "ConvNet-3"}
    compared = beside_methods(table, PUBLISHED, sources, networks)
    return to_markdown(methods_sheets(table, compared, "Table 1: accuracy", networks))


def table2_text(rows, networks=None, **sources):
    table = architectures_table(rows, ORDER)
    return to_markdown(architectures_sheets(table, beside_architectures(table, PUBLISHED, sources, networks or {})))


def cells_of(text, method):
    """The entries of the first row of a Markdown text that begins with `method`."""
    row = next(line for line in text.splitlines() if line.startswith(f"| {method} "))
    return [cell.strip() for cell in row.strip("|").split("|")][1:]


def test_a_file_that_is_no_table_of_accuracies_is_named(tmp_path):
    save_table(tmp_path / "x.csv", pd.DataFrame({"a": [1]}), {})
    with pytest.raises(SeqmatchError, match=r"x\.csv: not a table of accuracies; it has no column dataset"):
        load_tables([tmp_path / "x.csv"], Accuracy)


def test_table1_has_a_row_per_method_in_order():
    table = methods_table(accuracy(), ORDER).set_index("method")
    assert list(table.index) == ["random", "seqmatch-mtt", "whole"]
    row = table.loc["seqmatch-mtt"]
    assert (row["selection"], row["networks"], row["seeds"], row["K"]) == ("validation", 4, 2, 2)
    values = pd.Series([80.0, 82.0, 81.0, 83.0])
    assert row["accuracy_mean"] == pytest.approx(81.5) and row["accuracy_std"] == pytest.approx(values.std())
    assert row["last_mean"] == pytest.approx(71.5) and row["test_selected_mean"] == pytest.approx(91.5)


def test_spread_over_networks_and_spread_between_seeds_are_kept_apart():
    rows = pd.DataFrame([*runs_of("mtt", 1, [80.0, 84.0], seeds=(0,)), *runs_of("mtt", 1, [90.0, 96.0], seeds=(1,))])
    row = methods_table(rows, ORDER).iloc[0]
    assert row["std_within_seeds"] == pytest.approx(((8 + 18) / 2) ** 0.5)
    assert row["std_between_seeds"] == pytest.approx(pd.Series([82.0, 94.0]).std())
    text = table1_text(rows)
    assert cells_of(text, "digits ipc 2") == ["MTT", "88.0", "3.6", "8.5", "4", "2"]
    assert "Spread" not in table1_text(rows[rows["seed"] == 0])


def test_table1_never_quotes_a_selection_on_test_data_as_the_main_selection():
    rows = accuracy()
    row = methods_table(rows[rows["selection"] != "validation"], ORDER).set_index("method").loc["seqmatch-mtt"]
    assert row["selection"] == "last" and row["accuracy_mean"] == pytest.approx(71.5)


def test_a_method_that_was_chosen_on_test_data_alone_is_refused():
    rows = pd.DataFrame(runs_of("mtt", 1, [90.0], selection="test"))
    for make in (methods_table, architectures_table):
        with pytest.raises(
            SeqmatchError, match="digits, ipc 2: mtt has accuracies of snapshots chosen on test data alone"
        ):
            make(rows, ORDER)


def test_a_table_that_is_given_twice_is_refused(tmp_path):
    """Its networks would be counted twice."""
    save_table(tmp_path / "a.csv", pd.DataFrame(runs_of("mtt", 1, [90.0])), {})
    with pytest.raises(SeqmatchError, match=r"a\.csv and the tables after it: two rows of the same, dataset 'digits'"):
        load_tables([tmp_path / "a.csv"] * 2, Accuracy)


def test_a_selection_on_test_data_is_shown_also_beside_the_last_snapshot():
    rows = accuracy()
    text = table1_text(rows[rows["selection"] != "validation"])
    assert "| SeqMatch-MTT (K = 2) | 71.5 ± 1.3       | last" in text and "91.5 ± 1.3" in text


def test_random_has_no_column_for_a_selection_that_was_not_made():
    row = methods_table(accuracy(), ORDER).set_index("method").loc["random"]
    assert row["selection"] == "last" and pd.isna(row["test_selected_mean"])


def test_table1_sets_the_best_in_bold_and_says_how_many_networks():
    text = table1_text(accuracy())
    assert cells_of(text, "SeqMatch-MTT (K = 2)") == ["**81.5 ± 1.3**", "1280"]
    assert cells_of(text, "Whole") == ["99.5 ± 0.6", "1280"]  # beside the sets of its data set
    assert "Networks: 4 (2 seeds) per entry." in text
    assert "Chosen on test data" in text and "91.5 ± 1.3" in text and "published" not in text


def test_equals_to_the_digits_printed_are_both_bold():
    rows = accuracy()
    rows.loc[(rows["method"] == "random") & (rows["architecture"] == "convnet"), "accuracy"] += 30.01
    text = table1_text(rows)
    assert text.count("**81.5 ± 1.3**") == 2
    table = methods_table(rows, ORDER)
    table["accuracy_mean"] = table["method"].map({"random": 84.52, "seqmatch-mtt": 84.45, "whole": 99.0})
    assert not_told_from_best(table, ["dataset", "ipc"]).sum() == 2  # both print as 84.5


def test_what_seeds_do_not_tell_from_the_best_is_bold_too():
    rows = pd.DataFrame(
        [
            *runs_of("random", 1, [60.0], seeds=(0, 1, 2)),
            *runs_of("mtt", 1, [80.0], seeds=(0, 1, 2)),
            *runs_of("seqmatch-mtt", 2, [81.0], seeds=(0, 1, 2)),
        ]
    )
    rows.loc[rows["method"] == "mtt", "accuracy"] = [79.0, 83.0, 82.0]
    rows.loc[rows["method"] == "random", "accuracy"] = [60.0, 61.0, 63.0]
    table = methods_table(rows, ORDER).set_index("method")
    ours, theirs = [81.0, 82.0, 83.0], [79.0, 83.0, 82.0]
    assert table.loc["mtt", "p_best"] == pytest.approx(stats.ttest_rel(ours, theirs).pvalue)
    assert table.loc["random", "p_best"] < 0.05 and pd.isna(table.loc["seqmatch-mtt", "p_best"])
    one_failed = rows.assign(accuracy=rows["accuracy"].where((rows["method"] != "mtt") | (rows["seed"] > 0)))
    assert methods_table(one_failed, ORDER).set_index("method")["p_best"].notna().to_dict() == {
        "random": True, "mtt": False, "seqmatch-mtt": False,
    }  # fmt: skip
    text = table1_text(rows)
    assert text.count("**") == 4 and "**81.3 ± 2.1**" in text and "does not tell from it at 5 %" in text
    none_right = methods_table(rows.assign(accuracy=0.0), ORDER)
    assert none_right["p_best"].isna().all()
    few = table1_text(rows[rows["seed"] < 2])
    assert few.count("**") == 2 and "With fewer than 3 seeds no difference is tested." in few and "t-test" not in few


def test_table1_has_columns_for_what_a_set_stores_and_costs():
    operations = pd.DataFrame(
        {"dataset": "digits", "ipc": "2", "method": ["random", "seqmatch-mtt"], "gflop": [1.5, 2e4]}
    )
    table = methods_table(accuracy(), ORDER, operations)
    main, *others = methods_sheets(table, beside_methods(table, PUBLISHED, {}, {}), "", {})
    assert main.body.columns.tolist() == ["method", "digits ipc 2", "numbers stored", "TFLOP"]
    assert main.body["TFLOP"].tolist() == ["0.0", "20.0", ""]
    assert "What a set stores and costs" not in [sheet.title for sheet in others]


def test_published_numbers_stand_under_this_runs_and_are_never_bold():
    text = table1_text(accuracy(ipc="10"), digits="cifar10")
    assert cells_of(text, "SeqMatch-MTT (K = 2)") == ["**81.5 ± 1.3**", "1280"]
    assert cells_of(text, "SeqMatch-MTT, published") == ["", ""] and f"so empty ({UNLISTED}): SeqMatch-MTT" in text
    assert cells_of(text, "MTT, published") == ["65.4 ± 0.7; 65.3 ± 0.7", ""]
    assert cells_of(text, "DD, published")[0].endswith("54.0 (network of the DD repository)")
    wide = table1_text(accuracy(ipc="10"), {"convnet": "ResNet18"}, digits="cifar10")
    assert cells_of(wide, "MTT, published")[0] == "65.4 ± 0.7 (ConvNet-3); 65.3 ± 0.7 (ConvNet-3)"
    assert cells_of(text, "HaBa, published") == ["69.9 ± 0.4", ""]
    assert cells_of(text, "Random, published") == ["26.0 ± 1.2", ""] and text.count("**") == 2


def test_published_numbers_stand_beside_no_network_that_publications_do_not_know():
    assert "published" not in table1_text(accuracy(ipc="10"), networks={"other": "ConvNet-3"}, digits="cifar10")


def failing(method, *networks, **where):
    """The table of accuracies where these networks of a method's main selection failed."""
    rows = accuracy(**where)
    rows.loc[(rows["method"] == method) & rows["network"].isin(networks), "accuracy"] = float("nan")
    return rows


def test_a_failed_network_is_no_accuracy_in_any_table():
    """Where some failed, the mean is of the others, says so, and is never the best; where all did, there is none."""
    some, every = failing("seqmatch-mtt", 1), failing("seqmatch-mtt", 0, 1)
    text = table1_text(some)
    assert cells_of(text, "SeqMatch-MTT (K = 2)") == ["80.5 ± 0.7, 2 failed", "1280"]
    assert cells_of(text, "Random")[0] == "**51.5 ± 1.3**" and "diverged: 2;" in text
    assert "70.5 ± 0.7, 2 failed" in text and "90.5 ± 0.7, 2 failed" in text  # the other selections
    text = table1_text(every)
    assert cells_of(text, "SeqMatch-MTT (K = 2)") == ["4 failed", "1280"] and "0.0 ±" not in text
    assert cells_of(table2_text(some), "digits ipc 2: SeqMatch-MTT (K = 2)") == [
        "80.5 ± 0.7, 2 failed",
        "60.5 ± 0.7, 2 failed",
    ]
    text = table2_text(every)
    assert cells_of(text, "digits ipc 2: SeqMatch-MTT (K = 2)") == ["4 failed", "4 failed"] and "4 failed**" not in text
    assert cells_of(text, "digits ipc 2: Random") == ["**51.5 ± 1.3**", "**62.5 ± 1.3**"]
    table = methods_table(failing("mtt", 0, 1, ipc="10"), ORDER)
    (sheet,) = published_sheets(beside_methods(table, PUBLISHED, {"digits": "cifar10"}, {"convnet": ""}))
    assert "51.5 ± 1.3" in sheet.body["this run"].tolist()


def test_a_failed_network_is_in_no_comparison():
    nan = float("nan")
    row, shown = compared([[80.0, nan], [83.0, 85.0], [81.0, 83.0]], [[70.0, 70.0]] * 3)
    assert (row["pairs"], row["failed"]) == (5, 1) and row["difference"] == pytest.approx((10 + 14 + 12) / 3)
    assert shown["pairs"] == "5, 1 failed" and shown["significant at 5 %"] == "not tested"
    row, shown = compared([[nan, nan]] * 2, [[70.0, 70.0]] * 2)
    assert (row["pairs"], row["failed"]) == (0, 4) and shown["difference"] == "failed" and shown["p"] == ""


def test_a_selection_without_a_basis_is_noted_below_the_table():
    rows = accuracy()
    for text in (table1_text(rows), table2_text(rows)):
        assert "validation images, which" not in text and "real images" not in text
    selected = rows["selection"] == "validation"
    rows.loc[selected, "selected_on"] = 18
    rows.loc[selected & (rows["seed"] == 1), "undistilled"] = 1
    for text in (table1_text(rows), table2_text(rows)):
        assert "digits ipc 2 SeqMatch-MTT (K = 2) (images: 18)" in text
        assert "nothing of it is distilled: digits ipc 2 SeqMatch-MTT (K = 2) (seeds: 1)" in text


def test_a_set_that_stores_other_numbers_is_noted_below_the_table():
    rows = pd.concat([accuracy(), pd.DataFrame(runs_of("mtt", 1, [70.0, 71.0]))])
    assert "stores other numbers" not in table1_text(rows)
    rows.loc[rows["method"] == "mtt", "stored_numbers"] = 4905
    assert "stored with it: digits ipc 2 MTT (numbers: 4905)." in table1_text(rows)
    table = methods_table(rows, ORDER)
    assert table.set_index("method").loc["mtt", "stored_numbers"] == 4905
    rows["stored_numbers"] = 4905  # of all alike
    assert all(f"{name} (numbers: 4905)" in table1_text(rows) for name in ("MTT", "SeqMatch-MTT (K = 2)"))
    assert "stores other numbers" not in table1_text(rows.drop(columns="image_numbers"))


def test_own_protocols_stand_in_a_table_of_their_own():
    rows = accuracy()
    assert "own_mean" not in methods_table(rows, ORDER) and "own protocol" not in table1_text(rows)
    ours = rows["method"] == "seqmatch-mtt"
    rows.loc[ours, "own"] = rows["seed"].map({0: 90.0, 1: 94.0})
    table = methods_table(rows, ORDER).set_index("method")
    assert table.loc["seqmatch-mtt", "own_mean"] == 92
    assert table.loc["seqmatch-mtt", "own_std"] == pytest.approx(8**0.5)
    assert table["own_mean"].notna().sum() == 1
    _, _, own = table1_text(rows).partition("By the method's own protocol")
    row = next(line for line in own.splitlines() if "SeqMatch-MTT" in line)
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == ["digits ipc 2", "SeqMatch-MTT (K = 2)", "92.0 ± 2.8", "81.5 ± 1.3", "2"]
    rows.loc[ours & (rows["seed"] == 1), "own"] = float("nan")
    assert methods_table(rows, ORDER)["own_failed"].tolist() == [0, 2, 0]
    assert "90.0, 2 failed" in table1_text(rows)


def test_columns_keep_the_order_of_the_cells():
    rows = pd.concat([accuracy(dataset=name) for name in ("b", "a")])
    head = table1_text(rows).splitlines()[2]
    assert [cell.strip() for cell in head.strip("|").split("|")][1:] == ["b ipc 2", "a ipc 2"]
    assert "## What a set stores and costs" in table1_text(rows)
    whole = accuracy()[accuracy()["method"] == "whole"]
    assert cells_of(table1_text(whole), "Whole")[0] == "99.5 ± 0.6"  # where there is nothing else


def test_table2_compares_architectures_on_the_main_selection():
    table = architectures_table(accuracy(), ORDER)
    wide = table.pivot(index="method", columns="architecture", values="accuracy_mean")
    assert wide.loc["seqmatch-mtt", "resnet18"] == pytest.approx(61.5)
    assert wide.loc["random", "resnet18"] == pytest.approx(62.5)
    assert pd.isna(wide.loc["whole", "resnet18"])


def test_table2_sets_the_best_of_each_column_in_bold():
    text = table2_text(accuracy())
    assert cells_of(text, "digits ipc 2: SeqMatch-MTT (K = 2)") == ["**81.5 ± 1.3**", "61.5 ± 1.3"]
    assert cells_of(text, "digits ipc 2: Random") == ["51.5 ± 1.3", "**62.5 ± 1.3**"]


def test_table2_has_published_numbers_of_the_same_architectures():
    text = table2_text(accuracy(ipc="50"), networks={"convnet": "ConvNet-3", "resnet18": "ResNet18"}, digits="cifar10")
    assert cells_of(text, "digits ipc 50: MTT, published") == ["71.6 ± 0.2", "61.9 ± 0.7"]
    assert cells_of(text, "digits ipc 50: CAFE, published") == ["55.5 ± 0.4", "25.3 ± 0.9"]
    assert "published" not in table2_text(accuracy(ipc="50"), networks={"resnet18": "ResNet34"}, digits="cifar10")


def baselines_of(method, values, seeds=(0, 1), **others):
    about = {"dataset": "digits", "ipc": "2", "baseline": "random", "labels": "class", "seconds": 1.0} | others
    return [
        about | {"method": method, "seed": seed, "network": network, "accuracy": value}
        for seed in seeds
        for network, value in enumerate(values)
    ]


def fair(*baselines, rows=None):
    table = fair_table(accuracy() if rows is None else rows, pd.DataFrame(list(itertools.chain(*baselines))), ORDER)
    return table.set_index("method"), fair_sheets(table)[0]


def test_improvement_and_recovery_are_paired_over_seeds():
    alike = baselines_of("random", [50.0, 52.0], seeds=[0]) + baselines_of("random", [51.0, 53.0], seeds=[1])
    table, sheet = fair(alike, baselines_of("seqmatch-mtt", [70.0, 71.0]))
    assert list(table.index) == ["random", "seqmatch-mtt", "whole"]
    ours = table.loc["seqmatch-mtt"]  # of the main selection: 80 and 82, a point higher for the second seed
    assert (ours["accuracy_mean"], ours["random_mean"], ours["seeds"]) == (81.5, 70.5, 2)
    assert (ours["improvement_mean"], ours["improvement_std"]) == (11.0, pytest.approx(0.5**0.5))
    assert (ours["whole_mean"], ours["recovery_mean"]) == (99.5, 18.0)
    assert ours["recovery_std"] == pytest.approx(0.5**0.5)
    shown = sheet.body.set_index("method").loc["SeqMatch-MTT (K = 2)"]
    assert shown["improvement (IOR)"] == "+11.0 ± 0.7" and shown["recovery (HLR)"] == "+18.0 ± 0.7"


def test_seeds_are_those_that_improvement_is_of():
    table, _ = fair(baselines_of("random", [50.0, 52.0], seeds=[0]) + baselines_of("random", [float("nan")], seeds=[1]))
    assert table.loc[["random", "seqmatch-mtt"], "seeds"].tolist() == [1, 2]


def test_random_images_improve_nothing_and_all_real_images_lack_nothing():
    alike = [row | {"baseline": "random", "labels": "class"} for row in runs_of("random", 1, [50.0, 52.0])]
    table, sheet = fair(alike)
    assert table.loc["random", ["improvement_mean", "improvement_std"]].tolist() == [0, 0]
    assert table.loc["whole", "recovery_mean"] == 0 and pd.isna(table.loc["whole", "improvement_mean"])
    shown = sheet.body.set_index("method")
    assert shown.loc["Random", "improvement (IOR)"] == "+0.0 ± 0.0" and shown.loc["Whole", "improvement (IOR)"] == ""


def test_soft_labels_give_way_to_classes_where_recovery_is_counted():
    soft = baselines_of("random", [48.0, 48.0], labels="soft")
    table, _ = fair(soft, baselines_of("random", [40.0, 41.0], baseline="class-labels"))
    row = table.loc["random"]
    assert (row["labels"], row["class_labels_mean"], row["recovery_mean"]) == ("soft", 40.5, 59.0)
    assert (row["accuracy_mean"], row["improvement_mean"]) == (51.5, 3.5)


def test_what_there_is_nothing_to_compare_with_is_empty_and_failed_networks_are_told_of():
    rows = accuracy()[lambda all: all["method"] != "whole"]
    table, sheet = fair(baselines_of("random", [50.0, float("nan")]), rows=rows)
    assert table["recovery_mean"].isna().all() and pd.isna(table.loc["seqmatch-mtt", "improvement_mean"])
    assert table.loc["random", ["failed", "improvement_mean"]].tolist() == [2, 0.5]
    assert "no `whole` of the same data set" in sheet.note and "diverged: 2;" in sheet.note
    assert sheet.body["recovery (HLR)"].eq("").all()


CONTRAST = ("digits", "2", "seqmatch-mtt", "mtt")


def compared(ours, theirs):
    """The comparison of one method's accuracies, a list for each seed, with another's."""
    rows = [
        row
        for method, k, values in (("seqmatch-mtt", 2, ours), ("mtt", 1, theirs))
        for seed, accuracies in enumerate(values)
        for row in runs_of(method, k, [value - seed for value in accuracies], seeds=(seed,))
    ]
    table = comparison_table(pd.DataFrame(rows), [CONTRAST])
    return table.iloc[0], comparison_sheets(table)[0].body.iloc[0]


def test_the_seed_is_the_unit_of_the_comparison():
    ours = [[80.0, 82.0], [83.0, 85.0], [90.0, 93.0]]
    theirs = [[79.0, 79.0], [83.0, 84.0], [85.0, 90.0]]
    row, shown = compared(ours, theirs)
    means = [2.0, 0.5, 4.0]
    assert row["difference"] == pytest.approx(sum(means) / 3)
    assert (row["unit"], row["seeds"], row["pairs"], row["K"]) == ("seeds", 3, 6, 2)
    half = stats.t.ppf(0.975, 2) * stats.sem(means)
    assert (row["low"], row["high"]) == pytest.approx((row["difference"] - half, row["difference"] + half))
    assert row["p"] == pytest.approx(2 * stats.t.sf(row["difference"] / stats.sem(means), 2))
    assert shown["significant at 5 %"] == "no"


def test_a_clear_difference_over_seeds_is_significant():
    row, shown = compared([[80.0, 80.2], [80.1, 80.3], [80.2, 80.0]], [[70.0, 70.0]] * 3)
    assert row["p"] < 0.001 and row["low"] > 9 and shown["p"] == "< 0.001" and shown["significant at 5 %"] == "yes"


def test_with_one_seed_the_interval_is_of_networks_and_nothing_is_tested():
    row, shown = compared([[80.0, 80.2, 80.1]], [[70.0, 70.0, 70.3]])
    assert (row["unit"], row["seeds"], row["pairs"]) == ("networks", 1, 3) and row["p"] < 0.001
    assert shown["of"] == "networks" and shown["significant at 5 %"] == "not tested"


def test_a_single_pair_has_no_interval():
    row, shown = compared([[80.0]], [[70.0]])
    assert row["difference"] == 10 and row[["low", "high", "p"]].isna().all()
    assert shown["95 % interval"] == shown["p"] == "" and shown["difference"] == "+10.0"


def test_equal_differences_have_no_interval_and_numbers_without_partner_do_not_count():
    row, _ = compared([[80.0, 81.0, 99.0]] * 2, [[79.0, 80.0]] * 2)
    assert row["difference"] == 1 and row["pairs"] == 4 and pd.isna(row["p"])


def test_equal_differences_that_rounding_set_apart_have_no_interval():
    """One of 360 images: accuracies are saved to four decimals."""
    row, shown = compared([[97.2222], [95.8333]], [[96.9444], [95.5556]])
    assert row["difference"] == pytest.approx(0.2778, abs=1e-4) and row[["low", "high", "p", "q"]].isna().all()
    assert shown["significant at 5 %"] == "not tested"


def test_a_comparison_says_how_much_more_was_computed():
    rows = pd.concat([accuracy(), pd.DataFrame(runs_of("mtt", 1, [75.0, 76.0]))])
    counted = {"dataset": "digits", "ipc": "2", "method": ["mtt", "seqmatch-mtt"], "own_gflop": [2.0, 3.0]}
    table = comparison_table(rows, [CONTRAST], pd.DataFrame(counted))
    assert table["compute"].tolist() == [1.5]
    (sheet,) = comparison_sheets(table)
    assert sheet.body["compute"].tolist() == ["1.50"] and "Compute: operations of a seed" in sheet.note
    table = comparison_table(rows, [CONTRAST, ("digits", "2", "seqmatch-mtt", "random")], pd.DataFrame(counted))
    assert comparison_sheets(table)[0].body["compute"].tolist() == ["1.50", ""]  # of random nothing was counted
    assert comparison_table(rows, [], pd.DataFrame(counted)).empty


def test_what_is_significant_is_adjusted_for_all_contrasts_that_are_tested():
    """q of Benjamini & Hochberg: m p_j / j of the j-th smallest of m, or that of a larger one if it is less."""
    nan = float("nan")
    gains = {"seqmatch-mtt": [2.0, 2.4, 2.9], "b": [1.0, 2.0, 3.1], "c": [-1.0, 2.0, 0.5], "d": [0.5, nan, 0.7]}
    given = {"mtt": [0.0, 0.0, 0.0], **gains}
    rows = [
        row
        for method, values in given.items()
        for seed, value in enumerate(values)
        for row in runs_of(method, 1, [50 + value], seeds=(seed,))
    ]
    table = comparison_table(pd.DataFrame(rows), [("digits", "2", method, "mtt") for method in gains])
    first, second, third = table["p"][:3]
    assert first < second < third
    expected = [min(3 * first, 1.5 * second, third), min(1.5 * second, third), third]
    assert table["q"][:3].tolist() == pytest.approx(expected) and pd.isna(table.loc[3, "q"])
    (sheet,) = comparison_sheets(table)
    assert sheet.body["significant at 5 %"].tolist() == ["yes" if q < 0.05 else "no" for q in expected] + ["not tested"]


def test_the_comparison_is_of_main_selections_on_the_matched_network():
    rows = pd.concat([accuracy(), pd.DataFrame(runs_of("mtt", 1, [75.0, 76.0]))])
    row = comparison_table(rows, [CONTRAST, ("digits", "2", "seqmatch-mtt", "random")])
    assert row["difference"].tolist() == [5.5, 30.0] and row["baseline"].tolist() == ["mtt", "random"]


def configured(**sections):
    raw = {
        "datasets": {"digits": {"source": "digits"}},
        "architectures": {"convnet": {"family": "convnet"}},
        "experts": {"convnet": {"architecture": "convnet"}},
        "matching": {"lr_images": 7},
        "cells": [
            {
                "dataset": "digits",
                "ipc": 3,
                "matching": {"synthetic_steps": 11},
                "methods": {
                    "random": None,
                    "dm": None,
                    "mtt": None,
                    "seqmatch-mtt": {"stages": [{}, {"synthetic_steps": 12, "optimizer": "adam"}]},
                },
            },
            {"dataset": "digits", "ipc": "all", "methods": {"whole": {"evaluation": {"learning_rate": 0.05}}}},
        ],
    } | sections
    return settings_table(config.load(raw).runs.values())


def test_table4_has_what_each_stage_resolves_to():
    table = configured().set_index(["method", "stage"])
    assert list(table.index) == [
        ("random", 1),
        ("dm", 1),
        ("mtt", 1),
        ("seqmatch-mtt", 1),
        ("seqmatch-mtt", 2),
        ("whole", 0),
    ]
    assert table["synthetic_steps"].fillna("").tolist() == ["", "", "11", "11", "12", ""]
    assert table["lr_images"].fillna("").tolist() == ["", "7", "7", "7", "7", ""]
    assert table["real_batch"].fillna("").tolist() == ["", "256", "", "", "", ""]
    assert table["momentum"].fillna("").tolist() == ["", "0.5", "0.5", "0.5", "", ""]
    assert table["experts"].fillna("").tolist() == ["", "", "convnet", "convnet", "convnet", ""]
    assert table["evaluation_learning_rate"].tolist() == ["each stage's"] * 5 + ["0.05"]
    assert table.loc[("mtt", 1), "synthetic_batch"] == "all"
    assert not {"formation", "memories", "hallucinators", "lr_decoder"} & set(table)  # which other storage reads


def test_table4_says_once_what_is_the_same_everywhere():
    (sheet,) = settings_sheets(configured())
    assert {"synthetic_steps", "optimizer", "evaluation_learning_rate"} <= set(sheet.body.columns)
    assert "lr_images" not in sheet.body and "lr_images 7;" in sheet.note and "evaluation_decay_at 0.5;" in sheet.note


def test_table4_tells_none_from_what_does_not_matter():
    sections = configured(evaluation={"augmentation": []})
    assert (sections["evaluation_augmentation"] == "none").all()


def test_table4_has_words_for_every_setting_that_may_be_unset():
    sections = [*SECTIONS, config.Training, config.Evaluation]
    optional = {name for section in sections for name, field in section.model_fields.items() if field.default is None}
    resolved = {"experts", "images", "step_size", "space", "reference"}  # always
    assert set(UNSET) == optional - resolved


def test_stability_is_summed_up_over_pairs():
    about = {"dataset": "digits", "method": "mtt", "ipc": "2", "seed": 0, "first": 0, "second": 1}
    rows = [about | {"between": "networks", "adjusted_rand_index": index} for index in (0.5, 1.0)]
    rows.append(about | {"between": "seeds", "adjusted_rand_index": 0.25})
    (sheet,) = stability_sheets(pd.DataFrame(rows))
    columns = ["between", "mean", "least", "pairs"]
    assert sheet.body[columns].to_numpy().tolist() == [
        ["networks", "0.75", "0.50", "2"],
        ["seeds", "0.25", "0.25", "1"],
    ]


def test_rows_of_a_method_stand_together_and_what_shares_a_place_is_joined():
    def rows(*entries):
        return pd.DataFrame(entries, columns=["method", "row", "column", "text"])

    own = rows(("a", "a", "x", "1"), ("b", "b", "y", "2"))
    published = rows(("c", "c, p", "x", "3"), ("a", "a, p", "x", "4"), ("a", "a, p", "x", "5"), ("a", "a, p", "x", "5"))
    wide = grid(interleaved(own, published), ["y", "x"], corner="name")
    assert wide.to_numpy().tolist() == [["a", "", "1"], ["a, p", "", "4; 5"], ["b", "2", ""], ["c, p", "", "3"]]
    assert list(wide.columns) == ["name", "y", "x"]


SHEETS = [
    Sheet(
        "Table 7: 50 % of A_1 & B",
        pd.DataFrame({"a_b": ["x & y", "50 %"], "c": bold(["88.1 ± 0.5", "1.50"], [True, False])}),
        "A #1.",
    ),
    Sheet("Empty", pd.DataFrame({"a": []})),
    Sheet("More", pd.DataFrame({"a": ["{x}~^\\"]})),
]


def test_latex_is_escaped_and_numbers_its_tables_itself():
    text = to_latex(SHEETS, "t")
    assert r"\caption{50~\% of A\_1 \& B. A \#1.}" in text and r"\label{tab:t}" in text
    lines = [" ".join(line.split()) for line in text.splitlines()]
    rows = [
        r"a\_b & c \\",
        r"\midrule",
        r"x \& y & \textbf{88.1 $\pm$ 0.5} \\",
        r"50 \% & \phantom{0}1.50 \\",
        r"\bottomrule",
    ]
    assert rows == lines[lines.index(r"\toprule") + 1 :][:5]
    assert r"\{x\}\textasciitilde{}\^{}\textbackslash{}" in text and r"\label{tab:t-2}" in text and "Empty" not in text
    assert text.count(r"\begin{table}") == text.count(r"\end{tabular}") == 2


def test_latex_says_what_all_rows_share_without_marks():
    body = pd.DataFrame({"method": ["a", "b"], "accuracy": bold(["88.1", "88.1"], [True, True])})
    assert "In every row: accuracy 88.1." in to_latex([Sheet("T", body)], "t")


def test_latex_aligns_numbers_at_their_points():
    body = pd.DataFrame({"n": ["9.5 ± 10.0", *bold(["88.1 ± 0.5"], [True]), "", "100.0"], "t": ["1", "x", "2", "22"]})
    text = to_latex([Sheet("T", body)], "t", 2)
    pad = r"\phantom{0}"
    for cell in (rf"{pad}{pad}9.5 $\pm$ 10.0", rf"{pad}\textbf{{88.1 $\pm$ {pad}0.5}}", "100.0", "& 1 "):
        assert cell in text
    assert r"\label{tab:t-2}" in text


def test_markdown_keeps_digits_and_heads_sections():
    text = to_markdown(SHEETS)
    assert text.startswith("# Table 7: 50 % of A_1 & B\n\n| a_b") and "| 50 %  | 1.50" in text and "\n\nA #1.\n" in text
    assert "\n\n## Empty\n\n## More\n" in text


def test_every_sheet_is_of_text_alone():
    table = methods_table(accuracy(ipc="10"), ORDER)
    sheets = [
        *methods_sheets(table, beside_methods(table, PUBLISHED, {"digits": "cifar10"}, {"convnet": ""}), "", {}),
        *settings_sheets(configured()),
        *comparison_sheets(comparison_table(accuracy(), [("digits", "2", "seqmatch-mtt", "random")])),
    ]
    texts = itertools.chain.from_iterable(sheet.body.to_numpy().ravel() for sheet in sheets)
    assert all(isinstance(text, str) and text != "nan" for text in texts)


DATA, METHODS, ARCHITECTURES = "2024", LOOK_LIKE_OTHERS[1:], ["1e5", "nan"]
LIST = ["--published", ROOT / "resources/published_results.csv", "--published-data", '{"2024": "cifar10"}']
CONFIGURATION = {
    "datasets": {DATA: {"source": "digits"}},
    "architectures": {name: {"family": "convnet"} for name in ARCHITECTURES},
    "experts": {"true": {"architecture": "nan"}},
    "cells": [{"dataset": DATA, "ipc": 10, "methods": {name: {"backbone": "mtt"} for name in METHODS}}],
}


@pytest.fixture
def accuracies(tmp_path):
    """The table of one evaluation for each method and architecture."""
    paths = []
    for method in METHODS:
        for architecture in ARCHITECTURES:
            about = {"dataset": DATA, "ipc": "10", "matched_on": "nan", "architecture": architecture}
            paths.append(tmp_path / f"{method}-{architecture}.csv")
            save_table(paths[-1], pd.DataFrame(runs_of(method, 1, [50.0, 52.0], **about)), {"device": "cpu"})
    return paths


def test_every_table_for_people_has_names_that_look_like_numbers_or_nothing(tmp_path, accuracies):
    of_methods = ["--methods", *METHODS, *LIST, "--csv"]
    names = ["--published-architectures", '{"1e5": "ConvNet-3", "nan": "ResNet18"}']
    contrasts = json.dumps([[DATA, "10", method, "007"] for method in METHODS[1:]])
    table = {name: tmp_path / f"{name}.csv" for name in ("table1", "table2", "table4", "comparison", "published")}
    run_script("collect_tables", *accuracies, "--out", tmp_path / "accuracy.csv")
    assert load_table(tmp_path / "accuracy.csv")["architecture"].drop_duplicates().tolist() == ARCHITECTURES
    run_script("table1", *accuracies, *of_methods, table["table1"])
    run_script("table2", *accuracies, *names, *of_methods, table["table2"])
    run_script("table4", "--configuration", json.dumps(CONFIGURATION), "--csv", table["table4"])
    run_script("comparison", *accuracies, "--contrasts", contrasts, "--csv", table["comparison"])
    made = ["--method-tables", table["table1"], "--architecture-tables", table["table2"]]
    run_script("published", *made, *LIST, *names, "--csv", table["published"])
    for name, path in table.items():
        found = load_table(path)
        assert set(found.get("dataset", [DATA])) == {DATA} and set(found["ipc"]) == {"10"}, name
        assert set(METHODS[1:]) <= set(found["method"]), name
        for form in ("md", "tex", "html"):
            text = path.with_suffix(f".{form}").read_text(encoding="utf-8")
            assert all(method in text for method in METHODS[1:]) and DATA in text, name
    assert set(load_table(table["table2"])["architecture"]) == set(ARCHITECTURES)
    assert load_table(table["table1"])["method"].tolist() == METHODS
    published = load_table(table["published"])
    assert published["run_architecture"].dropna().isin(ARCHITECTURES).all() and (published["method"] == "dc").any()


def test_first_subsets_against_sets_of_their_size():
    """Over three seeds, by hand; what is no union, or another stage, does not count."""
    seeds = range(3)
    stages = pd.DataFrame(
        {"dataset": "digits", "method": "seqmatch-mtt", "ipc": "2", "seed": seed, "curriculum": curriculum,
         "network": network, "stages": count, "accuracy": 70.0 + seed + network - 30 * (curriculum == "subset") + count}
        for seed in seeds for curriculum in ("union", "subset") for network in (0, 1) for count in (1, 2)
    )  # fmt: skip
    direct = pd.DataFrame(runs_of("mtt", 1, [70.0, 73.0], seeds=seeds, ipc="1"))
    direct.loc[direct["seed"] == 2, "accuracy"] -= 4
    table = prefixes_table(stages, direct, [("digits", "2", "seqmatch-mtt", 1, 1, "mtt")])
    (row,) = table.to_dict("records")
    differences = [0.0, 0.0, 4.0]  # of 71.5 + seed, and 71.5 + seed
    assert row["prefix_mean"] == pytest.approx(72.5) and row["difference"] == pytest.approx(np.mean(differences))
    assert row["p"] == row["q"] == pytest.approx(stats.ttest_1samp(differences, 0).pvalue)
    assert (row["seeds"], row["pairs"], row["unit"]) == (3, 6, "seeds")
    (sheet,) = prefixes_sheets(table)
    assert sheet.body.loc[0, "subsets"] == "the first 1" and sheet.body.loc[0, "made directly"] == "71.2 (MTT)"
    with pytest.raises(SeqmatchError, match="digits, ipc 2: seqmatch-mtt has no accuracies after 3 stages"):
        prefixes_table(stages, direct, [("digits", "2", "seqmatch-mtt", 3, 1, "mtt")])
    with pytest.raises(SeqmatchError, match="no accuracies of dm on digits at ipc 1"):
        prefixes_table(stages, direct, [("digits", "2", "seqmatch-mtt", 1, 1, "dm")])
    with pytest.raises(SeqmatchError, match="ipc 2: no networks of seqmatch-mtt and mtt have equal seed and number"):
        later = direct.assign(seed=direct["seed"] + 3)
        prefixes_table(stages, later, [("digits", "2", "seqmatch-mtt", 1, 1, "mtt")])
    failed = prefixes_table(
        stages.assign(accuracy=float("nan")), direct, [("digits", "2", "seqmatch-mtt", 1, 1, "mtt")]
    )
    assert prefixes_sheets(failed)[0].body.loc[0, ["accuracy", "difference"]].tolist() == ["failed", "failed"]
