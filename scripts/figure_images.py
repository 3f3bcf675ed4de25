"""Draw synthetic images, a row a class, a block of columns a subset (Fig. 3, 5, 7 and 8 of the paper).

Takes files of subsets, or the table beside the figure: it lists every image shown with the file, tensor and index that
hold its pixels.
"""

from pathlib import Path

import pandas as pd
from shared import command

from seqmatch.errors import SeqmatchError
from seqmatch.files.kinds import NAMED_SUBSET, ShownImage
from seqmatch.files.store import load_arrays, load_table, provenance, save_table
from seqmatch.report.figures.images import Block, images_figure
from seqmatch.report.figures.style import save, subset


def main(args):
    (first, *_) = args.images
    table = load_table(first, ShownImage) if first.suffix == ".csv" else listed(args.images, args.initial)
    blocks, class_names = [], None
    for (title, file, tensor), rows in table.groupby(["block", "file", "tensor"], sort=False):
        path, index = Path(file), rows["index"].to_numpy()
        arrays, header = load_arrays(path, NAMED_SUBSET)
        class_names = class_names or header["class_names"]
        if header["class_names"] != class_names or tensor not in arrays or index.max() >= len(arrays["labels"]):
            raise SeqmatchError(f"{path}: does not hold the images of {title} that are to be shown")
        blocks.append(Block(title, arrays[tensor][index], arrays["labels"][index]))
    if not blocks:
        raise SeqmatchError(f"{first}: no images to show")
    save(
        images_figure(blocks, class_names, args.title),
        [path for path in args.out if path.suffix != ".csv"],
    )
    for path in args.out:
        if path.suffix == ".csv":
            save_table(path, table, provenance(command.parameters(args), args.images))


def listed(paths, initial):
    """One row per image to show: its block, class, and where its pixels are."""
    tables = []
    for number, path in enumerate(paths, start=1):
        arrays, header = load_arrays(path, NAMED_SUBSET)
        labels, class_names = arrays["labels"], header["class_names"]
        for tensor, name in [("initial_pixels", ", initial")] * initial + [("pixels", "")]:
            about = {"block": f"{subset(number)}{name}", "file": path.as_posix(), "tensor": tensor}
            images = pd.DataFrame({"index": range(len(labels)), "class": [class_names[label] for label in labels]})
            tables.append(images.assign(**about)[[*about, *images]])
    return pd.concat(tables, ignore_index=True)


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument(
        "images", type=command.path, nargs="+", help="files of the subsets in order, or a table of images"
    )
    arguments.add_argument("--initial", action="store_true", help="the real images that a subset began as beside it")
    arguments.add_argument("--title", type=command.title, default="", help="title of the figure")
    arguments.add_argument(
        "--out",
        type=command.figure_file,
        nargs="+",
        required=True,
        help="figures (.pdf, .png) and table of its images (.csv)",
    )
    command.run(main, arguments)
