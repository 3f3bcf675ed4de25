"""Commands and Python in the documents: all are run, or say why not.

`python tests/helpers/documents.py` runs them in the checkout, after the default experiment. A comment before a block
says what is different there: `<!-- not run: why -->`, `<!-- run by: a file -->` that runs it in its own way, or
`<!-- run with: Python that stands for the reader's own -->`. Before the first line of a page it is for all its blocks.
"""

import re
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUN = ("bash", "python")
BLOCK = re.compile(
    r"(?:<!-- (?P<kind>[\w ]+): *(?P<said>(?:(?!-->).)*?)\s*-->\n+)?"
    r"^(?P<indent> *)```(?P<language>[^\n`]*)\n(?P<text>.*?)^ *```$",
    re.DOTALL | re.MULTILINE,
)
OF_PAGE = re.compile(r"<!-- (?P<kind>[\w ]+): *(?P<said>.*?) *-->")


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    language: str
    text: str
    kind: str | None
    """What the comment before it begins with."""
    said: str

    @property
    def place(self):
        return f"{self.page.relative_to(ROOT)}, line {self.line}"


def pages():
    made = (ROOT / "docs/api").glob("seqmatch*.md")
    return sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("config/*.md")} - set(made))


def blocks(page):
    """The fenced blocks of a page."""
    content = page.read_text(encoding="utf-8")
    of_page = OF_PAGE.match(content)
    for found in BLOCK.finditer(content):
        kind, said = found.group("kind", "said") if found["kind"] or not of_page else of_page.group("kind", "said")
        line = content.count("\n", 0, found.start("language")) + 1
        yield Block(page, line, found["language"], textwrap.dedent(found["text"]), kind, said or "")


def run(page):
    """Run the blocks of a page in turn; those in Python share their names."""
    names = {"__name__": "__main__"}
    for block in blocks(page):
        if block.language in RUN and block.kind in (None, "run with"):
            setup = block.said if block.kind else ""
            print(f"{block.place}: {block.text.splitlines()[0]}", flush=True)
            if block.language == "bash":
                subprocess.run(["bash", "-euo", "pipefail", "-c", f"{setup}\n{block.text}"], check=True, cwd=ROOT)
            else:
                exec(compile(f"{setup}\n{block.text}", block.place, "exec"), names)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    for page in pages():
        run(page)
