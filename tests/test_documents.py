"""What the documents show is run, or says why not; what they quote is there."""

import ast
import re

import pytest
import yaml
from helpers.documents import ROOT, RUN, blocks, pages

import seqmatch
from seqmatch import config

LANGUAGES = {*RUN, "yaml", "diff", "rst", "snakemake", "text", "{eval-rst}"}
BLOCKS = [block for page in pages() for block in blocks(page)]
CI = (ROOT / ".ci/run").read_text()


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.place)
def test_a_block_is_run_or_says_why_not(block):
    assert block.language in LANGUAGES, "name its language"
    if block.language not in RUN:
        return
    match block.kind:
        case None | "run with":
            assert "tests/helpers/documents.py" in CI
        case "not run":
            assert len(block.said) > 5
        case "run by":
            assert (ROOT / block.said).is_file()
            if block.said == ".ci/run":
                commands = [line.split("  #")[0].rstrip() for line in block.text.splitlines()]
                assert [command for command in commands if command not in CI] == []
        case other:
            raise AssertionError(f"what is `{other}`?")


def test_readme_is_short():
    assert len((ROOT / "README.md").read_bytes()) <= 7000


def test_the_experiment_of_the_guide_is_one():
    (page,) = [page for page in pages() if page.name == "experiments.md"]
    first = next(block for block in blocks(page) if block.language == "yaml")
    assert set(config.load(yaml.safe_load(first.text)).runs) == {
        ("digits", "mtt", "3"),
        ("digits", "seqmatch-mtt", "3"),
    }


def test_all_that_the_package_offers_is_described_first():
    text = (ROOT / "docs/api/index.md").read_text()
    assert set(re.findall(r"^\.\. auto(?:function|class|exception):: (\w+)$", text, re.MULTILINE)) == set(
        seqmatch.__all__
    )


def test_messages_that_the_documents_quote_are_those_of_the_code():
    """Every piece of a message, between the values of a case (`…`), stands in a string of the code."""
    sources = [*ROOT.glob("seqmatch/**/*.py"), *ROOT.glob("scripts/**/*.py"), *ROOT.glob("tools/*.py")]
    nodes = (node for path in sources for node in ast.walk(ast.parse(path.read_text())))
    told = {node.value.replace("`", "") for node in nodes if isinstance(node, ast.Constant) and type(node.value) is str}
    page = (ROOT / "docs/guide/troubleshooting.md").read_text()
    messages = re.findall(r"^\| `(.+?)` \| .* \| .* \|$", page, re.MULTILINE)
    pieces = [piece.strip() for message in messages for piece in message.split("…")]
    assert len(messages) > 30
    assert [piece for piece in pieces if not any(piece in text for text in told)] == []


def test_the_rows_of_the_readme_are_those_of_the_corner():
    readme = (ROOT / "README.md").read_text(encoding="utf-8").split("<!-- corner:")[1].split("\n\n")[0]
    page = (ROOT / "docs/results/corner.md").read_text(encoding="utf-8").splitlines()
    published = [
        [cell.strip() for cell in line.split("|")] for line in page if re.match(r"\| cifar10(-zca)? ipc 1 ", line)
    ]
    rows = [[cell.strip() for cell in line.split("|")[1:4]] for line in readme.splitlines()[3:]]
    assert rows and all(row in [cells[2:5] for cells in published] for row in rows)
