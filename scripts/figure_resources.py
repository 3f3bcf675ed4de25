"""Draw time, peak memory and disk of each rule.

Takes the tables of measure_resources.py, collected, or the one beside the figure.
"""

from shared import drawing

from seqmatch.files.kinds import Resources
from seqmatch.report.figures.resources import resources_caption, resources_figure

if __name__ == "__main__":
    drawing.run(__doc__, resources_figure, resources_caption, Resources, of_one=["dataset"])
