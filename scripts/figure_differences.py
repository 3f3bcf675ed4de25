"""Draw how much better each method is than what it is compared with, at each number of images per class.

Takes the table that comparison.py wrote, or the one beside the figure.
"""

from shared import drawing

from seqmatch.files.kinds import ComparisonRow
from seqmatch.report.figures.differences import differences_caption, differences_figure

if __name__ == "__main__":
    drawing.run(__doc__, differences_figure, differences_caption, ComparisonRow, ["dataset"])
