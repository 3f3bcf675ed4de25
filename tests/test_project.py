"""What stands in two places agrees."""

import subprocess
import sys
import tomllib

import pytest
import yaml
from helpers.tiny import ROOT

SCRIPTS = sorted((ROOT / "scripts").glob("*.py"))


def test_environment_and_project_pin_the_same_versions():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    groups = [*project["project"]["optional-dependencies"].values(), *project["dependency-groups"].values()]
    pinned = [*project["project"]["dependencies"], *(requirement for group in groups for requirement in group)]
    assert sorted(environment["dependencies"][-1]["pip"]) == sorted(pinned)
    assert all("==" in requirement for requirement in pinned)


def test_schema_and_key_table_are_those_of_the_models(tmp_path):
    command = [sys.executable, ROOT / "tools/document_config.py"]
    subprocess.run([*command, "--schema", tmp_path / "s", "--readme", tmp_path / "r"], check=True, capture_output=True)
    advice = "run tools/document_config.py"
    assert (tmp_path / "s").read_text() == (ROOT / "workflow/schemas/config.schema.yaml").read_text(), advice
    assert (tmp_path / "r").read_text() == (ROOT / "config/README.md").read_text(), advice


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_every_script_explains_its_arguments(script):
    result = subprocess.run([sys.executable, script, "--help"], capture_output=True, text=True, check=True, cwd="/")
    purpose, _, options = result.stdout.partition("options:")
    assert len(purpose.splitlines()) > 3
    assert "--out" in options or "--csv" in options or "--schema" in options


def test_every_rule_has_a_script_of_its_name():
    text = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    for name in text.split('code=code("')[1:]:
        assert (ROOT / "scripts" / f"{name.split(chr(34))[0]}.py").exists()


def test_the_library_draws_tables_and_figures_without_torch():
    drawn = [f"seqmatch.report.{folder}" for folder in ("figures", "tables")]
    drawn = [f"{name}.{path.stem}" for name in drawn for path in (ROOT / name.replace(".", "/")).glob("[a-z]*.py")]
    plain = [
        "config",
        "analysis.convergence",
        "analysis.difficulty",
        "report.html",
        "report.published",
        "planning.code",
    ]
    plain = [f"seqmatch.{name}" for name in plain]
    modules = ["sys", *plain, *drawn]
    code = f"import {', '.join(modules)}"
    subprocess.run([sys.executable, "-c", f"{code}; assert 'torch' not in sys.modules"], check=True, cwd=ROOT)
