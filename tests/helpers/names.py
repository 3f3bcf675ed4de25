"""Names that tables, figures and pages must take as text, and scripts run within this process."""

import runpy
import sys
from unittest import mock

from helpers.tiny import ROOT

LOOK_LIKE_OTHERS = ["2024", "007", "1e5", "nan", "true", "null", "inf", "na"]
"""Names that the configuration allows, and that readers of tables take for numbers, truth or nothing."""

NASTY = [
    *LOOK_LIKE_OTHERS,
    *("NA", "None", "-inf", "1_000", "0x1f", "$x_1^2$", "a\\frac{1}{2}", "100 % #1 ~", "<b>&amp;</b>", "{x}", "{{y}}"),
    *("a|b", "`c`", "**d**", "_e_", "[f](g)", "*", "[h]", "~~i~~", "j\\", '"k"', "l,m;n", "o'p", "'q", "--- ``r''"),
    *("=1+1", "+2", "-3", "@s", "\t=4", " =5", "t;=6", "＝7", "'=8", "u\nv", "w\rx", "y\r\nz", "\x1b[31m", "\u202eabc"),
    *("café", "中文", "日本語ねこ", "한국어", "قطة", "חתול", "बिल्ली", "แมว", "🐱\u200d🚀", "ﬀ", "\ufeffbom", "A" * 255),
]
"""Names that folders may have, and so classes."""


def run_script(name: str, *arguments: object) -> None:
    """Run a script as from the command line."""
    path = ROOT / "scripts" / f"{name}.py"
    with mock.patch.object(sys, "argv", [str(path), *map(str, arguments)]):
        runpy.run_path(str(path), run_name="__main__")
