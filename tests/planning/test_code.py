"""What a fingerprint of code covers, and what it does not."""

import ast
import json
import shutil
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
from helpers.tiny import ROOT

from seqmatch import config
from seqmatch.config.sections import FAMILIES
from seqmatch.errors import SeqmatchError
from seqmatch.planning.code import COUNTED, NOT_RESULTS, check_class, code_of, digest

SCRIPTS = sorted((ROOT / "scripts").glob("*.py"))
PACKAGE = sorted((ROOT / "seqmatch").rglob("*.py"))


def names(script, *modules):
    return {path.relative_to(ROOT).as_posix() for path in code_of(ROOT / "scripts" / f"{script}.py", modules)}


def write(folder, files):
    """Write files of a project; the path of its script."""
    for name, text in {"scripts/a.py": "", **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder / "scripts/a.py"


def found(folder, files, modules=()):
    """Names of the files that take part, the script aside."""
    script = write(folder, files)
    return [path.relative_to(folder).as_posix() for path in code_of(script, modules) if path != script]


WORDS = [
    ('"""One."""\nx = 1', "x = 1  # one\n"),
    ('X = 1\n"""One."""', "X = 1\n\n\n"),
    ('def f():\n    """One."""\n    return 1', 'def f():\n    """Two."""\n    return 1'),
    ('class A:\n    """One."""', "class A:\n    pass"),
    ("def f(x: int = 1) -> int:\n    y: int = x\n    return y", "def f(x=1):\n    y = x\n    return y"),
    ("def f(*a: int, b: int = 1, **c: int): ...", "def f(*a, b=1, **c): ..."),
    ("x: list[int] = []", "x = []"),
    ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import a", "from typing import TYPE_CHECKING\n"),
    ("if typing.TYPE_CHECKING:\n    a = 1\nelse:\n    a = 2", "a = 2"),
    ('raise ValueError("one")', 'raise ValueError("two")'),
    ('raise ValueError("one")', 'raise ValueError(f"{x}: two {y:.3g}")'),
    ('raise ValueError(f"one {x}" "two") from error', 'raise ValueError("three") from error'),
    ('raise E("no " + ", ".join(sorted(x)))', 'raise E("none " + "; ".join(sorted(x)))'),
    ('assert x, "one"', 'assert x, f"two {x}"'),
    ('print("one", file=sys.stderr)', 'print(f"two {len(x)}", file=sys.stderr)'),
    ('warnings.warn("one")', 'warnings.warn("two")'),
    ('parser.error("one")', 'parser.error("two")'),
    ('p.add_argument("--x", help="one", metavar="N")', 'p.add_argument("--x", help=f"two {y}", metavar="M")'),
    ('Progress(desc="one")', 'Progress(desc="two")'),
    # Only messages use these.
    ('def f():\n    t = f"one {x}"\n    raise E(t)', 'def f():\n    t = "two"\n    raise E(t)'),
    (
        'def f():\n    t = "a" if x else ""\n    raise E(f"{t}")',
        'def f():\n    t = "b" if x else ""\n    raise E(f"{t}")',
    ),
    ('def _t(x):\n    return f"one {x}"\nraise E(_t(1))', 'def _t(x):\n    return "two"\nraise E(_t(1))'),
    (
        'def _u():\n    s = "one"\n    return s\ndef _t(x):\n    return _u()\nraise E(_t(1))',
        'def _u():\n    s = "two"\n    return s\ndef _t(x):\n    return _u()\nraise E(_t(1))',
    ),
]

RESULTS = [
    ("x = 1", "x = 2"),
    ("x = 1", "x = 1.0"),
    ("x = 1", "x = True"),
    ("x = 1", "y = 1"),
    ("x = 1 + y", "x = 1 - y"),
    ("x = a.b", "x = a.c"),
    ("f(x, y)", "f(x, y=y)"),
    ("x = 'a'", "x = b'a'"),
    ("x = (1, 2)", "x = [1, 2]"),
    ("x = {**a, 'b': 1}", "x = {'b': 1, **a}"),
    ("def f(x=1): ...", "def f(x=2): ..."),
    ("def f(*, x=1): ...", "def f(x=1): ..."),
    ("def f(x, /): ...", "def f(x): ..."),
    ("def f(*, x, y=1): ...", "def f(*, x=1, y): ..."),
    ("import a", "import b"),
    ("from a import b", "from a import c as b"),
    ("if x:\n    f()\ng()", "if x:\n    f()\n    g()"),
    ("raise ValueError('one')", "raise KeyError('one')"),
    ("raise ValueError('one')", "f('one')"),
    ("assert x, 'one'", "assert y, 'one'"),
    ("f'{x} one'", "f'{x} two'"),
    ("f'{x:.3f}'", "f'{x:.4f}'"),
    ("f'{x}'", "f'{x!r}'"),
    ('p.add_argument("--x", default="one")', 'p.add_argument("--x", default="two")'),
    ('print("one", file=table)', 'print("two", file=table)'),
    # Annotations that a class or a decorator may read.
    ("@dataclass\nclass A:\n    x: int = 1", "@dataclass\nclass A:\n    x: float = 1"),
    ("@dataclass\nclass A:\n    x: int", "@dataclass\nclass A:\n    x: float"),
    ("class A:\n    if a:\n        x: int = 1", "class A:\n    if a:\n        x: float = 1"),
    ("@register\ndef f(x: int): ...", "@register\ndef f(x: float): ..."),
    # Not, or not only, in messages.
    ("def f():\n    t = 'one'\n    raise E(t)\n    return t", "def f():\n    t = 'two'\n    raise E(t)\n    return t"),
    ("t = 'one'\nraise E(t)", "t = 'two'\nraise E(t)"),
    (
        "def f():\n    global _t\n    _t = 'one'\n    raise E(_t)",
        "def f():\n    global _t\n    _t = 'two'\n    raise E(_t)",
    ),
    ("def t():\n    return 'one'\nraise E(t())", "def t():\n    return 'two'\nraise E(t())"),
    ("def _t():\n    return 'one'\nx = _t()", "def _t():\n    return 'two'\nx = _t()"),
    ("@f\ndef _t():\n    return 'one'\nraise E(_t())", "@f\ndef _t():\n    return 'two'\nraise E(_t())"),
    ("__all__ = ['one']", "__all__ = ['two']"),
    # Calls that may do more than word a message.
    ("print(f'{table.pop(\"one\")}')", "print(f'{table.pop(\"two\")}')"),
    (
        "def _t(x):\n    x.y = 'one'\n    return ''\nprint(_t(x))",
        "def _t(x):\n    x.y = 'two'\n    return ''\nprint(_t(x))",
    ),
    ("print(next(x), 'one')", "print(next(y), 'one')"),
    ("def f():\n    t = x.pop('one')\n    print(t)", "def f():\n    t = x.pop('two')\n    print(t)"),
]


@pytest.mark.parametrize(("before", "after"), WORDS)
def test_words_do_not_count(tmp_path, before, after):
    assert digest(write(tmp_path, {"scripts/a.py": before})) == digest(write(tmp_path, {"scripts/a.py": after}))


@pytest.mark.parametrize(("before", "after"), RESULTS)
def test_what_is_computed_counts(tmp_path, before, after):
    assert digest(write(tmp_path, {"scripts/a.py": before})) != digest(write(tmp_path, {"scripts/a.py": after}))


def test_the_messages_of_the_project_do_not_count(tmp_path):
    """Every text in a `raise`, and those that reach one by a variable or a function, in words that are known."""
    shutil.copytree(ROOT / "seqmatch", tmp_path / "seqmatch")
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    before = [digest(tmp_path / "scripts" / path.name) for path in SCRIPTS]
    for words in (
        "an expert diverged",
        "each stored image starts",
        "there is no such file",
        "how experts train on real data",
    ):
        paths = [path for path in tmp_path.rglob("*.py") if words in path.read_text()]
        assert paths, words
        for path in paths:
            path.write_text(path.read_text().replace(words, "other words"))
    assert [digest(tmp_path / "scripts" / path.name) for path in SCRIPTS] == before


def test_further_modules_and_texts_take_part(tmp_path):
    files = {"seqmatch/b.py": "from seqmatch import c\n", "seqmatch/c.py": "x = 1\n", "seqmatch/d.py": "x = 1\n"}
    script = write(tmp_path, files)
    assert found(tmp_path, files, ["seqmatch.b"]) == ["seqmatch/b.py", "seqmatch/c.py"]
    digests = [digest(script), digest(script, ["seqmatch.b"]), digest(script, ["seqmatch.d"])]
    digests += [digest(script, texts=texts) for texts in (["ab"], ["a", "b"], ["b", "a"])]
    assert len(set(digests)) == len(digests)
    with pytest.raises(SeqmatchError, match=r"no module seqmatch\.e"):
        digest(script, ["seqmatch.e"])


OWN = {
    "nets/__init__.py": "X = 1\n",
    "nets/mlp.py": "import torch\nfrom .layers import Norm\nimport more\nfrom seqmatch import b\n",
    "nets/layers.py": "from seqmatch.c import x\n",
    "more.py": "from nets import mlp\n",
    "other.py": "",
    "seqmatch/b.py": "",
    "seqmatch/c.py": "",
}


def test_a_module_of_ones_own_counts_with_what_lies_beside_it(tmp_path, monkeypatch):
    project, own = tmp_path / "project", tmp_path / "own"
    script = write(project, {name: text for name, text in OWN.items() if name.startswith("seqmatch")})
    write(own, {name: text for name, text in OWN.items() if not name.startswith("seqmatch")})
    monkeypatch.chdir(own)
    taking_part = [path.relative_to(tmp_path).as_posix() for path in code_of(script, ["nets.mlp"])]
    assert taking_part == [
        "project/scripts/a.py",
        "project/seqmatch/b.py",
        "project/seqmatch/c.py",
        *(f"own/{name}" for name in ("more.py", "nets/__init__.py", "nets/layers.py", "nets/mlp.py")),
    ]
    before = digest(script, ["nets.mlp"])
    (own / "other.py").write_text("x = 1")
    assert digest(script, ["nets.mlp"]) == before
    (own / "nets/layers.py").write_text("x = 1")
    assert digest(script, ["nets.mlp"]) != before
    (own / "nets/layers.py").write_text("x = (")
    with pytest.raises(SeqmatchError, match=r"layers\.py: not Python"):
        digest(script, ["nets.mlp"])


def test_of_an_installed_module_its_file_counts(tmp_path, monkeypatch):
    place = tmp_path / "lib/site-packages"
    write(place, OWN)
    monkeypatch.syspath_prepend(place)
    assert found(tmp_path, {}, ["nets.mlp"]) == ["lib/site-packages/nets/mlp.py"]


def test_an_edit_is_noticed_in_the_same_process(tmp_path):
    before = digest(write(tmp_path, {"scripts/a.py": "from seqmatch import b", "seqmatch/b.py": "x = 1"}))
    assert digest(write(tmp_path, {"scripts/a.py": "from seqmatch import b", "seqmatch/b.py": "x = 2"})) != before


def test_distillation_runs_matching_and_no_figures():
    taking_part = names("distill_subset")
    matching = "seqmatch/matching/unrolled.py"
    assert {
        "scripts/distill_subset.py",
        "scripts/shared/compute.py",
        "seqmatch/files/store.py",
        matching,
    } <= taking_part
    assert not taking_part & {
        "seqmatch/report/figures/images.py",
        "seqmatch/report/tables/accuracy.py",
        "seqmatch/analysis/evaluation.py",
        "seqmatch/config/__init__.py",
        "scripts/shared/command.py",
    }


def test_experts_depend_on_no_distillation():
    assert not {
        name for name in names("train_experts") if name.startswith(("seqmatch/distillation", "seqmatch/matching"))
    }


def test_networks_depend_on_their_own_family_alone():
    """So that another family, or an edit to one, spares the experts and methods of all others."""
    families = {section.module for section in (config.Architecture(family=name) for name in FAMILIES)}
    assert len(families) == len(FAMILIES)
    files = {f"{name.replace('.', '/')}.py" for name in families}
    for script in ("train_experts", "distill_subset", "evaluate", "record_losses"):
        assert not files & names(script)
    convnet = config.Architecture(family="convnet").module
    assert files & names("train_experts", convnet) == {"seqmatch/networks/convnet.py"}


def test_figures_depend_on_little():
    assert names("figure_difficulty") == {
        "scripts/shared/drawing.py",
        "scripts/figure_difficulty.py",
        "seqmatch/report/figures/difficulty.py",
        "seqmatch/report/figures/__init__.py",
        "seqmatch/report/figures/style.py",
        "seqmatch/report/figures/fonts.py",
        "seqmatch/report/figures/captions.py",
        "seqmatch/report/__init__.py",
        "seqmatch/report/latex.py",
        "seqmatch/files/__init__.py",
        "seqmatch/files/csv_text.py",
        "seqmatch/files/store.py",
    }


def test_imports_are_followed_also_within_functions_but_not_for_types_alone(tmp_path):
    files = {
        "scripts/a.py": "from seqmatch.b import x\nimport os.path\nfrom shared import d\n",
        "scripts/shared/d.py": "",
        "seqmatch/b.py": "def x():\n    from seqmatch import c\n",
        "seqmatch/c.py": "import torch\nif TYPE_CHECKING:\n    from seqmatch import e\n",
        "seqmatch/e.py": "",
    }
    assert found(tmp_path, files) == ["scripts/shared/d.py", "seqmatch/b.py", "seqmatch/c.py"]


def test_modules_are_left_out_by_whole_names(tmp_path):
    files = {
        "scripts/a.py": "from seqmatch import config\nimport seqmatch.config.methods\nimport seqmatch.configuration\n",
        "seqmatch/config/__init__.py": "",
        "seqmatch/config/methods.py": "",
        "seqmatch/config/storage.py": "",
        "seqmatch/configuration.py": "from seqmatch.config import storage",
    }
    assert found(tmp_path, files) == ["seqmatch/config/storage.py", "seqmatch/configuration.py"]


def test_the_interface_of_the_package_counts_where_it_is_used(tmp_path):
    files = {"seqmatch/__init__.py": "def load():\n    import seqmatch.c\n", "seqmatch/b.py": "", "seqmatch/c.py": ""}
    assert found(tmp_path, files | {"scripts/a.py": "from seqmatch import b\n"}) == ["seqmatch/b.py"]
    interface = found(tmp_path, files | {"scripts/a.py": "from seqmatch import load\n"})
    assert interface == ["seqmatch/__init__.py", "seqmatch/c.py"]


def test_a_script_that_does_not_exist_and_an_import_that_cannot_be_followed_are_errors(tmp_path):
    with pytest.raises(FileNotFoundError):
        code_of(tmp_path / "scripts" / "a.py")
    with pytest.raises(ValueError, match="relative"):
        digest(write(tmp_path, {"scripts/a.py": "from . import b\n"}))


def test_what_is_left_out_exists():
    for name in (*NOT_RESULTS, *COUNTED):
        path = (ROOT if name.startswith("seqmatch.") else ROOT / "scripts") / name.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def test_sections_of_the_configuration_that_a_module_makes_itself_have_every_field():
    """Or else a default would reach a result unseen, since the configuration takes no part in fingerprints.

    No job uses `sets`.
    """
    for path in PACKAGE:
        if not any(path.is_relative_to(ROOT / "seqmatch" / folder) for folder in ("config", "sets")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("config."):
                    section = getattr(config, node.func.attr, None)
                    fields = getattr(section, "model_fields", {})
                    assert set(fields) <= {keyword.arg for keyword in node.keywords}, f"{path}:{node.lineno}"


def others():
    """Pythons of other versions, on the PATH or beside this one."""
    for minor in range(11, 20):
        name = f"python3.{minor}"
        beside = sorted(Path(sys.base_prefix).parent.glob(f"*/bin/{name}"))
        for path in [shutil.which(name), *beside] if minor != sys.version_info.minor else []:
            if path and subprocess.run([path, "-c", ""], capture_output=True).returncode == 0:
                yield path
                break


AWKWARD = '''
"a" f"{x}" "b" f"c{y!r:>{w}.{p}}"; f""; f"{x:}"; f"{x = }"; f"{x:{y}}"; f"{{}}{x}}}"; f"{x:%H:%M}{y:{z}}" ""
d = u"ü\\U0001FAE8\\ud800", b"\\xff", 1e-7, 1_000, 2j, -0.0, 10**40, ..., None, rf"{x}\\d", """{x}"""
f"a" f"b", f"{f'{x}'}", f"{x:a{'b'}c}", {**x, 1: 2}, [*x], lambda a, /, b=1, *c, d, e=2, **f: (yield)
match x:
    case {"a": [1, *_], **rest} | A(b=2) if rest: pass
try: pass
except* ValueError as error: raise
async def f():
    async with a as b, c: [x async for x in y if await z]
    return (z := 1), x[1:2, ::3], not -x < y <= z, x if y else z
'''


@pytest.mark.parametrize("python", list(others()) or [pytest.param("", marks=pytest.mark.skip("no other Python"))])
def test_every_version_of_python_gives_the_same_digests(tmp_path, python):
    scripts = [*SCRIPTS, write(tmp_path, {"scripts/a.py": AWKWARD})]
    program = f"""if True:
        import json, pathlib, sys
        sys.path.insert(0, {str(ROOT)!r})
        from seqmatch.planning.code import digest
        print(json.dumps([digest(pathlib.Path(path)) for path in sys.argv[1:]]))"""
    said = subprocess.run([python, "-I", "-c", program, *scripts], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout) == [digest(path) for path in scripts]


@pytest.mark.parametrize(
    ("module", "name", "message"),
    [
        ("nets", "Net", None),
        ("nets", "Made", None),
        ("nets", "imported", None),
        ("starred", "Anything", None),
        ("nets", "Nett", r"nets\.py has no class Nett; did you mean Net\?"),
        ("absent", "Net", "there is no module absent"),
        ("random", "Net", "random is a module of Python itself; give yours another name"),
        ("time", "Net", "time is a module of Python itself"),
        ("__main__", "Net", "__main__ is a module of Python itself"),
        ("a", "Net", r"scripts/a\.py has no class Net"),  # as a job would find it, though one lies here too
        ("shared", "Net", r"scripts/shared/__init__\.py has no class Net"),
        ("broken", "Net", r"broken\.py: not Python"),
        ("importing", "Net", r"broken\.py: not Python"),
    ],
)
def test_a_class_that_is_not_there_is_told_of_before_anything_runs(tmp_path, monkeypatch, module, name, message):
    files = {"a.py": "class Net: ...", "shared.py": "class Net: ...", "time.py": "class Net: ...", "broken.py": "x = ("}
    files |= {
        "nets.py": "from x import imported\nif 1:\n class Net: ...\nMade = print",
        "starred.py": "from x import *",
    }
    files |= {"importing.py": "import broken\nclass Net: ...", "random.py": "class Net: ..."}
    monkeypatch.chdir(write(tmp_path / "own", files).parent.parent)
    script = write(tmp_path / "project", {"scripts/shared/__init__.py": ""})
    if message is None:
        return check_class(script, module, name)
    with pytest.raises(SeqmatchError, match=message):
        check_class(script, module, name)


def test_a_package_that_is_installed_to_be_edited_counts_wherever_it_lies(tmp_path, monkeypatch):
    """Its finder knows the folder, which is on no path."""
    write(tmp_path / "elsewhere", {"pack/__init__.py": "", "pack/nets.py": "class Net: ..."})
    spec = ModuleSpec("pack", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path / "elsewhere/pack")]
    monkeypatch.setattr("seqmatch.planning.code.find_spec", {"pack": spec}.get)
    check_class(write(tmp_path, {}), "pack.nets", "Net")
    with pytest.raises(SeqmatchError, match=r"elsewhere/pack/nets\.py has no class Nets"):
        check_class(write(tmp_path, {}), "pack.nets", "Nets")
