import pandas as pd
import pytest

from seqmatch.errors import SeqmatchError
from seqmatch.store import save_table
from seqmatch.tables import markdown1, markdown2, read_accuracies, table1, table2

ORDER = ["random", "mtt", "seqmatch-mtt", "whole"]


def accuracy():
    rows = []

    def add(method, k, ipc, architecture, selection, values):
        for seed in (0, 1):
            for network, value in enumerate(values):
                rows.append(
                    {
                        "dataset": "digits",
                        "method": method,
                        "K": k,
                        "ipc": ipc,
                        "matched_on": "convnet",
                        "architecture": architecture,
                        "seed": seed,
                        "selection": selection,
                        "network": network,
                        "accuracy": value + seed,
                        "seconds": 1.0,
                    }
                )

    add("seqmatch-mtt", 2, "2", "convnet", "validation", [80.0, 82.0])
    add("seqmatch-mtt", 2, "2", "convnet", "last", [70.0, 72.0])
    add("seqmatch-mtt", 2, "2", "convnet", "test", [90.0, 92.0])
    add("seqmatch-mtt", 2, "2", "resnet18", "validation", [60.0, 62.0])
    add("random", 1, "2", "convnet", "last", [50.0, 52.0])
    add("random", 1, "2", "resnet18", "last", [61.0, 63.0])
    add("whole", 0, "all", "convnet", "last", [99.0, 99.0])
    return pd.DataFrame(rows)


def test_a_file_that_is_no_table_of_accuracies_is_named(tmp_path):
    save_table(tmp_path / "x.csv", pd.DataFrame({"a": [1]}), {})
    with pytest.raises(SeqmatchError, match=r"x\.csv: not a table of accuracies; it has no column dataset"):
        read_accuracies([tmp_path / "x.csv"])


def test_table1_has_a_row_a_method_in_order():
    table = table1(accuracy(), ORDER).set_index("method")
    assert list(table.index) == ["random", "seqmatch-mtt", "whole"]
    row = table.loc["seqmatch-mtt"]
    assert (row["selection"], row["networks"], row["seeds"], row["K"]) == ("validation", 4, 2, 2)
    values = pd.Series([80.0, 82.0, 81.0, 83.0])
    assert row["accuracy_mean"] == pytest.approx(81.5) and row["accuracy_std"] == pytest.approx(values.std())
    assert row["std_between_seeds"] == pytest.approx(0.5**0.5)
    assert row["last_mean"] == pytest.approx(71.5) and row["test_selected_mean"] == pytest.approx(91.5)


def test_table1_never_quotes_a_choice_on_test_data_as_the_headline():
    rows = accuracy()
    rows = rows[rows["selection"] != "validation"]
    row = table1(rows, ORDER).set_index("method").loc["seqmatch-mtt"]
    assert row["selection"] == "last" and row["accuracy_mean"] == pytest.approx(71.5)


def test_a_choice_on_test_data_is_shown_also_beside_the_last_snapshot():
    rows = accuracy()
    text = markdown1(table1(rows[rows["selection"] != "validation"], ORDER))
    assert "| seqmatch-mtt (K = 2) | 71.5 ± 1.3 | last" in text and "91.5 ± 1.3" in text


def test_random_has_no_column_for_a_choice_that_was_not_made():
    row = table1(accuracy(), ORDER).set_index("method").loc["random"]
    assert row["selection"] == "last" and pd.isna(row["test_selected_mean"])


def test_markdown1_sets_the_best_in_bold_and_says_how_many_networks():
    text = markdown1(table1(accuracy(), ORDER))
    assert "**81.5 ± 1.3** (4)" in text and "| seqmatch-mtt (K = 2)" in text
    assert "99.5 ± 0.6 (4)" in text and "**99.5" not in text
    assert "Chosen on test data" in text and "91.5 ± 1.3" in text


def test_equals_to_the_digits_printed_are_both_bold():
    rows = accuracy()
    rows.loc[(rows["method"] == "random") & (rows["architecture"] == "convnet"), "accuracy"] += 30.01
    text = markdown1(table1(rows, ORDER))
    assert "**81.5 ± 1.3** (4)" in text and text.count("**81.5 ± 1.3**") == 2


def test_table2_compares_architectures_on_the_headlines_choice():
    table = table2(accuracy(), ORDER)
    wide = table.pivot(index="method", columns="architecture", values="accuracy_mean")
    assert wide.loc["seqmatch-mtt", "resnet18"] == pytest.approx(61.5)
    assert wide.loc["random", "resnet18"] == pytest.approx(62.5)
    assert pd.isna(wide.loc["whole", "resnet18"])


def test_markdown2_sets_the_best_of_each_column_in_bold():
    text = markdown2(table2(accuracy(), ORDER))
    assert "**62.5 ± 1.3**" in text and "**81.5 ± 1.3**" in text and "**61.5" not in text
