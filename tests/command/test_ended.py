"""What a run says when it has ended."""

from pathlib import Path

import pytest
import yaml
from helpers.snakemake import TINY

from seqmatch import config
from seqmatch.command import ended
from seqmatch.planning import asked
from seqmatch.planning.jobs import Plan


@pytest.fixture
def plan(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("UV_RUN_RECURSION_DEPTH", raising=False)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(TINY))
    return Plan(config.load(TINY))


def recorded(plan, *rules, file="config.yaml"):
    asked.write([Path(file)], [(job, True) for rule in rules for job in plan.by_rule[rule]])
    return asked.read()


def test_a_good_end_says_what_to_open_and_what_is_next(plan):
    folder = Path("results").resolve()
    table, more, sets, following = ended.well(recorded(plan, "select_snapshot", "table1")).splitlines()
    assert table == f"Results are in {folder}; open results/table1.md"
    assert more.endswith("snakemake --cores all")
    assert "seqmatch show results/digits/seqmatch-mtt/ipc3/seed0 " in sets
    assert "docs/guide/experiments.md" in following
    whole = ended.well(recorded(plan, "table1", "overview", file="my own.yaml")).splitlines()
    assert whole[0].endswith("; open results/table1.md, results/overview.html")
    assert whole[1].endswith("snakemake --report report.html --configfile 'my own.yaml'")
    assert ended.well(None) == f"Results are in {folder}"


def test_a_run_in_another_folder_is_called_again_from_where_it_was(plan, monkeypatch):
    run = recorded(plan, "table1", file="my own.yaml")
    for words in (["-d", "there"], ["--directory=there"]):
        monkeypatch.setattr("sys.argv", ["snakemake", *words])
        here = Path.cwd()
        assert f" --directory {here} --configfile '{here}/my own.yaml'" in ended.well(run)


def test_programs_are_called_as_the_run_was(plan, monkeypatch):
    run = recorded(plan, "select_snapshot", "table1")
    assert "uv run" not in ended.well(run)
    monkeypatch.setenv("UV_RUN_RECURSION_DEPTH", "1")
    _, more, sets, _ = ended.well(run).splitlines()
    assert more.endswith(": uv run snakemake --cores all") and ": uv run seqmatch show results" in sets


def test_a_bad_end_says_which_logs_to_read(plan, monkeypatch):
    monkeypatch.setattr(ended, "MOST_LOGS", 1)
    run = recorded(plan, "distill_subset")
    for job in run.jobs[:2]:
        Path(job.log).parent.mkdir(parents=True, exist_ok=True)
        Path(job.log).write_text("command\nerror: out of memory\n")
    first, more, advice = ended.badly(run).splitlines()
    assert first == f"{run.jobs[0].log}: error: out of memory"
    assert more.startswith("and 1 logs more") and "docs/guide/troubleshooting.md" in advice
    assert ended.badly(None) == advice
