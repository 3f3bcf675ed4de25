"""Scripts, called in this process."""

import contextlib
import io
import sys
from functools import cache
from unittest import mock

import torch
from helpers.parsers import captured
from helpers.tiny import ROOT
from shared import command

from seqmatch.runtime import device as devices


@cache
def _script(name):
    return captured(ROOT / "scripts" / f"{name}.py")


def call(script, *words):
    """The status with which a script ends, and what it says; an error that is not made for people is raised."""
    said = io.StringIO()
    argv = [str(ROOT / "scripts" / f"{script}.py"), *map(str, words)]
    with (
        mock.patch.object(sys, "argv", argv),
        mock.patch.object(devices, "prepare", lambda gpus, threads: torch.device("cpu")),
        contextlib.redirect_stderr(said),
        contextlib.redirect_stdout(said),
    ):
        try:
            command.run(*_script(script))
        except SystemExit as ended:
            return ended.code, said.getvalue()
    return 0, said.getvalue()


def outcome(script, *words):
    """Empty for a call that ends with one line that says what is wrong; else what happened instead."""
    try:
        status, said = call(script, *words)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    last = said.splitlines()[-1] if said else ""
    return "" if status in (1, 2) and "error: " in last else f"status {status}: {last}"
