"""Fetch the published files of a source into one folder, and list them with their checksums there.

Files that are there and have the right checksum are not fetched again. Needs the network, unless a --mirror has them.
"""

import json
import sys

from shared import command

from seqmatch.config.sections import DOWNLOADED
from seqmatch.data.download import fetch
from seqmatch.data.sources import published_files
from seqmatch.files import finished
from seqmatch.files.store import save_text


def main(args):
    finished.check([], [args.out])
    found = fetch(published_files(args.source), args.out.parent, args.mirror)
    save_text(args.out, json.dumps(found, indent=2, sort_keys=True) + "\n")
    print(f"{args.source}: {len(found)} files in {args.out.parent}", file=sys.stderr)


if __name__ == "__main__":
    arguments = command.parser(__doc__)
    arguments.add_argument("--source", choices=DOWNLOADED, required=True, help="what to fetch")
    arguments.add_argument(
        "--mirror",
        type=command.words,
        action="append",
        default=[],
        help="a folder, or URL of one, tried before the published ones; repeatable",
    )
    arguments.add_argument("--out", type=command.file, required=True, help="list to write (.json), beside the files")
    command.run(main, arguments)
