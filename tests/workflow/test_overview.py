"""What the report's first page says of jobs, and of the configuration."""

import overview
import pytest
import yaml
from helpers.snakemake import TINY

from seqmatch import config

CONFIGURATION = config.load(TINY)
RUNS = config.runs(CONFIGURATION)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("cluster_difficulty.tsv", "cluster_difficulty"),
        ("digits/prepare_dataset.tsv", "prepare_dataset"),
        ("digits/experts/convnet/shard0.tsv", "train_experts"),
        ("digits/mtt/ipc3/seed0/teachers2/shard1.tsv", "train_teachers"),
        ("digits/mtt/ipc3/seed0/distill_subset2.tsv", "distill_subset"),
        ("digits/mtt/ipc3/seed0/evaluate.vgg11.tsv", "evaluate"),
    ],
)
def test_a_benchmark_files_rule(name, rule):
    assert overview.rule(name) == rule and overview.ours(name, RUNS)


@pytest.mark.parametrize(
    "name",
    [
        "cifar10/prepare_dataset.tsv",
        "digits/mtt/ipc4/seed0/distill_subset1.tsv",
        "digits/mtt/ipc3/seed1/distill_subset1.tsv",
        "digits/dm/ipc3/seed0/distill_subset1.tsv",
    ],
)
def test_times_of_other_experiments_do_not_count(name):
    assert not overview.ours(name, RUNS)


def test_times_are_summed_by_rule(tmp_path):
    for seconds, memory, name in [
        ("60", "1024", "digits/mtt/ipc3/seed0/distill_subset1.tsv"),
        ("30", "-", "digits/seqmatch-mtt/ipc3/seed0/distill_subset2.tsv"),
        ("90", "512", "digits/prepare_dataset.tsv"),
        ("999", "512", "cifar10/prepare_dataset.tsv"),
    ]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0:01:00\t{memory}\n")
    table = overview.times_table(tmp_path, RUNS)
    assert table.to_numpy().tolist() == [["distill_subset", 2, 1.5, 1.0, 1.0], ["prepare_dataset", 1, 1.5, 1.5, 0.5]]
    assert overview.total(table).startswith("3 jobs that compute took 0:03:00 (h:mm:ss)")
    assert overview.total(overview.times_table(tmp_path / "nowhere", RUNS)).startswith("0 jobs")


def test_what_was_run_names_every_method_with_its_subsets():
    said = overview.experiment(CONFIGURATION, RUNS)
    assert said["digits ipc 3"] == (
        "random (convnet, 2 networks a seed), mtt (convnet, 2 networks a seed), "
        "seqmatch-mtt (convnet, K = 2, 2 networks a seed)"
    )
    assert said["distillation seeds"] == "0" and said["data sets"] == "digits (source: digits, standardize)"


def test_the_configuration_as_it_was_set_runs_the_same_experiment():
    text = overview.as_yaml(CONFIGURATION.model_dump(mode="json", exclude_unset=True))
    assert config.runs(config.load(yaml.safe_load(text))) == RUNS
