"""Draw test accuracy against the number of stages used, for the curriculum of unions and that of single subsets.

Takes the tables of measure_stages.py, collected, or the one beside the figure.
"""

from shared import drawing

from seqmatch.files.kinds import StageAccuracy
from seqmatch.report.figures.stages import stages_caption, stages_figure

if __name__ == "__main__":
    drawing.run(__doc__, stages_figure, stages_caption, StageAccuracy)
