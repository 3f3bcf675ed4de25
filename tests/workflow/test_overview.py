"""What the report's first page says of jobs, and of the configuration."""

import overview
import pandas as pd
import yaml
from helpers.snakemake import TINY

from seqmatch import config

EXPERIMENT = config.load(TINY)


def test_times_are_summed_by_rule():
    rows = [("distill_subset", 60.0, 1024.0), ("distill_subset", 30.0, float("nan")), ("prepare_dataset", 90.0, 512.0)]
    table = overview.times_table(pd.DataFrame(rows, columns=["rule", "seconds", "memory_mib"]))
    assert table.to_numpy().tolist() == [["distill_subset", 2, 1.5, 1.0, 1.0], ["prepare_dataset", 1, 1.5, 1.5, 0.5]]
    assert overview.total(table).startswith("3 jobs that compute took 0:03:00 (h:mm:ss)")


def test_what_was_run_names_every_method_with_its_subsets():
    said = overview.described_experiment(EXPERIMENT)
    assert said["digits ipc 3"] == (
        "Random (convnet, 2 networks per seed), MTT (convnet, 2 networks per seed), "
        "SeqMatch-MTT (convnet, K = 2, 2 networks per seed)"
    )
    assert said["distillation seeds"] == "0" and said["data sets"] == "digits (source: digits, standardize)"


def test_the_configuration_as_it_was_set_runs_the_same_experiment():
    text = overview.as_yaml(EXPERIMENT.config.model_dump(mode="json", exclude_unset=True))
    assert config.load(yaml.safe_load(text)).runs == EXPERIMENT.runs
