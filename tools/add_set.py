"""Add a distilled set to the index that comes with the package (seqmatch/sets/made).

Its file is written without the real images that it began as, and without the matrix of a whitening, which is fitted
anew from training images. Checksum, accuracy and how it was made go into the index.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from shared import command

import seqmatch
from seqmatch.errors import SeqmatchError
from seqmatch.files.store import digest, save_text
from seqmatch.files.temporary import temporary_folder
from seqmatch.sets.card import source_of
from seqmatch.sets.index import INDEX, Accuracy, Entry, listed
from seqmatch.sets.licences import LICENCES

LARGEST, LARGEST_TOGETHER = 200_000, 2_000_000
"""Bytes of a file, and of all: they are part of every clone and wheel."""


def main(args):
    distilled = seqmatch.load(args.set)
    if distilled.fingerprint is not None:
        distilled = replace(distilled, normalization=None)
    about = entry(distilled, f"{args.name}.safetensors", args.set, args.images_of)
    entries = listed() if INDEX.is_file() else {}
    with temporary_folder(INDEX.parent, args.name) as folder:
        file = folder / about["file"]
        seqmatch.save(distilled, file)
        others = sum(path.stat().st_size for path in INDEX.parent.glob("*.safetensors") if path.name != file.name)
        size = file.stat().st_size
        if size > LARGEST or size + others > LARGEST_TOGETHER:
            raise SeqmatchError(
                f"{args.set}: {size:,} bytes, {size + others:,} with all others; a set of the index has at most "
                f"{LARGEST:,}, all together {LARGEST_TOGETHER:,}"
            )
        entries[args.name] = Entry(**about, sha256=digest(file))
        file.replace(INDEX.with_name(file.name))
    index = {name: found.model_dump() for name, found in sorted(entries.items())}
    save_text(INDEX, json.dumps(index, indent=2, ensure_ascii=False) + "\n")
    print(f"{args.name}: {size:,} bytes, {entries[args.name].accuracy.mean:.2f} %", file=sys.stderr)


def entry(distilled, file, place, source=None):
    """What the index tells of a set, but for its checksum."""
    made, source = distilled.about.get("distilled", {}), source or source_of(distilled)
    missing = [name for name in ("dataset", "method", "ipc") if name not in made]
    if missing or source not in LICENCES or not distilled.accuracies or distilled.accuracies[0].mean is None:
        raise SeqmatchError(
            f"{place}: its header does not tell how it was made, of what source, or with what accuracy; a set of the "
            "index is the folder of a run of the workflow, with its table of accuracies"
        )
    return {
        "file": file,
        "dataset": made["dataset"],
        "source": source,
        "method": made["method"],
        "ipc": made["ipc"],
        "subsets": len(distilled.subsets),
        "images": sum(subset.seen for subset in distilled.subsets),
        "licence": LICENCES[source].name,
        "accuracy": Accuracy(**distilled.accuracies[0].model_dump()),
        "iterations": made.get("matching", {}).get("iterations", 0),
        "made_with": distilled.about.get("versions", {}),
    }


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument("set", type=command.path, help="folder of a run, such as results/digits/mtt/ipc2/seed0")
    arguments.add_argument("name", type=command.name, help="in the index, such as digits-mtt-ipc2")
    arguments.add_argument(
        "--images-of", choices=LICENCES, help="whose images they are, where the set says that they lay in a folder"
    )
    command.run(main, arguments)
