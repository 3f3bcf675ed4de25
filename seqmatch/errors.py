"""The one exception that is meant for the person at the keyboard."""


class SeqmatchError(Exception):
    """Its message names the key, file or value at fault, what was expected and what to do.

    Scripts print the message alone, without a traceback, and exit with status 1.
    """
