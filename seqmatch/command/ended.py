"""What the workflow says when a run has ended: what to open, and what to do next; or which logs to read."""

import os
import shlex
import sys
import time
from pathlib import Path

from seqmatch import config
from seqmatch.command import experiment, status
from seqmatch.planning.asked import Asked

TO_OPEN = {rule: f"results/{rule}.md" for rule in ("table1", "table3")} | {"overview": "results/overview.html"}
"""What answers the question of an experiment, by the rule that makes it."""

MOST_LOGS = 3


def well(run: Asked | None) -> str:
    """Lines for a run that has ended well."""
    if run is None:  # it could not be written
        return f"Results are in {Path('results').resolve()}"
    rules = {job.rule for job in run.jobs}
    answers = [path for rule, path in TO_OPEN.items() if rule in rules]
    sets = [job for job in run.jobs if job.rule == "select_snapshot"]
    lines = [f"Results are in {Path('results').resolve()}" + ("; open " if answers else "") + ", ".join(answers)]
    snakemake, show = _typed("snakemake"), _typed("seqmatch show")
    if "overview" in rules:
        lines.append(f"Report, one file to pass on: {snakemake} --report report.html{_options(run)}")
    else:
        lines.append(f"All tables and figures, and one page with them: {snakemake} --cores all{_options(run)}")
    if sets:
        folder = Path(max(sets, key=lambda job: int(job.wildcards["subset"])).outputs[0]).parent
        lines.append(f"Distilled images, to look at or to train on: {show} {folder} (docs/guide/sets.md)")
    return "\n".join([*lines, "Next, an experiment of your own: docs/guide/experiments.md"])


def badly(run: Asked | None) -> str:
    """Lines for a run that has not."""
    seen = [status.look(job, run, time.time()) for job in (run.jobs if run else ())]
    failed = [one for one in seen if one.state == "failed"]
    lines = [f"{one.job.log}: {one.line}" for one in failed[:MOST_LOGS]]
    if len(failed) > MOST_LOGS:
        lines.append(f"and {len(failed) - MOST_LOGS} logs more, which `{_typed('python')} tools/status.py` lists")
    advice = "What messages mean: docs/guide/troubleshooting.md. The same command goes on from what is saved."
    return "\n".join([*lines, advice])


def _typed(command: str) -> str:
    """How a command of this environment is typed where the run was: through `uv run`, which leaves word of itself."""
    return f"uv run {command}" if "UV_RUN_RECURSION_DEPTH" in os.environ else command


def _options(run: Asked) -> str:
    """What names the same experiment once more, from where the run was called: Snakemake is in its --directory now."""
    elsewhere = any(word.startswith(("-d", "--directory")) for word in sys.argv)
    place = f" --directory {shlex.quote(os.getcwd())}" if elsewhere else ""
    files = run.configfiles
    if files in ((), (config.default_file(experiment.CHECKOUT).resolve(),)):
        return place
    shown = map(os.path.abspath if elsewhere else os.path.relpath, files)
    return f"{place} --configfile {shlex.join(shown)}"
