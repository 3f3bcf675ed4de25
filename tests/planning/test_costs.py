import subprocess
import sys
from pathlib import Path

import pytest
import torch
from estimate import merged
from helpers.snakemake import TINY, copy_project, plan
from helpers.tiny import ROOT

from seqmatch import config, networks
from seqmatch.planning.costs import costs
from seqmatch.seeds import Seed

OVERLAYS = sorted((ROOT / "config").glob("*.yaml"))


def total(rule, found):
    return sum(cost.jobs for cost in found if cost.rule == rule)


def test_jobs_are_those_that_snakemake_plans(tmp_path):
    planned = plan(copy_project(tmp_path, TINY))
    found = costs(config.load(TINY))
    assert {cost.rule for cost in found} <= set(planned)
    for rule in {cost.rule for cost in found}:
        assert total(rule, found) == planned[rule], rule


def test_operations_of_a_network_are_counted_as_pytorch_counts_them():
    from torch.utils.flop_counter import FlopCounterMode

    spec, shape = config.Network(family="convnet", width=8, depth=3), (3, 32, 32)
    first, rest, parameters = networks.size(spec, shape, 10)
    network = networks.build(spec, shape, 10, Seed("n"))
    with FlopCounterMode(display=False) as counted, torch.inference_mode():
        network(torch.zeros(1, *shape))
    assert first + rest == counted.get_total_flops()
    assert parameters == sum(parameter.numel() for parameter in network.parameters())


def test_costs_of_one_cell_by_hand(monkeypatch):
    """CIFAR-10 with ten images per class: the numbers of the paper's hyperparameters, multiplied out."""
    monkeypatch.chdir(ROOT)
    settings = config.load(merged([Path("config/cifar10.yaml")]))
    first, rest, parameters = networks.size(settings.networks["convnet"], (3, 32, 32), 10)
    assert parameters == 320_010
    by_rule = {}
    for cost in costs(settings):
        by_rule.setdefault(cost.rule, []).append(cost)
    (experts,) = by_rule["train_experts"]
    assert experts.jobs == 10 and experts.disk == 100 * 22 * 4 * parameters  # 19 + 2 epochs, and the start
    assert experts.operations == pytest.approx(100 * 21 * 49_000 * (2 * first + 3 * rest))
    random, mtt, _, second = by_rule["distill_subset"]
    assert mtt.operations == pytest.approx(5000 * 30 * 100 * (7 * first + 11 * rest))
    assert second.operations == pytest.approx(5000 * 80 * 50 * (7 * first + 11 * rest))
    assert random.operations == 0


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.stem)
def test_every_overlay_can_be_estimated(overlay):
    command = [sys.executable, "tools/estimate.py", "--configfile", str(overlay), "--tflops", "10"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert "| all" in done.stdout and "at 10 TFLOP/s;" in done.stdout, done.stderr
    assert done.returncode == 0 or "GB are free in" in done.stderr
