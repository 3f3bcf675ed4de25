"""Draw the loss of hard and easy real training images after each stage, on a split that all methods share.

Takes the table that compare_difficulty.py wrote, or the one beside the figure.
"""

from shared import drawing

from seqmatch.files.kinds import CommonDifficulty
from seqmatch.report.figures.common_difficulty import common_difficulty_caption, common_difficulty_figure

if __name__ == "__main__":
    drawing.run(__doc__, common_difficulty_figure, common_difficulty_caption, CommonDifficulty)
