"""Draw matching loss, step size and validation accuracy against iterations, a row of panels a stage.

Takes the table that collect_course.py wrote beside the figure.
"""

import drawing

from seqmatch.figures.course import course_figure

if __name__ == "__main__":
    drawing.run(__doc__, course_figure)
