"""Find how to divide images per class into subsets: how many, and of which sizes.

Greedy: the next images go to a new subset or to the last one, whichever gains more accuracy per operation, judged on
validation images by short runs of the workflow; test images are never looked at. Prints what was tried, and `stages`
for the configuration. The method's own stages say how subsets are distilled; the last one goes for all that follow.
The runs are kept in --folder, where the same call goes on with them.
"""

import math
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import pandas as pd
import yaml
from shared import command

from seqmatch import config, networks
from seqmatch.analysis.evaluation import ranking
from seqmatch.command import experiment
from seqmatch.command.estimate import readable
from seqmatch.config.unread import OF_SEVERAL
from seqmatch.errors import SeqmatchError
from seqmatch.files.kinds import Scores
from seqmatch.files.store import load_table
from seqmatch.planning.costs import Scale
from seqmatch.planning.jobs import OF_A_RUN, RULES, Plan

SNAKEFILE = command.ROOT / "workflow/Snakefile"
JUDGED_BY = [rule for rule in OF_A_RUN if rule != "evaluate"]
"""Rules whose jobs a division needs to be judged, besides experts, which all share."""


@dataclass(frozen=True)
class Trial:
    """A division that was tried."""

    sizes: tuple[int, ...]
    accuracy: float
    """Of the best snapshot of the last subset on validation images, in percent, mean over seeds."""
    operations: float
    """Of its short runs, for all seeds."""


def main(args):
    whole = experiment.merged(args.configfile)
    cell, entry = cell_of(whole, args)
    chosen, shown, ipc = None, [], int(args.ipc)
    while chosen is None or sum(chosen.sizes) < ipc:
        before = chosen
        tried = [judge(whole, cell, entry, sizes, args) for sizes in next_divisions(before, args.step, ipc)]
        chosen = max(tried, key=lambda trial, before=before: worth(trial, before))
        if math.isnan(chosen.accuracy):
            names = " and ".join(" ".join(map(str, trial.sizes)) for trial in tried)
            raise SeqmatchError(
                f"networks failed on every division that was tried last ({names}): their training diverged"
            )
        shown += [(trial, "yes" if trial is chosen else "") for trial in tried]
    table = pd.DataFrame(
        {"sizes": " ".join(map(str, trial.sizes)), "validation, %": trial.accuracy,
         "TFLOP": trial.operations / 1e12, "chosen": mark}
        for trial, mark in shown
    )  # fmt: skip
    print(table.map(readable).to_markdown(index=False, disable_numparse=True))
    print(f"together {table['TFLOP'].sum():.3g} TFLOP; of the experts nothing is counted, which all of them share\n")
    print(yaml.safe_dump({"stages": stages(entry, chosen.sizes)}, default_flow_style=None, sort_keys=False), end="")


def cell_of(whole, args):
    """The cell, and the entry of the method that is divided."""
    run = config.load(whole).runs.get((args.dataset, args.method, args.ipc))
    if run is None or not run.distilled:
        raise SeqmatchError(f"no cell distils with {args.method} on {args.dataset} at ipc {args.ipc}")
    if whole["datasets"][args.dataset].get("validation_fraction") == 0:
        raise SeqmatchError(f"datasets.{args.dataset}.validation_fraction = 0: validation images judge divisions")
    for cell in whole["cells"]:
        if (cell["dataset"], str(cell["ipc"])) == (args.dataset, args.ipc) and args.method in cell["methods"]:
            entry = {"stages": [{}], "evaluation": {}, **(cell["methods"][args.method] or {})}
            return cell, entry | {"backbone": run.backbone}


def next_divisions(before, step, ipc):
    """What may be done with the next images: the last subset grows by them, or they are a new one."""
    if before is None:
        return [(min(step, ipc),)]
    *earlier, last = before.sizes
    more = min(step, ipc - sum(before.sizes))
    return [(*earlier, last + more), (*before.sizes, more)]


def worth(trial, before):
    """What a trial gains per operation; a loss counts as such, and is worth less than any gain, and a failure least."""
    accuracy, operations = (0.0, 0.0) if before is None else (before.accuracy, before.operations)
    gain, cost = trial.accuracy - accuracy, trial.operations - operations
    if math.isnan(gain):
        return -math.inf
    return gain / max(cost, 1.0) if gain > 0 else gain


def stages(entry, sizes):
    """The stages of so many subsets, each of its size."""
    given = entry["stages"]
    return [given[min(k, len(given) - 1)] | {"size": size} for k, size in enumerate(sizes)]


def judge(whole, cell, entry, sizes, args):
    """Distil a division by a short run."""
    name, ipc = "-".join(map(str, ("divided", *sizes))), sum(sizes)
    settings = short_experiment(whole, cell, entry, sizes, name, args)
    asked = config.load(settings)
    last = {"dataset": args.dataset, "method": name, "ipc": ipc, "subset": len(sizes)}
    scores = [RULES["select_snapshot"].outputs[1].format(**last, seed=seed) for seed in range(args.seed_count)]
    run(settings, scores, name, args)
    best = [score_of_best(load_table(args.folder / path, Scores)) for path in scores]
    scale, plan = Scale(asked, networks.count_operations), Plan(asked)
    costs = [RULES[rule].cost(scale, job.wildcards) for rule in JUDGED_BY for job in plan.by_rule[rule]]
    return Trial(sizes, sum(best) / len(best), sum(cost.operations for cost in costs))


def short_experiment(whole, cell, entry, sizes, name, args):
    """The experiment of a trial alone, as it is where the workflow runs in a folder of its own."""
    short = [stage | {"iterations": args.short_iterations} for stage in stages(entry, sizes)]
    unread = OF_SEVERAL if len(sizes) == 1 else set()
    kept = {key: value for key, value in entry["evaluation"].items() if key not in unread}
    evaluation = kept | {"epochs": args.short_epochs}
    needed = {"backbone": 1, "rounds": 2, "teachers": 3}  # so many subsets
    method = {key: entry[key] for key, count in needed.items() if key in entry and len(sizes) >= count}
    own = {"ipc": sum(sizes), "methods": {name: method | {"stages": short, "evaluation": evaluation}}}
    datasets = {
        name: section | ({"path": absolute(section["path"])} if section.get("path") else {})
        for name, section in whole["datasets"].items()
    }
    data = whole.get("data", {})
    mirrors = {source: list(map(absolute, places)) for source, places in data.get("mirrors", {}).items()}
    alone = {"cells": [cell | own | {"architectures": []}], "fair_comparison": False, "analysed": []}
    places = {"datasets": datasets, "data": data | {"mirrors": mirrors}}
    return whole | places | {"seeds": list(range(args.seed_count))} | alone


def absolute(place):
    """A folder, from wherever it is named; addresses stay."""
    return place if "://" in place else str(Path(place).resolve())


def score_of_best(scores):
    """Of the snapshot that the workflow selects; NaN where networks failed on it."""
    best = ranking(scores, "validation")[-1]
    return scores.loc[scores["snapshot"] == best, "validation"].mean(skipna=False)


def run(settings, targets, name, args):
    """Make the targets of an experiment by the workflow, in the folder of the trials."""
    args.folder.mkdir(parents=True, exist_ok=True)
    file = args.folder / "divided.yaml"  # one experiment, whatever is tried
    file.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    call = [sys.executable, "-m", "snakemake", "--snakefile", SNAKEFILE, "--directory", args.folder]
    call += ["--cores", str(args.cores), "--rerun-incomplete", *targets, "--configfile", file.resolve()]
    print(f"{name}: {' '.join(targets)}", file=sys.stderr)
    own = os.pathsep.join([str(Path.cwd()), *filter(None, [os.environ.get("PYTHONPATH")])])  # networks of the user's
    done = subprocess.run(call, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": own})
    if done.returncode:
        raise SeqmatchError(f"{name}: the workflow failed: {done.stderr[-2000:]}")


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    experiment.add_argument(arguments)
    arguments.add_argument("--dataset", type=command.name, required=True, help="data set of the cell")
    arguments.add_argument("--ipc", type=command.images_per_class, required=True, help="images per class of the cell")
    arguments.add_argument("--method", type=command.name, required=True, help="its method, such as seqmatch-mtt")
    arguments.add_argument("--step", type=command.count, default=1, help="images per class at a time (default 1)")
    arguments.add_argument("--short-iterations", type=command.count, default=50, help="of each subset (default 50)")
    arguments.add_argument("--short-epochs", type=command.count, default=50, help="of each stage (default 50)")
    arguments.add_argument("--seed-count", type=command.count, default=2, help="distillation seeds (default 2)")
    arguments.add_argument("--cores", type=command.count, default=1, help="for the workflow (default 1)")
    arguments.add_argument(
        "--folder", type=command.path, default=Path("divided"), help="for the runs (default divided)"
    )
    command.run(main, arguments)
