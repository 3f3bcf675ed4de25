"""Draw matching loss, step size and validation accuracy against iterations, a panel each; stages follow one another.

Takes the table that collect_convergence.py wrote beside the figure.
"""

from shared import drawing

from seqmatch.files.kinds import Convergence
from seqmatch.report.figures.convergence import convergence_caption, convergence_figure

if __name__ == "__main__":
    drawing.run(__doc__, convergence_figure, convergence_caption, Convergence)
