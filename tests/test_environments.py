"""Pins of conda, pip and the lock file agree, and each job's environment has what it imports."""

import ast
import re
import sys
import tomllib
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from helpers.tiny import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

OURS = {
    ".".join(path.relative_to(folder).with_suffix("").parts).removesuffix(".__init__"): path
    for folder, under in ((ROOT, "seqmatch"), (ROOT / "scripts", ""))
    for path in (folder / under).rglob("*.py")
}
"""Our modules, as imports name them."""

INSTALLED_AS = {"PIL": "pillow", "sklearn": "scikit-learn", "yaml": "pyyaml"}

RULES = "".join(path.read_text() for path in sorted((ROOT / "workflow/rules").glob("*.smk")))


def pins(environment):
    """What pip installs of a conda environment."""
    return yaml.safe_load((ROOT / environment).read_text())["dependencies"][-1]["pip"]


@cache
def imported(path):
    """What a file imports, also within functions: modules of ours, and those of others."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    members = [(node.module, alias.name) for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names]
    return plain | {name if (name := f"{module}.{member}") in OURS else module for module, member in members}


def needed(script):
    """The packages that a script imports, and all that it imports of ours."""
    found, open_ = {}, [script]
    while open_:
        module = open_.pop()
        found[module] = imported(OURS[module])
        open_ += found[module] & OURS.keys() - found.keys()
    names = {name.partition(".")[0] for names in found.values() for name in names} - {"seqmatch", "shared"}
    return {INSTALLED_AS.get(name, name) for name in names - set(sys.stdlib_module_names)}


def environments():
    """The environment that each script runs in, as the rules have it."""
    files = dict(zip(("COMPUTING", "DRAWING"), re.findall(r'"../(envs/\w+\.yml)"', RULES), strict=True))
    of_rule, of_script = {}, {}
    written = re.findall(r"^(?:use )?rule (?:(\w+) as )?(\w+).*:\n((?:(?: .*)?\n)+)", RULES, re.M)
    for base, name, text in sorted(written, key=lambda rule: bool(rule[0])):
        of_rule[name] = of_rule[base] if base else files[re.search(r"conda:\s+(\w+)", text)[1]]
        for script in re.findall(r'(?:command|networks|place)\("(\w+)"', text):
            of_script[script] = of_rule[name]
    return of_script


@pytest.mark.parametrize(("script", "environment"), environments().items())
def test_a_jobs_environment_has_what_its_script_imports(script, environment):
    installed = {pin.partition("==")[0] for pin in pins(f"workflow/{environment}")}
    assert needed(script) <= installed
    assert ("torch" in installed) == ("torch" in needed(script))  # drawing needs none


def test_environments_of_jobs_pin_what_that_of_people_pins():
    everything = set(pins("environment.yml"))
    for name in ("computing", "drawing"):
        assert set(pins(f"workflow/envs/{name}.yml")) < everything


@cache
def locked():
    """What the lock file installs here: the version of each package, and its checksums."""
    text = (ROOT / "requirements.lock").read_text().replace("\\\n", "")
    entries = [line.partition("--hash=") for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    found = [
        (Requirement(requirement), set(re.findall(r"sha256:[0-9a-f]{64}", rest))) for requirement, _, rest in entries
    ]
    return {
        canonicalize_name(pinned.name): (str(pinned.specifier)[2:], sums)
        for pinned, sums in found
        if pinned.marker is None or pinned.marker.evaluate()
    }


def test_the_lock_file_has_the_pins_with_checksums_and_names_no_host():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    tests = {pin for group in project["dependency-groups"].values() for pin in group}
    wanted = [Requirement(pin) for pin in set(pins("environment.yml")) - tests]
    assert all(locked()[canonicalize_name(pin.name)][0] == str(pin.specifier)[2:] for pin in wanted)
    assert all(sums for _, sums in locked().values())
    assert "://" not in (ROOT / "requirements.lock").read_text()


def test_the_lock_file_is_complete():
    """Whatever an installed package of it needs is in it, in a version that will do."""
    for name, (version, _) in locked().items():
        if version != installed_version(name):
            continue
        needs = map(Requirement, metadata.requires(name) or [])
        for need in (need for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})):
            assert need.specifier.contains(locked()[canonicalize_name(need.name)][0], prereleases=True), (name, need)


def installed_version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


@pytest.mark.skipif(not Path(ROOT, "uv.lock").exists(), reason="uv has resolved nothing here")
def test_the_lock_file_has_the_checksums_of_uv():
    resolved = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    for package in resolved:
        version, sums = locked().get(package["name"], (None, set()))
        if version == package["version"]:
            files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
            known = {file["hash"] for file in files}  # more, where files were added later
            assert sums <= known, f"{package['name']}: run the command in requirements.lock"


def test_githubs_checks_are_those_of_ci_run():
    """But for the report, which is there to be looked at."""
    job = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]["check"]
    lines = {line for step in job["steps"] for line in step.get("run", "").splitlines()}
    assert lines - {"uv sync", "uv run snakemake --report report.zip"} < set(
        (ROOT / ".ci/run").read_text().splitlines()
    )
