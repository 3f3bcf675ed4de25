"""Draw synthetic images with the names of their classes (Fig. 3, 5, 7 and 8 of the paper).

Takes files of subsets, or the table beside the figure: it lists every image shown with the file, tensor and index that
hold its pixels.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from shared import command, drawing

from seqmatch.errors import SeqmatchError
from seqmatch.files.kinds import NAMED_SUBSET, ShownImage
from seqmatch.files.store import load_arrays, load_table
from seqmatch.report.figures.images import Block, change, images_caption, images_figure
from seqmatch.report.figures.style import subset

ONLY = "images"
"""Name of a block that is the only one, which the figure does not show."""

BESIDE_INITIAL = {"initial_pixels": "initial", "pixels": "distilled", "change": "change"}
"""What is shown of a subset beside its initial images, and its name."""


def main(args):
    (first, *_) = args.images
    table = load_table(first, ShownImage) if first.suffix == ".csv" else listed(args.images, args.initial)
    blocks, class_names = [], None
    for (title, file, tensor), rows in table.groupby(["block", "file", "tensor"], sort=False):
        path, index = Path(file), rows["index"].to_numpy()
        arrays, header = load_arrays(path, NAMED_SUBSET)
        class_names = class_names or header["class_names"]
        if "initial_pixels" in arrays:
            arrays["change"] = change(arrays["pixels"], arrays["initial_pixels"])
        labels = shown_labels(arrays)
        if header["class_names"] != class_names or tensor not in arrays or index.max() >= len(labels):
            raise SeqmatchError(f"{path}: does not hold the images of {title} that are to be shown")
        blocks.append(Block("" if title == ONLY else title, arrays[tensor][index], labels[index]))
    if not blocks:
        raise SeqmatchError(f"{first}: no images to show")
    figure = images_figure(blocks, class_names, args.title, style=drawing.style(args))
    caption = images_caption(blocks, len(class_names), args.title, "change" in set(table["tensor"]))
    drawing.write(args, figure, caption, table, args.images)


def listed(paths, initial):
    """One row per image to show: its block, class, and where its pixels are."""
    tables = []
    for number, path in enumerate(paths, start=1):
        arrays, header = load_arrays(path, NAMED_SUBSET)
        labels, class_names = shown_labels(arrays), header["class_names"]
        for tensor, name in BESIDE_INITIAL.items() if initial else [("pixels", "")]:
            block = f"{subset(number)} {name}".strip() if len(paths) > 1 else name
            about = {"block": block or ONLY, "file": path.as_posix(), "tensor": tensor}
            images = pd.DataFrame({"index": range(len(labels)), "class": [class_names[label] for label in labels]})
            tables.append(images.assign(**about)[[*about, *images]])
    return pd.concat(tables, ignore_index=True)


def shown_labels(arrays):
    """The class of each image to look at: hallucinators make several of each stored one, which stand side by side."""
    return np.repeat(arrays["labels"], len(arrays["pixels"]) // len(arrays["labels"]))


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument(
        "images", type=command.path, nargs="+", help="files of the subsets in order, or a table of images"
    )
    arguments.add_argument(
        "--initial", action="store_true", help="beside each subset its initial images, and the change"
    )
    arguments.add_argument("--title", type=command.title, default="", help="title of the figure")
    drawing.add_look(arguments)
    command.run(main, arguments)
