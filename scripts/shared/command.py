"""The types of arguments and the frame of a command (`seqmatch/command/`), for scripts and tools.

Imported first by each: it puts the checkout on the path, so that they run without an installation.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from seqmatch.command import *
