"""Tables as pages that sort by a click, for the HTML report; each stands on its own and works offline."""

import pandas as pd

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 14px/1.4 system-ui, sans-serif; margin: 1.5em; color: #222; }}
table {{ border-collapse: collapse; }}
caption {{ text-align: left; padding-bottom: .8em; }}
th, td {{ padding: .25em .8em; border-bottom: 1px solid #ddd; text-align: left; }}
th {{ cursor: pointer; border-bottom: 2px solid #888; white-space: nowrap; }}
th[data-order]::after {{ content: " " attr(data-order); }}
td {{ font-variant-numeric: tabular-nums; }}
</style>
</head>
<body>
{table}
<script>
const rows = () => [...document.querySelectorAll("tbody tr")];
const value = (row, column) => row.cells[column].textContent.trim();
document.querySelectorAll("thead th").forEach((head, column) => head.addEventListener("click", () => {{
  const up = head.dataset.order !== "\\u25b2";
  document.querySelectorAll("thead th").forEach(other => delete other.dataset.order);
  head.dataset.order = up ? "\\u25b2" : "\\u25bc";
  const compare = (a, b) => {{
    const [x, y] = [value(a, column), value(b, column)];
    if (!x || !y) return (x ? 0 : 1) - (y ? 0 : 1);
    const order = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
    return up ? order : -order;
  }};
  document.querySelector("tbody").append(...rows().sort(compare));
}}));
</script>
</body>
</html>
"""


def page(table: pd.DataFrame, title: str) -> str:
    """A page with one table, numbers to two decimals, missing ones empty; a click on a head sorts by its column."""
    body = table.to_html(index=False, na_rep="", float_format="{:.2f}".format, border=0, escape=True)
    return PAGE.format(title=title, table=body.replace("<thead>", f"<caption>{title}</caption><thead>", 1))
