"""What an edit to the code repeats in a finished experiment: what computes otherwise, not what is worded otherwise."""

import re

import pytest
from helpers.snakemake import TINY, plan

from seqmatch import config
from seqmatch.planning.jobs import Plan

pytestmark = pytest.mark.slow

OPENINGS = {
    "docstrings": r'^( *""")(?=\w)',
    "errors": r'(Error\(\s*f?")',
    "messages": r'((?:print|\btell|_fail)\(\s*f?")',
    "help": r'(help=f?")',
}
"""What stands before the first word of a text."""

REWORDED = {
    "seqmatch/training/experts.py": {"docstrings", "errors"},
    "seqmatch/matching/dispatch.py": {"docstrings", "messages"},
    "seqmatch/distillation/coresets.py": {"docstrings"},
    "seqmatch/analysis/evaluation.py": {"docstrings"},
    "seqmatch/report/figures/difficulty.py": {"docstrings"},
    "seqmatch/files/store.py": {"docstrings", "errors"},
    "seqmatch/files/checkpoint.py": {"docstrings", "messages"},
    "seqmatch/runtime/gpu_lock.py": {"docstrings", "messages"},
    "seqmatch/runtime/progress.py": {"docstrings"},
    "seqmatch/command/arguments.py": {"docstrings", "help"},
    "scripts/shared/compute.py": {"docstrings", "messages", "help"},
    "scripts/train_experts.py": {"docstrings", "errors", "help"},
    "scripts/distill_subset.py": {"docstrings", "errors", "help"},
}
"""Files that have texts of these kinds, among all that are worded otherwise."""


@pytest.fixture
def edited(finished):
    """The finished project; what a test edits is put back."""
    before = {path: path.read_bytes() for name in ("seqmatch", "scripts") for path in (finished / name).rglob("*.py")}
    yield finished
    for path, content in before.items():
        if path.read_bytes() != content:
            path.write_bytes(content)


def test_other_words_in_every_file_repeat_nothing(edited):
    counts = {}
    for path in [path for folder in ("seqmatch", "scripts") for path in (edited / folder).rglob("*.py")]:
        text = path.read_text()
        for kind, opening in OPENINGS.items():
            text, count = re.subn(opening, r"\1In other words: ", text, flags=re.MULTILINE)
            if count:
                counts.setdefault(path.relative_to(edited).as_posix(), set()).add(kind)
        path.write_text(f"# A comment.\n{text}\n# Another one.\n")
    assert all(kinds <= counts[name] for name, kinds in REWORDED.items())
    assert plan(edited) == {}


def test_edits_that_change_no_result_repeat_nothing(edited):
    for name in (
        "runtime/gpu_lock",
        "runtime/progress",
        "files/checkpoint",
        "planning/code",
        "config/__init__",
        "errors",
    ):
        append(edited / f"seqmatch/{name}.py")
    append(edited / "seqmatch/command/frame.py")
    assert plan(edited) == {}


def test_a_larger_ipc_prepares_and_trains_nothing_again(edited):
    """How many images a class needs is checked, and is no parameter that repeats what is finished."""
    jobs = plan_with(edited, "ipc: 3", "ipc: 4")
    assert "distill_subset" in jobs and not {"prepare_dataset", "train_experts"} & set(jobs)


def test_another_shard_trains_its_own_experts_alone(edited):
    assert plan_with(edited, "networks_per_shard: 2", "networks_per_shard: 2\n    shards: 2")["train_experts"] == 1


def test_what_is_nothing_to_earlier_subsets_distils_nothing_again(edited):
    more = plan_with(edited, "networks: 2\n  epochs: 60", "networks: 3\n  epochs: 60")
    fewer = plan_with(edited, "selection:\n", "selection:\n  also: [last]\n")
    for jobs in (more, fewer):
        assert "evaluate" in jobs and not {"train_teachers", "distill_subset"} & set(jobs)
    derived = plan_with(edited, "learning_rate: 0.05\nmatching", "learning_rate: 0.05\n    epochs: 5\nmatching")
    assert not {"train_experts", "train_teachers", "distill_subset"} & set(derived)


def plan_with(folder, old, new):
    """What another configuration would run."""
    path = folder / "config.yaml"
    before = path.read_text()
    try:
        assert old in before
        path.write_text(before.replace(old, new))
        return plan(folder)
    finally:
        path.write_text(before)


def append(path):
    path.write_text(path.read_text() + "\nEDITED = True\n")


@pytest.mark.parametrize(
    ("file", "before", "after", "repeated", "spared"),
    [
        (
            "training/experts",
            'storage: str = "float32"',
            'storage: str = "float16"',
            {"train_experts", "train_teachers", "distill_subset"},
            {"prepare_dataset"},
        ),
        (
            "analysis/difficulty",
            "BINS = 100\n",
            "BINS = 101\n",
            {"cluster_difficulty", "figure_difficulty"},
            {"record_losses", "evaluate", "table1"},
        ),
    ],
)
def test_another_default_repeats_what_it_reaches(edited, file, before, after, repeated, spared):
    path = edited / f"seqmatch/{file}.py"
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))
    jobs = set(plan(edited))
    assert repeated <= jobs and not spared & jobs


@pytest.mark.parametrize(
    ("file", "repeated", "spared"),
    [
        ("distillation/coresets", {"distill_subset", "evaluate"}, {"prepare_dataset", "train_experts"}),
        ("matching/unrolled", {"distill_subset", "evaluate"}, {"prepare_dataset", "train_experts"}),
        ("training/loop", {"train_experts", "distill_subset"}, {"prepare_dataset"}),
        (
            "analysis/coupling",
            {"measure_coupling", "collect_coupling", "figure_coupling"},
            {"measure_stages", "evaluate"},
        ),
    ],
)
def test_an_edit_repeats_what_runs_it(edited, file, repeated, spared):
    append(edited / f"seqmatch/{file}.py")
    jobs = set(plan(edited))
    assert repeated <= jobs and not spared & jobs


@pytest.mark.parametrize(
    ("file", "rule", "count", "spared"),
    [
        ("distillation/trajectory", "distill_subset", 3, {"prepare_dataset", "train_experts"}),  # not that of random
        ("networks/alexnet", "evaluate", 3, {"train_experts", "distill_subset", "measure_stages"}),  # Table 2's alone
    ],
)
def test_an_edit_to_what_is_loaded_by_name_repeats_what_uses_it_alone(edited, file, rule, count, spared):
    append(edited / f"seqmatch/{file}.py")
    jobs = plan(edited)
    assert jobs[rule] == count and not spared & set(jobs)


def test_where_and_how_jobs_compute_repeats_nothing(edited):
    assert plan_with(edited, "seeds:\n", "device: cpu\ncompile: never\nkept_memory: 1\nseeds:\n") == {}


def test_an_edit_to_a_figure_repeats_that_figure_alone(edited):
    append(edited / "seqmatch/report/figures/coupling.py")
    assert set(plan(edited)) == {"figure_coupling", "overview", "all"}


def test_an_edit_to_the_style_of_figures_repeats_all_of_them_alone(edited):
    append(edited / "seqmatch/report/figures/style.py")
    figures = {rule for rule, jobs in Plan(config.load(TINY)).by_rule.items() if rule.startswith("figure_") and jobs}
    assert set(plan(edited)) == figures | {"overview", "all"}
