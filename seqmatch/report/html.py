"""Pages for the HTML report, with tables that sort by a click; each stands on its own and works offline."""

from base64 import encodebytes
from collections.abc import Sequence
from html import escape

import pandas as pd

from seqmatch.errors import printable
from seqmatch.report.tables.text import BOLD, Sheet

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 14px/1.45 system-ui, sans-serif; margin: 1.5em auto; padding: 0 1em; max-width: 76em;
  color: #222; background: #fff; }}
h1 {{ font-size: 1.35em; margin: 0 0 .8em; }}
h2 {{ font-size: 1.1em; margin: 2em 0 .6em; }}
p, dl {{ max-width: 75em; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; }}
th, td {{ padding: .25em .7em; border-bottom: 1px solid #ddd; text-align: left; white-space: nowrap; }}
th {{ white-space: normal; vertical-align: bottom; cursor: pointer; border-bottom: 2px solid #888; user-select: none; }}
th::after {{ content: attr(data-order); position: absolute; }}
tbody tr:hover {{ background: #f4f6f8; }}
td {{ font-variant-numeric: tabular-nums; }}
dl {{ display: grid; grid-template-columns: max-content auto; gap: .25em 1.2em; }}
dt {{ font-weight: 600; }}
dd {{ margin: 0; }}
summary {{ cursor: pointer; font-weight: 600; margin: 1.5em 0 .6em; }}
figure {{ margin: 0 0 1em; }}
figure img {{ width: 100%; max-width: 56em; }}
figcaption {{ color: #444; font-size: .9em; max-width: 62em; overflow-wrap: anywhere; }}
.gallery {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(min(22em, 100%), 1fr)); gap: 1.5em; }}
.gallery figure:target {{ grid-column: 1 / -1; }}
.careful {{ background: #fff7e0; border-left: 4px solid #e69f00; padding: .5em 1em .5em 2em; max-width: 72em; }}
@media (max-width: 40em) {{
  dl {{ display: block; }}
  dd {{ margin: 0 0 .6em 1em; }}
  th, td {{ padding: .25em .4em; }}
}}
pre {{ background: #f6f6f6; padding: 1em; overflow-x: auto; }}
</style>
</head>
<body>
<h1>{title}</h1>
{body}
<script>
const NUMBER = /^[-+]?\\d+(\\.\\d+)?(?=$|[ ;]|, )/;
const value = (row, column) => row.cells[column].textContent.trim();
const compare = (x, y) => {{
  const [a, b] = [x.match(NUMBER), y.match(NUMBER)];
  return a && b ? a[0] - b[0] : x.localeCompare(y);
}};
for (const table of document.querySelectorAll("table")) {{
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.addEventListener("click", () => {{
    const up = head.dataset.order !== "\\u25b2";
    heads.forEach(other => delete other.dataset.order);
    head.dataset.order = up ? "\\u25b2" : "\\u25bc";
    const rows = [...table.tBodies[0].rows];
    rows.sort((a, b) => {{
      const [x, y] = [value(a, column), value(b, column)];
      if (!x || !y) return (x ? 0 : 1) - (y ? 0 : 1);
      return up ? compare(x, y) : compare(y, x);
    }});
    table.tBodies[0].append(...rows);
  }}));
}}
</script>
</body>
</html>
"""


def page(title: str, parts: Sequence[str]) -> str:
    """A page of HTML parts below its title."""
    return PAGE.format(title=_text(title), body="\n".join(parts))


def table(frame: pd.DataFrame) -> str:
    """A table that a click on a head sorts by its column; missing numbers are empty, and last."""
    shown = frame.astype(object).where(frame.notna(), "")  # (na_rep does not reach every type's missing values)
    shown = shown.map(lambda cell: printable(cell) if isinstance(cell, str) else cell)
    text = shown.to_html(index=False, float_format=_decimal, border=0, escape=True)
    emphasized = BOLD.sub(r"<strong>\1</strong>", text)
    return f'<div class="wide">{emphasized}</div>'


def _decimal(number: float) -> str:
    """Two decimals, but three digits of what is small: a p-value of 0.0496 is below 0.05."""
    return f"{number:.3g}" if 0 < abs(number) < 0.1 else f"{number:.2f}"


def figure(picture: bytes, caption: str, anchor: str) -> str:
    """A PNG with its caption; a click shows it as wide as the page."""
    data = encodebytes(picture).decode()  # in lines, as whatever shows the page within another may have to have it
    image = f'<img src="data:image/png;base64,{data}" alt="{_text(caption)}">'
    return (
        f'<figure id="{_text(anchor)}"><a href="#{_text(anchor)}">{image}</a><figcaption>{_text(caption)}</figcaption>'
        "</figure>"
    )


def gallery(figures: Sequence[str]) -> str:
    """Figures side by side, as many as there is room for."""
    return f'<div class="gallery">{"".join(figures)}</div>'


def points(texts: Sequence[str]) -> str:
    """What to be careful about, a point each."""
    return f'<ul class="careful">{"".join(f"<li>{_text(text)}</li>" for text in texts)}</ul>'


def folded(title: str, *parts: str) -> str:
    """What a click on its title shows."""
    return "\n".join([f"<details><summary>{_text(title)}</summary>", *parts, "</details>"])


def section(title: str, *parts: str) -> str:
    return "\n".join([f"<h2>{_text(title)}</h2>", *parts])


def paragraph(text: str) -> str:
    return f"<p>{_text(text)}</p>"


def listing(entries: dict[str, str]) -> str:
    """Terms and what they are."""
    return f"<dl>{''.join(f'<dt>{_text(term)}</dt><dd>{_text(text)}</dd>' for term, text in entries.items())}</dl>"


def literal(text: str) -> str:
    return f"<pre>{escape(text)}</pre>"


def _text(text: str) -> str:
    return escape(printable(text))


def sheet(shown: Sheet) -> str:
    """A sheet's table and note."""
    return table(shown.body) + (paragraph(shown.note) if shown.note else "")


def table_page(tidy: pd.DataFrame, sheets: Sequence[Sheet]) -> str:
    """A page for one table: as people read it, then all its columns."""
    first, *others = sheets
    further = [section(other.title, sheet(other)) for other in others]
    return page(first.title, [sheet(first), *further, folded("All columns", table(tidy))])
