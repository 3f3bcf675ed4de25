"""Tables as people read them: one sheet of text, as Markdown and as LaTeX."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from seqmatch.errors import printable
from seqmatch.report import latex

BOLD = re.compile("\ufdd0(.*?)\ufdd1")
"""What `bold` marks, by characters that Unicode keeps for use within a program: no name holds them."""

NUMBER = re.compile(
    r"(?P<mark>\ufdd0?)(?P<mean>[-+]?\d+)(?P<point>(?:\.\d+)?)(?: ± (?P<deviation>\d+)(?=\.))?(?P<rest>(?![\w:/]).*)"
)
"""A cell that begins with a number, in parts: its digits before the point, and those of its deviation."""

MOST_LETTERS = 90
"""That fit beside each other in a text of 5.5 inches; what is wider is made smaller."""

PAD = "\N{FIGURE SPACE}"

NUMBERED = re.compile(r"^Table \d+: ")

MARKDOWN = re.compile(r"[\\`*\[|~$]|(?<![^\W_])_|_(?![^\W_])|<(?=[A-Za-z/!?])|&(?=#?\w+;)")
"""What Markdown would not take as text; an underscore within a word is text."""


@dataclass(frozen=True)
class Sheet:
    """One table: what it shows, its cells, and what to know of them; what `bold` marks in a cell is shown in bold."""

    title: str
    body: pd.DataFrame
    """Of text alone."""
    note: str = ""
    """Plain text."""


def mean_std(mean: float, std: float = math.nan) -> str:
    """To one decimal; without the deviation where there is none, empty where there is no mean."""
    if pd.isna(mean):
        return ""
    return f"{mean:.1f}" if pd.isna(std) else f"{mean:.1f} ± {std:.1f}"


def signed(points: float) -> str:
    """A difference, to one decimal; empty where there is none."""
    return "" if pd.isna(points) else f"{points:+z.1f}"


def means_stds(table: pd.DataFrame, name: str = "accuracy") -> list[str]:
    """`mean_std` of the columns `{name}_mean` and `{name}_std`, and how many networks failed (`{name}_failed`)."""
    failed = table.get(f"{name}_failed", [0] * len(table))
    return [
        f"{mean_std(mean, std)}, {count:.0f} failed".removeprefix(", ") if count > 0 else mean_std(mean, std)
        for mean, std, count in zip(table[f"{name}_mean"], table[f"{name}_std"], failed, strict=True)
    ]


def bold(text: Sequence[str], which: Sequence[bool]) -> list[str]:
    """The texts, with those marked that are to be bold."""
    return [f"\ufdd0{item}\ufdd1" if best else item for item, best in zip(text, which, strict=True)]


def interleaved(own: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Rows of two frames, those of one `method` together and its own first; methods in the order of appearance."""
    rows = pd.concat([own, published], ignore_index=True)
    return rows.sort_values("method", key=lambda methods: pd.factorize(methods)[0], kind="stable")


def grid(rows: pd.DataFrame, columns: Sequence[str], corner: str) -> pd.DataFrame:
    """The texts in `rows` (`row`, `column`, `text`) by row and column.

    Rows are in the order of their first appearance; different texts that share a place are joined by a semicolon.
    """
    places = rows.drop_duplicates(["row", "column", "text"]).groupby(["row", "column"], sort=False)
    wide = places["text"].agg("; ".join).unstack()
    wide = wide.loc[rows["row"].unique(), list(columns)].fillna("")
    return wide.rename_axis(index=corner, columns=None).reset_index()


def to_markdown(sheets: Sequence[Sheet]) -> str:
    """The first sheet's title heads the page, the others' head sections."""
    parts = []
    for index, sheet in enumerate(sheets):
        parts += [f"{'##' if index else '#'} {_in_markdown(sheet.title)}"]
        parts += [markdown(sheet.body)] if len(sheet.body) else []
        parts += [_in_markdown(sheet.note)] if sheet.note else []
    return "\n\n".join(parts) + "\n"


def markdown(body: pd.DataFrame) -> str:
    """A body of text as a table of Markdown."""
    return _tabulated(body, _in_markdown, "pipe")


def to_latex(sheets: Sequence[Sheet], label: str, first: int = 1) -> str:
    r"""Tables with the rules of booktabs, to be `\input`, with numbers aligned at their points.

    Sheets without rows are left out.

    Args:
        label: of the table with the number 1; others have their number behind it.
        first: number of the first sheet.
    """
    label = latex.name(label)
    parts = [
        "% Needs \\usepackage{booktabs,graphicx}; names in other scripts need LuaLaTeX or XeLaTeX and a font that has "
        "them.\n"
    ]
    for index, sheet in enumerate((sheet for sheet in sheets if len(sheet.body)), first):
        body, same = _varying(sheet.body)
        same = BOLD.sub(r"\1", same)
        tabular = _tabulated(body.apply(_aligned), _in_latex, "latex_raw")
        for rule in ("toprule", "midrule", "bottomrule"):
            tabular = tabular.replace(r"\hline", f"\\{rule}", 1)
        title = NUMBERED.sub("", sheet.title)  # LaTeX numbers tables itself
        title = title[:1].upper() + title[1:]
        caption = ". ".join(latex.sentence(text.rstrip(".")) for text in (title, same, sheet.note) if text)
        if _letters(body) > MOST_LETTERS:
            tabular = f"\\resizebox{{\\linewidth}}{{!}}{{%\n{tabular}}}"
        name = f"{label}-{index}" if index > 1 else label
        parts.append(
            f"\\begin{{table}}\n\\centering\\small\n\\caption{{{caption}.}}\n\\label{{tab:{name}}}\n"
            f"\\medskip\n{tabular}\n\\end{{table}}\n"
        )
    return "\n".join(parts)


def _varying(body: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """A body of several rows without columns that are the same in all of them, and a sentence that says these."""
    same = [name for name in body if len(body) > 1 and body[name].nunique() == 1 and body[name].iloc[0]]
    same = same if len(same) < len(body.columns) else []
    said = "; ".join(f"{name} {body[name].iloc[0]}" for name in same)
    return body.drop(columns=same), f"In every row: {said}" if said else ""


def _letters(body: pd.DataFrame) -> int:
    """Of the widest cells of all columns, with what is between columns."""
    return sum(3 + max(map(len, (name, *body[name]))) for name in body)


def _aligned(column: pd.Series) -> pd.Series:
    """A column of numbers with their points, and those of their deviations, below each other; others as they are."""
    parts = [NUMBER.fullmatch(text) for text in column if text]
    if not all(parts):
        return column
    widths = {name: max((len(part[name] or "") for part in parts), default=0) for name in ("mean", "deviation")}
    return column.map(lambda text: _padded(NUMBER.fullmatch(text), widths) if text else text)


def _padded(part: re.Match[str], widths: Mapping[str, int]) -> str:
    mean, deviation = part["mean"], part["deviation"]
    shown = PAD * (widths["mean"] - len(mean)) + part["mark"] + mean.replace("-", "−") + part["point"]
    if deviation:
        shown += " ± " + PAD * (widths["deviation"] - len(deviation)) + deviation
    return shown + part["rest"]


def _tabulated(body: pd.DataFrame, shown: Callable[[str], str], form: str) -> str:
    """A body of text as `tabulate` writes it in a form, each head and cell as `shown` has it."""
    return body.map(shown).rename(columns=shown).to_markdown(index=False, disable_numparse=True, tablefmt=form)


def _in_markdown(text: str) -> str:
    return BOLD.sub(r"**\1**", MARKDOWN.sub(r"\\\g<0>", printable(text)))


def _in_latex(text: str) -> str:
    return BOLD.sub(r"\\textbf{\1}", latex.escaped(text))
