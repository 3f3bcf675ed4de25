"""Text for LaTeX."""

import re

from tabulate import LATEX_ESCAPE_RULES

from seqmatch.errors import printable

ESCAPED = LATEX_ESCAPE_RULES | {
    "|": r"\textbar{}",
    "[": "{[}",
    "*": "{*}",
    "`": r"\textasciigrave{}",
    '"': r"\textquotedbl{}",
}
"""LaTeX's special characters, also those that are some only at the beginning of a row or doubled."""

SIGNS = {
    "±": r"$\pm$",
    "−": "$-$",
    "×": r"$\times$",
    "∪": r"$\cup$",
    "…": r"\ldots{}",
    "α": r"$\alpha$",
    "⁺": "$^+$",
    "⁻": "$^-$",
    "ₖ": "$_k$",
    **{chr(0x2080 + digit): f"$_{digit}$" for digit in range(10)},
}
"""Signs of ours that pdfLaTeX does not take as they are."""

LETTERS = ESCAPED | SIGNS


def escaped(text: str) -> str:
    """Text that LaTeX shows as it is."""
    return "".join(LETTERS.get(letter, letter) for letter in printable(text))


def name(text: str) -> str:
    """A label, of characters that labels may have."""
    return re.sub(r"[^A-Za-z0-9_.:-]", "-", text)
