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


def test_what_changes_no_result_is_not_on_the_page_of_the_configuration():
    found = config.load(TINY | {"figures": {"style": "cvpr"}})
    _, _, defined, _ = overview.configured(found)
    assert "neurips" not in str(defined) and "cvpr" not in str(defined)


def of_methods(**p_best):
    about = {"dataset": "digits", "ipc": "2", "accuracy_std": 1.0, "accuracy_failed": 0, "seeds": 2, "selected_on": 200}
    rows = [("mtt", 1, 89.0), ("dm", 1, 92.0), ("whole", 0, 99.0)]
    columns = ["method", "K", "accuracy_mean"]
    table = pd.DataFrame(rows, columns=columns).assign(**about, undistilled=0, stored_numbers=1280)
    return table.assign(p_best=table["method"].map(p_best))


def test_the_answer_names_the_best_and_what_is_not_told_from_it():
    assert overview.answer(of_methods(mtt=0.2)) == (
        "digits ipc 2: DM has the highest mean, 92.0 ± 1.0 % (2 seeds); not told from it: MTT"
    )
    assert overview.answer(of_methods(mtt=0.01)).endswith("(2 seeds)")


def test_a_method_with_failed_networks_is_not_the_best():
    failed = of_methods(mtt=None).assign(accuracy_failed=[0, 1, 0])
    assert overview.answer(failed) == "digits ipc 2: MTT has the highest mean, 89.0 ± 1.0 % (2 seeds)"


def test_what_seeds_do_not_tell_is_said():
    row = {"dataset": "digits", "ipc": "2", "method": "seqmatch-mtt", "baseline": "mtt", "unit": "seeds", "seeds": 2}
    row |= {"pairs": 4, "failed": 0}
    compared = [
        pd.DataFrame([row | {"low": -2.0, "high": 3.0, "q": 0.4}]),
        pd.DataFrame([row | {"low": 1.0, "high": 3.0, "q": 0.02}]),
        pd.DataFrame([row | {"low": 1.0, "high": 3.0, "q": 0.07}]),
        pd.DataFrame([row | {"low": 1.0, "high": 3.0, "q": 0.02, "unit": "networks", "seeds": 1}]),
    ]
    few, many, single = overview.cautions([of_methods()], compared)
    assert "2 seeds do not tell them apart; anything from -2.0 to +3.0 points" in few and "a single seed" in single
    assert "+1.0 to +3.0 points, leaves out 0" in many and "q = 0.07" in many
    nan = float("nan")
    row |= {"low": nan, "high": nan, "seeds": 0, "pairs": 0, "failed": 4}
    (failed,) = overview.cautions([], [pd.DataFrame([row])])
    assert failed.endswith("networks failed in 4 of 4 pairs, so that the difference is not tested.")
    assert "fewer than 100" in overview.cautions([of_methods().assign(selected_on=18)], [])[0]
