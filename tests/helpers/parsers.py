"""The arguments of scripts and tools."""

import argparse
import runpy
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from helpers.tiny import ROOT
from shared import command

SCRIPTS = sorted((ROOT / "scripts").glob("*.py"))
TOOLS = sorted((ROOT / "tools").glob("*.py"))


def parser_of(path: Path) -> argparse.ArgumentParser:
    """The parser with which a script or tool would read its arguments; nothing of it is run."""
    return captured(path)[1]


def captured(path: Path) -> tuple[Callable, argparse.ArgumentParser]:
    """The main function of a script or tool, and its parser."""
    with mock.patch.object(command, "run") as run:
        runpy.run_path(str(path), run_name="__main__")
    return run.call_args.args
