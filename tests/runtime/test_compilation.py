import subprocess
import sys

import pytest
import torch

from seqmatch.errors import SeqmatchError
from seqmatch.runtime.compilation import compile_function, pays


@pytest.fixture
def broken_compiler(monkeypatch):
    def fail(*arguments):
        raise RuntimeError("no working C++ compiler\nand much more text")

    monkeypatch.setattr(torch, "compile", lambda *a, **k: fail)


def test_the_mode_overrules_the_estimate():
    modes = ("auto", "always", "never")
    assert [pays(mode, 1e9, torch.device("cpu")) for mode in modes] == [True, True, False]
    assert [pays(mode, 0.0, torch.device("cpu")) for mode in modes] == [False, True, False]


def test_without_a_compiler_the_work_goes_on_with_a_warning(broken_compiler, capsys):
    function = compile_function(lambda x: x + 1, lambda x: x + 2)
    assert [function(1), function(2)] == [3, 4]
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2 and said[0].startswith("compiling the inner loop") and "no working C++ compiler" in said[1]


def test_without_a_compiler_a_forced_compilation_is_an_error_that_says_what_to_do(broken_compiler):
    with pytest.raises(SeqmatchError, match=r"no working C\+\+ compiler.*compile: never"):
        compile_function(lambda x: x + 1)(1)


def test_asking_whether_to_compile_does_not_import_the_compiler(pytestconfig):
    """It costs seconds per process."""
    code = (
        "import sys, torch; from seqmatch import config; from seqmatch.training import gradients;"
        "from seqmatch.matching.dispatch import best_unroll;"
        "from seqmatch.networks import activations, structure;"
        "spec = config.Architecture(family='convnet', width=4, depth=2); written = activations(spec, (1, 8, 8), 3);"
        "gradients.best_gradients('auto', 'instance', written, 10, torch.device('cpu'));"
        "best_unroll(structure(spec, (1, 8, 8), 3), 'auto', written, 2, 2, 2, torch.device('cpu'));"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=pytestconfig.rootpath).returncode == 0
