"""Draw the losses of all real training images against epochs as a heat map, hard ones on top (Fig. 6 of the paper).

Takes the table of bins that cluster_difficulty.py wrote, or the one beside the figure.
"""

from shared import drawing

from seqmatch.files.kinds import BinnedLosses
from seqmatch.report.figures.losses import losses_caption, losses_figure

if __name__ == "__main__":
    drawing.run(__doc__, losses_figure, losses_caption, BinnedLosses)
