"""Snakemake's command line, called again and again by one process that has imported it, which takes longer than a plan.

Reads a folder, arguments, and paths for what is said, as JSON, one call per line; answers with exit codes.
"""

import json
import os
import sys

from snakemake.cli import main

for line in sys.stdin:
    folder, arguments, *outputs = json.loads(line)
    child = os.fork()
    if child == 0:
        os.chdir(folder)
        for number, path in enumerate([os.devnull, *outputs]):
            os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), number)
        sys.argv = ["snakemake", *arguments]
        main(arguments)
        sys.exit()
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
