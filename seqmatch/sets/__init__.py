"""Distilled sets as their users need them: load, look at, train on, check, import, export, share."""

from seqmatch.sets.index import Entry, listed, path_of
