"""Pages, Markdown and LaTeX show names and nothing else, whatever these hold."""

import re
import shutil
import subprocess
from html.parser import HTMLParser

import pandas as pd
import pytest
from helpers.names import NASTY

from seqmatch.errors import printable
from seqmatch.report.figures import captions
from seqmatch.report.figures.style import DEFAULT, panels, save
from seqmatch.report.html import listing, page, paragraph, table_page
from seqmatch.report.tables.text import Sheet, bold, to_latex, to_markdown

SHEET = Sheet("A_1 & <2>", pd.DataFrame({"name": NASTY, "value": bold(NASTY, [True] * len(NASTY))}), "Note: $x$ | *y*.")


class _Cells(HTMLParser):
    """The texts of a page's cells, and the elements that its text opens."""

    def __init__(self):
        super().__init__()
        self.cells, self.opened = [], set()

    def handle_starttag(self, tag, attributes):
        self.opened.add(tag)
        if tag == "td":
            self.cells.append("")

    def handle_data(self, text):
        if self.lasttag in ("td", "strong"):
            self.cells[-1] += text.strip()


def test_a_page_shows_names_and_nothing_else():
    reader = _Cells()
    reader.feed(table_page(pd.DataFrame({"class": NASTY}), [SHEET]))
    shown = [printable(name).strip() for name in NASTY]
    assert reader.cells == [cell for name in shown for cell in (name, name)] + shown
    assert "b" not in reader.opened and "strong" in reader.opened
    assert "<b>" not in page("<b>", [paragraph("<b>"), listing({"<b>": "<b>"})])


def test_markdown_shows_names_and_nothing_else():
    rows = to_markdown([SHEET]).splitlines()[4:-2]
    assert len(rows) == len(NASTY)
    for row, name in zip(rows, NASTY, strict=True):
        cell, value = (part.strip() for part in re.split(r"(?<!\\)(?:\\\\)*\|", row)[1:3])
        assert re.sub(r"\*\* *(.*)\*\*", r"\1", value) == cell
        assert re.sub(r"\\([\\`*\[|~$_<&])", r"\1", cell) == printable(name).strip()
        assert not re.search(r"(?<!\\)(?:\\\\)*[`*\[~$]|(?<!\\)<[a-z/]|(?<![\\\w])_|(?<!\\)&amp", cell)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs LaTeX (Debian's package texlive-latex-recommended)")
def test_latex_takes_tables_and_figures_as_they_are(tmp_path):
    names = [name for name in NASTY if name.isascii()]
    body = pd.DataFrame(
        {"name": names, "value": bold(["9.5 ± 10.0", *["88.1"] * (len(names) - 1)], [True] * len(names))}
    )
    wide = pd.DataFrame({f"a wide head {number}": ["x", "y" * number] for number in range(9)})
    (tmp_path / "t.tex").write_text(
        to_latex([Sheet("A_1 & <2>", body, "5 % of S₁ ∪ … ∪ Sₖ, −1 × α."), Sheet("W", wide)], "t")
    )
    figure, _ = panels({"a": "a"}, DEFAULT, 1)
    save(figure, [tmp_path / "f-1_2.pdf"])
    captions.save("S₁ # 5 % & ± 1…", [tmp_path / "f-1_2.tex"])
    page = r"\documentclass{article}\usepackage[textwidth=5.5in]{geometry}\usepackage{booktabs,graphicx}"
    page += r"\begin{document}\input{t}\input{f-1_2}\end{document}"
    (tmp_path / "page.tex").write_text(page)
    call = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page"]
    said = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert said.returncode == 0 and "Overfull" not in said.stdout, said.stdout


def test_latex_shows_names_and_nothing_else():
    text = to_latex([SHEET], "tab le_%")
    assert r"\label{tab:tab-le_-}" in text and r"\caption{A\_1 \& \ensuremath{<}2\ensuremath{>}" in text
    rows = [line for line in text.splitlines() if line.endswith(r"\\")][1:]
    assert len(rows) == len(NASTY)
    known = r"\\char34\{\}|\\textbf\{|\\text[a-z]+\{\}|\\\^\{\}|\\ensuremath\{[<>]\}|\\[#$%&_{}]|\{[*\[]\}"
    for row in rows:
        plain = re.sub(known, "", row.removesuffix(r"\\"))
        assert plain.count("&") == 1 and plain.rstrip().endswith("}"), row  # of the alignment, and of \textbf{}
        assert not re.search(r"[\\#$%_{~^|\"`*\[]", plain), row
