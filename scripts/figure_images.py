"""Draw the images of a synthetic set, a row a class, a block of columns a subset (Fig. 3 of the paper)."""

from pathlib import Path

import command

from seqmatch.figures.images import images_figure
from seqmatch.figures.style import save
from seqmatch.store import load_arrays


def main(args):
    subsets, class_names = [], []
    for path in args.subsets:
        arrays, header = load_arrays(path, ("pixels", "labels"))
        subsets.append((arrays["pixels"], arrays["labels"]))
        class_names = header["class_names"]
    save(images_figure(subsets, class_names, args.title), args.out)


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument("subsets", type=Path, nargs="+", help="the subsets in order")
    arguments.add_argument("--title", default="", help="title of the figure")
    arguments.add_argument("--out", type=Path, nargs="+", required=True, help="figures to write (.pdf, .png)")
    command.run(main, arguments)
