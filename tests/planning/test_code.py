import pytest
from helpers.tiny import ROOT

from seqmatch.planning.code import sources_of


def names(script):
    return {path.relative_to(ROOT).as_posix() for path in sources_of(ROOT / "scripts" / f"{script}.py")}


def test_distillation_runs_matching_and_no_figures():
    found = names("distill_subset")
    assert {"scripts/distill_subset.py", "scripts/shared/command.py", "seqmatch/matching/trajectory.py"} <= found
    assert not found & {
        "seqmatch/report/figures/images.py",
        "seqmatch/report/tables/accuracy.py",
        "seqmatch/analysis/evaluation.py",
        "seqmatch/config/__init__.py",
    }


def test_experts_do_not_depend_on_distillation():
    assert not names("train_experts") & {"seqmatch/distillation/loop.py", "seqmatch/matching/trajectory.py"}


def test_figures_depend_on_little():
    assert names("figure_difficulty") == {
        "scripts/shared/command.py",
        "scripts/shared/drawing.py",
        "scripts/figure_difficulty.py",
        "seqmatch/report/figures/difficulty.py",
        "seqmatch/report/figures/style.py",
        "seqmatch/files/store.py",
    }


def test_imports_are_followed_also_within_functions(tmp_path):
    for folder in ("scripts", "seqmatch"):
        (tmp_path / folder).mkdir()
    (tmp_path / "scripts" / "a.py").write_text("from seqmatch.b import x\nimport os.path\n")
    (tmp_path / "seqmatch" / "b.py").write_text("def x():\n    from seqmatch import c\n")
    (tmp_path / "seqmatch" / "c.py").write_text("import torch\n")
    found = [path.relative_to(tmp_path).as_posix() for path in sources_of(tmp_path / "scripts" / "a.py")]
    assert found == ["scripts/a.py", "seqmatch/b.py", "seqmatch/c.py"]


def test_a_script_that_does_not_exist_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        sources_of(tmp_path / "scripts" / "a.py")
