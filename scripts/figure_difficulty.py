"""Draw the losses of easy and hard real training images against epochs, one panel per method (Fig. 1 of the paper).

Takes the table that cluster_difficulty.py wrote, or the one beside the figure.
"""

from shared import drawing

from seqmatch.files.kinds import DifficultyRow
from seqmatch.report.figures.difficulty import difficulty_caption, difficulty_figure

if __name__ == "__main__":
    drawing.run(__doc__, difficulty_figure, difficulty_caption, DifficultyRow)
