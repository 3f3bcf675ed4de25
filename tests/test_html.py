import pandas as pd

from seqmatch.html import page


def test_a_page_holds_the_table_escaped_and_missing_numbers_empty():
    table = pd.DataFrame({"method": ["mtt", "<b>"], "accuracy": [88.123, float("nan")]})
    text = page(table, "Title")
    assert "<td>88.12</td>" in text and "&lt;b&gt;" in text and ">NaN<" not in text
    assert text.count("<caption>Title</caption>") == 1 and "http" not in text


def test_an_empty_table_is_a_page_too():
    assert "<table" in page(pd.DataFrame({"method": []}), "Nothing")
