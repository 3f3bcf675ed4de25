"""`python -m seqmatch` is the command `seqmatch`."""

from seqmatch.command.main import main

if __name__ == "__main__":
    main()
