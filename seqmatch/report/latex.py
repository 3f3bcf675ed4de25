"""Text for LaTeX."""

import re

from tabulate import LATEX_ESCAPE_RULES

from seqmatch.errors import printable

ESCAPED = LATEX_ESCAPE_RULES | {
    "|": r"\textbar{}",
    "[": "{[}",
    "*": "{*}",
    "`": r"\textasciigrave{}",
    '"': r"\char34{}",
}
"""LaTeX's special characters, also those that are some only at the beginning of a row or doubled."""

SIGNS = {
    "±": r"$\pm$",
    "−": "$-$",
    "×": r"$\times$",
    "∪": r"$\cup$",
    "…": r"\ldots{}",
    "α": r"$\alpha$",
    "ₖ": "$_k$",
    "\N{FIGURE SPACE}": r"\phantom{0}",
    **{chr(0x2080 + digit): f"$_{digit}$" for digit in range(10)},
}
"""Signs of ours that pdfLaTeX does not take as they are."""

LETTERS = ESCAPED | SIGNS


def escaped(text: str) -> str:
    """Text that LaTeX shows as it is."""
    return "".join(LETTERS.get(letter, letter) for letter in printable(text))


def sentence(text: str) -> str:
    """Text of a caption; a number stays beside its sign of percent."""
    return escaped(text).replace(r" \%", r"~\%")


def name(text: str) -> str:
    """A label, of characters that labels may have."""
    return re.sub(r"[^A-Za-z0-9_.:-]", "-", text)
