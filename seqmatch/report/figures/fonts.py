"""Fonts for names in any script: matplotlib goes through a list of families letter by letter; this finds the list."""

import sys
import unicodedata
from collections.abc import Iterable
from contextlib import suppress

import matplotlib as mpl
from matplotlib import font_manager

SANS, SERIF = "DejaVu Sans", "STIXGeneral"
"""Come with matplotlib. The first has Latin, Greek, Cyrillic, Arabic, Hebrew and more, but no Chinese, Hindi or Thai;
the second looks like Times, and has Latin, Greek, Cyrillic and signs."""

REGULAR = 400

CHINESE_JAPANESE_KOREAN = {"HIRAGANA": "JP", "KATAKANA": "JP", "HANGUL": "KR", "CJK": "SC"}
"""Script to the ending of the Noto family that draws it, and the characters beside it, as its readers expect."""


def families(text: str, base: str = SANS) -> tuple[list[str], str]:
    """Families of fonts on this machine for the characters of `text`, and the characters that none of them has.

    After `base` come the fonts with most of what is missing, fonts without serifs before others.
    """
    found, missing = with_base(base), {letter for letter in text if not letter.isspace()}
    for family in found:
        missing = _without(missing, font_manager.findfont(family))
    for look in (_known, _new):
        fonts = look() if missing else {}
        having = {family: missing - _without(missing, fonts[family]) for family in _in_order(fonts, text)}
        while most := max(map(len, having.values()), default=0):
            best = next(family for family, letters in having.items() if len(letters) == most)
            found.append(best)
            missing -= having[best]
            having = {family: letters & missing for family, letters in having.items()}
    return found, "".join(sorted(missing))


def with_base(family: str) -> list[str]:
    """A family, and the one for what it lacks."""
    return list(dict.fromkeys((family, SANS)))


def warn(missing: str) -> None:
    """Say on standard error which characters no font has, and where to get one."""
    packages = sorted({_package(letter) for letter in missing})
    scripts = sorted({_script(letter) for letter in missing})
    print(
        f"warning: no font on this machine has {' '.join(missing[:20])}{' …' if len(missing) > 20 else ''} "
        f"({', '.join(scripts)}): such names stand in figures by the numbers of their classes; on Debian: "
        f"apt install {' '.join(packages)}",
        file=sys.stderr,
    )


def _known() -> dict[str, str]:
    """Families that matplotlib knows to a file of each, the most regular one; its own for mathematics aside."""
    entries = [entry for entry in font_manager.fontManager.ttflist if not entry.fname.startswith(mpl.get_data_path())]
    entries.sort(key=lambda entry: (entry.style == "normal", entry.weight == REGULAR))
    return {entry.name: entry.fname for entry in entries}


def _new() -> dict[str, str]:
    """The same with fonts that were installed after matplotlib made its list."""
    known = {entry.fname for entry in font_manager.fontManager.ttflist}
    for path in sorted(set(font_manager.findSystemFonts()) - known):
        with suppress(OSError, RuntimeError, ValueError, NotImplementedError):  # of what it cannot draw: coloured emoji
            font_manager.fontManager.addfont(path)
    return _known()


def _without(letters: set[str], path: str) -> set[str]:
    """Those of the letters that a font does not have."""
    has = font_manager.get_font(path).get_charmap()
    return {letter for letter in letters if ord(letter) not in has}


def _in_order(names: Iterable[str], text: str) -> list[str]:
    """Families, those first that readers of the text expect."""
    scripts = set(map(_script, text))
    ending = next((end for script, end in CHINESE_JAPANESE_KOREAN.items() if script in scripts), "")
    return sorted(names, key=lambda name: ("Sans" not in name, not name.endswith(f"Sans CJK {ending}"), name))


def _script(letter: str) -> str:
    """The first word of a letter's name, such as ARABIC; SYMBOL of what belongs to no script."""
    if unicodedata.category(letter)[0] in "SC":
        return "SYMBOL"
    return unicodedata.name(letter, "SYMBOL").split()[0].split("-")[0]


def _package(letter: str) -> str:
    """Debian's package of a font that has the letter."""
    script = _script(letter)
    if script in (*CHINESE_JAPANESE_KOREAN, "IDEOGRAPHIC", "FULLWIDTH", "HALFWIDTH"):
        return "fonts-noto-cjk"
    return "fonts-symbola" if script == "SYMBOL" else "fonts-noto-core"
