"""Draw accuracy against amplification, both as differences between the halves of synthetic sets (Fig. 2 of the paper).

Takes the tables of measure_coupling.py, collected, or the one beside the figure.
"""

from shared import drawing

from seqmatch.files.kinds import CouplingRow
from seqmatch.report.figures.coupling import coupling_caption, coupling_figure

if __name__ == "__main__":
    drawing.run(__doc__, coupling_figure, coupling_caption, CouplingRow, of_one=["dataset"])
