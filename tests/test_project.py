"""What stands in two places agrees, and the house has its order."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
import yaml
from helpers.parsers import SCRIPTS, TOOLS, parser_of
from helpers.tiny import ROOT
from packaging.requirements import Requirement

PACKAGE = ROOT / "seqmatch"

HOUSE = [
    {"errors", "seeds"},
    {"config"},
    {"runtime"},
    {"files"},
    {"transforms"},
    {"data"},
    {"networks"},
    {"training"},
    {"matching"},
    {"synthetic"},
    {"distillation"},
    {"analysis"},
    {"sets"},
    {"report"},
    {"planning"},
    {"command"},
    {"__main__"},
]
"""Folders, and modules at the top, of the package: each may import what stands before it, and nothing that stands
after it. Those that share a place do not import each other."""

TORCH_FREE = ("config", "planning", "report", "analysis.convergence", "analysis.difficulty", "data.listing")
"""Folders and modules that planning a run, or drawing a table or figure, loads."""

OF_FIGURES = "--out"
"""The only option that means one file or several: a figure is written in several formats."""


def module_of(path):
    """The name of a module, as imports have it."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imported(path):
    """Modules of the package that a file imports: anywhere in it, also within functions and for types alone."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names):
                names = [alias.name for alias in names]
            case ast.ImportFrom(module, names, 0):
                members = [f"{module}.{alias.name}" for alias in names]
                names = [name if name in MODULES else module for name in members]
            case ast.ImportFrom():
                raise AssertionError(f"{path}, line {node.lineno}: a relative import")
            case _:
                continue
        yield from (name for name in names if name.partition(".")[0] == "seqmatch")


IMPORTS = {name: set(imported(path)) for name, path in MODULES.items()}


def folder_of(module):
    """The folder of the package that a module lies in; at the top, the module itself."""
    return module.split(".")[1]


def circle(arrows):
    """The names along a circle of arrows; empty if there is none."""
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        return error.args[1]
    return []


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PINNED = [*PROJECT["dependency-groups"]["workflow"], *PROJECT["dependency-groups"]["dev"]]


def test_environment_and_project_pin_the_same_versions():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    extras = PROJECT["project"]["optional-dependencies"]
    pinned = [*PINNED, *extras["slurm"], *extras["storage"]]
    assert sorted(environment["dependencies"][-1]["pip"]) == sorted(pinned)
    assert all(
        re.fullmatch(r"[\w-]+==[\d.]+", requirement) for requirement in [*pinned, *PROJECT["dependency-groups"]["docs"]]
    )


def test_the_library_takes_what_the_workflow_pins_and_older_versions():
    """Whoever installs the package brings an environment; whoever runs the workflow gets exact versions."""
    pinned = {requirement.name: requirement.specifier for requirement in map(Requirement, PINNED)}
    extras = PROJECT["project"]["optional-dependencies"]["parquet"]
    for requirement in map(Requirement, [*PROJECT["project"]["dependencies"], *extras]):
        (lowest,) = requirement.specifier
        assert lowest.operator == ">="
        (exact,) = pinned[requirement.name]
        assert requirement.specifier.contains(exact.version) and lowest.version != exact.version


def test_what_the_library_imports_is_what_it_asks_for():
    """Besides Python's own modules; what draws tables and figures is the workflow's."""
    of_workflow = {"matplotlib", "scipy", "snakemake"}
    asked = {Requirement(text).name for text in PROJECT["project"]["dependencies"]}
    names = {"PIL": "pillow", "sklearn": "scikit-learn", "yaml": "pyyaml"}
    imported = {
        names.get(name, name)
        for path in MODULES.values()
        for node in ast.walk(ast.parse(path.read_text()))
        for name in imported_packages(node)
    }
    assert imported - set(sys.stdlib_module_names) - {"seqmatch", "pyarrow"} - of_workflow == asked


def imported_packages(node):
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    return [node.module.partition(".")[0]] if isinstance(node, ast.ImportFrom) and node.module else []


def test_schema_and_tables_of_keys_and_methods_are_those_of_the_models(tmp_path):
    written = {
        "--schema": "workflow/schemas/config.schema.yaml",
        "--readme": "config/README.md",
        "--methods-page": "docs/methods/README.md",
    }
    (tmp_path / "--methods-page").write_text((ROOT / written["--methods-page"]).read_text())
    options = [word for option in written for word in (option, tmp_path / option)]
    subprocess.run([sys.executable, ROOT / "tools/document_config.py", *options], check=True, capture_output=True)
    for option, name in written.items():
        assert (tmp_path / option).read_text() == (ROOT / name).read_text(), "run tools/document_config.py"


@pytest.mark.parametrize("path", [*SCRIPTS, *TOOLS], ids=lambda path: path.stem)
def test_every_command_explains_itself(path):
    purpose, _, options = parser_of(path).format_help().partition("options:")
    assert len(purpose.splitlines()) > 3
    assert path in TOOLS or "--out" in options or "--csv" in options


@pytest.mark.parametrize("path", [SCRIPTS[0], TOOLS[0]], ids=lambda path: path.stem)
def test_a_command_runs_from_anywhere(path):
    subprocess.run([sys.executable, path, "--help"], capture_output=True, check=True, cwd="/")


def test_every_script_is_run_by_a_rule_and_every_rule_runs_a_script_that_exists():
    text = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    assert set(re.findall(r'(?:command|drawing|networks|place)\("(\w+)"', text)) == {path.stem for path in SCRIPTS}


def kind(action):
    """What an option takes: type, choices, and whether that is one, several, or one more each time it is given.

    Of a section of the configuration the type is a closure, which its option and section tell apart. A file that one
    command writes and another reads is a path to both.
    """
    cells = tuple(cell.cell_contents for cell in getattr(action.type, "__closure__", None) or ())
    several = action.nargs not in (None, 0, "?")
    name = getattr(action.type, "__qualname__", None)
    name = "path" if name in ("file", "table_file", "figure_file") else name
    return type(action), name, cells, several, tuple(action.choices or ())


def test_options_of_one_name_take_the_same_in_all_commands():
    kinds = defaultdict(dict)
    for path in (*SCRIPTS, *TOOLS):
        for action in parser_of(path)._actions:
            for option in action.option_strings:
                kinds[option].setdefault(kind(action), []).append(path.stem)
    assert len(kinds) > 40
    different = {option: of for option, of in kinds.items() if len(of) > 1}
    figures = [path.stem for path in SCRIPTS if path.stem.startswith("figure_")]
    assert figures in different.pop(OF_FIGURES).values()
    assert not different


def test_no_option_takes_what_is_not_checked():
    """Text is either one of a few choices, or checked by one of the types in seqmatch/command/arguments.py."""
    unchecked = {int, float, str, Path, json.loads, None}
    found = [
        f"{path.stem} {action.dest}"
        for path in (*SCRIPTS, *TOOLS)
        for action in parser_of(path)._actions
        if action.nargs != 0 and action.type in unchecked and not action.choices
    ]
    assert found == []


def test_the_library_plans_and_draws_without_torch():
    plain = [name for name in MODULES if any(f"{name}.".startswith(f"seqmatch.{part}.") for part in TORCH_FREE)]
    assert len(plain) > 30
    code = f"import sys, {', '.join(plain)}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_imports_run_in_no_circle():
    """Neither of modules nor of folders, also where they stand within functions or are for types alone."""
    assert circle(IMPORTS) == []
    folders = defaultdict(set)
    for module, imports in IMPORTS.items():
        if module != "seqmatch":
            folders[folder_of(module)] |= {folder_of(name) for name in imports - {"seqmatch"}} - {folder_of(module)}
    assert len(folders) == sum(map(len, HOUSE)) and circle(folders) == []


def test_a_folder_imports_from_those_before_it_alone():
    """The order of the house, `HOUSE`: what is more general stands first, and knows nothing of what is built on it.

    A folder may import from folders before it in this list, not from later ones; a folder that is not in the list has
    no place yet, and fails.
    """
    place = {name: index for index, names in enumerate(HOUSE) for name in names}
    wrong = [
        f"{module} imports {name}"
        for module, imports in IMPORTS.items()
        for name in imports - {"seqmatch"}
        if module != "seqmatch"
        and folder_of(module) != folder_of(name)
        and place[folder_of(module)] <= place[folder_of(name)]
    ]
    assert not wrong


def test_the_top_of_the_package_is_folders_and_at_most_four_modules():
    assert len(list(PACKAGE.glob("*.py"))) <= 4


def test_every_folder_of_the_package_has_its_folder_of_tests():
    folders = {path.parent.relative_to(PACKAGE).parts[0] for path in PACKAGE.glob("*/**/*.py")}
    tested = {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")}
    assert folders <= tested
