"""Time seqmatch against a plain version of itself: `uv run python -m benchmarks` (`--quick`: under 3 minutes).

Every measurement is a process of its own; the ways of a case take turns, so that noise affects all equally.
Ctrl-C ends it early, with a report of what is complete.
Writes cases.csv (one row per case and way), curves.csv, about.json and performance.png to the folder --out, and
prints the table.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from benchmarks import peer
from benchmarks.cases import FULL, GPU, GPU_PEAKS, OURS, PEAKS, PEER, QUICK, ROOT, Case
from benchmarks.report import Measurement, write
from seqmatch.errors import SeqmatchError
from seqmatch.files.store import provenance
from seqmatch.runtime.processor import processor


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="small sizes, one process each")
    arguments.add_argument("--repeats", type=int, help="processes per case and way (default 3; quick, or on a GPU: 1)")
    arguments.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads (default: all)")
    arguments.add_argument("--gpu", type=int, default=0, choices=[0, 1], help="1: on a GPU, with sizes for one")
    arguments.add_argument("--only", metavar="TEXT", default="", help="cases whose name contains this; no curves")
    arguments.add_argument("--out", type=Path, default=Path("results/performance"), help="folder to write")
    arguments.add_argument(
        "--peer", type=Path, metavar="PATH", help="a checkout of the public MTT code, to be timed side by side"
    )
    args = arguments.parse_args()
    checkout = args.peer and args.peer.resolve()
    if checkout:
        try:
            peer.check(checkout)
        except SeqmatchError as error:
            sys.exit(str(error))

    suite = QUICK if args.quick else GPU if args.gpu else FULL
    peaks = GPU_PEAKS if args.gpu else PEAKS
    cases = [beside(case) for case in [*suite.cases, *PEER]] if checkout else suite.cases
    cases = [case for case in cases if args.only in case.name]
    scaling = [] if args.only else suite.curves
    rounds = args.repeats or suite.rounds
    one_round = [(case, way) for case in [*peaks, *cases] for way in case.ways]
    points = {case.name: (case, OURS) for _, _, part in scaling for case in part}.values()
    plan = [*one_round, *points, *one_round * (rounds - 1)]
    results: dict[tuple[str, str], list[Measurement]] = {}
    try:
        for case, way in tqdm(plan, unit="process"):
            results.setdefault((case.name, way), []).append(measure(case, way, args.threads, args.gpu, checkout))
    except KeyboardInterrupt:
        print("interrupted: the report holds what is complete", file=sys.stderr)
        cases = [case for case in cases if all((case.name, way) in results for way in case.ways)]
        scaling = [curve for curve in scaling if all((case.name, OURS) in results for case in curve[2])]
    print(write(args.out, peaks, cases, scaling, results, about(args.threads, args.gpu)))


def beside(case: Case) -> Case:
    """The case with the public code among its ways, where that has such a task and there is something to compare."""
    compared = case.task in peer.TASKS and len(case.ways) > 1 and case.sizes["channels"] == peer.CHANNELS
    return replace(case, ways=(*case.ways, *peer.WAYS)) if compared else case


def measure(case: Case, way: str, threads: int, gpus: int, checkout: Path | None = None) -> Measurement:
    job = {"task": case.task, "sizes": case.sizes, "way": way, "loops": case.loops, "threads": threads, "gpus": gpus}
    job["checkout"] = str(checkout) if checkout else None
    environment = os.environ | {"PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-m", "benchmarks.worker", json.dumps(job)]
    process = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if process.returncode:
        sys.exit(f"{case.name}, {way}: the process failed\n{process.stderr[-2000:]}")
    return Measurement(**json.loads(process.stdout.splitlines()[-1]))


def about(threads: int, gpus: int) -> dict[str, object]:
    """What the numbers were measured on."""
    import torch

    from seqmatch.runtime.calibration import chunk_bytes

    torch.set_num_threads(threads)
    return {
        "processor": f"{processor()}, {os.cpu_count()} cores",
        "threads": threads,
        "chunk_bytes": chunk_bytes(sys.maxsize),
        "gpu": torch.cuda.get_device_name() if gpus else None,
        "python": platform.python_version(),
        "versions": provenance({})["versions"],
    }


if __name__ == "__main__":
    main()
