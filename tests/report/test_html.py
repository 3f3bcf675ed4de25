import pandas as pd

from seqmatch.report.html import listing, page, table, table_page
from seqmatch.report.tables.text import Sheet, bold


def test_a_table_is_escaped_and_missing_numbers_are_empty():
    seeds = pd.Series([1, None], dtype="Int64")
    text = table(pd.DataFrame({"method": ["mtt", "<b>"], "accuracy": [88.123, float("nan")], "seed": seeds}))
    assert "<td>88.12</td>" in text and "<td>1</td>" in text and "&lt;b&gt;" in text and text.count("<td></td>") == 2


def test_small_numbers_keep_their_digits():
    text = table(pd.DataFrame({"p": [0.0496, 0.0004, 0.0, -0.5]}))
    assert all(f"<td>{shown}</td>" in text for shown in ("0.0496", "0.0004", "0.00", "-0.50"))


def test_an_empty_table_is_one_too():
    assert "<table" in table(pd.DataFrame({"method": []}))


def test_a_page_of_a_table_shows_sheets_and_all_columns_and_asks_for_nothing_outside():
    sheets = [
        Sheet("A & B", pd.DataFrame({"x": [f"{bold(['1'], [True])[0]} (5)"]}), "Note <1>."),
        Sheet("More", pd.DataFrame({"x": ["2"]})),
    ]
    text = table_page(pd.DataFrame({"x": [1.25]}), sheets)
    assert "<h1>A &amp; B</h1>" in text and "<strong>1</strong> (5)" in text and "<p>Note &lt;1&gt;.</p>" in text
    assert "<h2>More</h2>" in text and "<summary>All columns</summary>" in text and "<td>1.25</td>" in text
    assert "http" not in text and "{" + "{" not in text


def test_listings_are_escaped():
    assert "<dt>a&lt;</dt><dd>b&amp;</dd>" in page("t", [listing({"a<": "b&"})])
