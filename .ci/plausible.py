"""Are the default experiment's results what they should be? Compares methods by their spread over networks."""

from pathlib import Path

import pandas as pd
from scipy.stats import t

table = pd.read_csv("results/table1.csv").set_index("method")
print(table[["K", "selection", "accuracy_mean", "accuracy_std", "networks"]])

assert list(table.index) == ["whole", "random", "herding", "dm", "mtt", "seqmatch-mtt"]
assert (table["networks"] >= 5).all()
assert table.loc["seqmatch-mtt", "K"] == 2
assert table.loc["whole", "accuracy_mean"] > 97
for method in ("dm", "mtt", "seqmatch-mtt"):
    gain = table.loc[method, "accuracy_mean"] - table.loc["random", "accuracy_mean"]
    spread = max(table.loc[method, "accuracy_std"], table.loc["random", "accuracy_std"])
    print(f"{method} over random: {gain:.1f}, larger standard deviation {spread:.1f}")
    assert gain > 2 * spread

for name in ("table1", "table2", "table4", "comparison", "difficulty_stability"):
    for form in ("csv", "md", "tex", "html"):
        assert Path(f"results/{name}.{form}").stat().st_size > 0
(comparison,) = pd.read_csv("results/comparison.csv").itertuples()
means = table["accuracy_mean"]
assert abs(comparison.difference - (means["seqmatch-mtt"] - means["mtt"])) < 1e-3
assert (comparison.unit, comparison.seeds, comparison.pairs) == ("seeds", 2, 10)
by_seed = [
    pd.concat(map(pd.read_csv, Path("results/digits").glob(f"{method}/ipc2/seed*/accuracy/convnet.csv")))
    .query("selection == 'validation'")
    .groupby("seed")["accuracy"]
    .mean()
    for method in ("seqmatch-mtt", "mtt")
]
low, high = sorted(by_seed[0] - by_seed[1])
half = t.ppf(0.975, df=1) * (high - low) / 2  # two seeds: their half distance is the standard error
if high - low > 1e-3:
    assert abs(comparison.low - (comparison.difference - half)) < 1e-3
    assert abs(comparison.high - (comparison.difference + half)) < 1e-3
else:  # of 450 test images, now and then the seeds' differences are equal, and there is no interval
    assert pd.isna(comparison.low) and pd.isna(comparison.high)
stability = pd.read_csv("results/difficulty_stability.csv")
assert stability["adjusted_rand_index"].between(-0.5, 1).all() and len(stability) == 3 * (2 * 3 + 1)

difficulty = pd.read_csv("results/difficulty.csv")
shares = difficulty.groupby(["method", "seed", "network", "epoch"])["share"].sum()
assert (shares - 1).abs().max() < 1e-4
stages = pd.read_csv("results/stages.csv")
ends = stages[(stages["curriculum"] == "union") & (stages["stages"] == 2)]["accuracy"]
assert abs(ends.mean() - table.loc["seqmatch-mtt", "accuracy_mean"]) < 1e-3  # the networks are evaluation's own
coupling = pd.read_csv("results/coupling.csv")
amplification = coupling.groupby(["method", "seed", "half"])["amplification"].first().unstack()
assert (amplification["larger"] > amplification["smaller"]).all() and len(amplification) == 6
figures = list(Path("results/figures/digits").glob("*.pdf"))
assert len(figures) == 14 and all(path.with_suffix(".csv").exists() for path in figures)
