"""The examples of docs/guide/extend.md work as they stand there."""

import re

import pytest
from helpers.snakemake import copy_project, run, snakemake
from helpers.tiny import ROOT

TEXT = (ROOT / "docs/guide/extend.md").read_text()
SECTIONS = {title: body for title, body in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE)}
LONGEST = 40

EXPERIMENT = {
    "datasets": {"digits": {"source": "digits", "augmentation": []}},
    "architectures": {"convnet": {"family": "convnet", "width": 4, "depth": 2}},
    "experts": {"convnet": {"architecture": "convnet"}},
    "matching": {"iterations": 5, "snapshots": 1, "lr_images": 0.05},
    "evaluation": {"networks": 1, "epochs": 2},
    "difficulty": {"networks": 1, "records": 1},
    "selection": {"also": []},
    "cells": [{"dataset": "digits", "ipc": 1, "methods": {"random": None}}],
}
RUN = "results/digits/random/ipc1/seed0"
CENTRE = "results/digits/seqmatch-centre/ipc2/seed0"


def with_methods(methods, ipc=1):
    return EXPERIMENT | {"cells": [{"dataset": "digits", "ipc": ipc, "methods": methods}]}


EXAMPLES = {
    "A data set": (
        EXPERIMENT | {"datasets": {"digits": {"source": "stripes"}}},
        "results/digits/data.safetensors",
    ),
    "An architecture": (
        EXPERIMENT | {"architectures": {"convnet": {"family": "nets:Mlp", "options": {"width": 8}}}},
        f"{RUN}/accuracy/convnet.csv",
    ),
    "An objective, and the method that uses it": (
        with_methods({"seqmatch-centre": {"stages": [{"strength": 0.5}, {}]}}, ipc=2),
        f"{CENTRE}/subset2.safetensors",
    ),
    "A parameterisation": (
        with_methods({"dm": {"stages": [{"parameterisation": "halves"}]}}),
        "results/digits/dm/ipc1/seed0/accuracy/convnet.csv",
    ),
    "A figure": (EXPERIMENT, "results/figures/digits/spread.png"),
}


def blocks(section):
    """Kind, path and lines of each code block."""
    return re.findall(r"^```(\w+)\n# (\S+)\n(.*?)^```", SECTIONS[section], re.DOTALL | re.MULTILINE)


def apply(folder, kind, path, body):
    """Write a file, or change one: `-` lines go, `+` lines come below the line before them."""
    if kind != "diff":
        (folder / path).write_text(body)
        return
    text, place = (folder / path).read_text(), 0
    for line in body.splitlines(keepends=True):
        if line[0] == "+":
            text, place = text[:place] + line[1:] + text[place:], place + len(line) - 1
        else:
            assert text.count(line[1:], place) >= 1, (path, line)
            start = text.index(line[1:], place)
            end = start + len(line) - 1
            text, place = (text[:start] + text[end:], start) if line[0] == "-" else (text, end)
    (folder / path).write_text(text)


def test_every_section_is_an_example():
    assert set(SECTIONS) == set(EXAMPLES)


@pytest.mark.slow
@pytest.mark.parametrize("section", EXAMPLES)
def test_an_example_is_short_and_does_what_it_says(tmp_path, section):
    configuration, target = EXAMPLES[section]
    folder = copy_project(tmp_path, configuration)
    for kind, path, body in blocks(section):
        assert len(body.splitlines()) < LONGEST
        apply(folder, kind, path, body)
    planned = snakemake(folder, "-n", "all")
    assert planned.returncode == 0, planned.stdout + planned.stderr
    run(folder, target)
    assert (folder / target).is_file()
