"""Progress of long loops: a bar on a terminal, a line now and then in a log."""

import sys
from collections.abc import Iterable

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 15.0


class Progress(tqdm):
    """tqdm that writes whole lines when its output is not a terminal."""

    def __init__(self, iterable: Iterable | None = None, **options):
        self.on_terminal = sys.stderr.isatty()
        pace = {} if self.on_terminal else {"mininterval": SECONDS_BETWEEN_LINES, "miniters": 1, "ascii": True}
        super().__init__(iterable, file=sys.stderr, dynamic_ncols=self.on_terminal, **pace, **options)

    def display(self, *arguments, **options):
        if self.on_terminal:
            return super().display(*arguments, **options)
        self.fp.write(f"{self}\n")
        self.fp.flush()
        return True

    def close(self):
        if not self.on_terminal and not self.disable:
            self.display()
            self.disable = True
        super().close()
