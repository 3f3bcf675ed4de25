"""Which snapshot a subset's file holds, and what it says of it."""

from dataclasses import replace

import torch
from helpers.calls import CALLS, call
from helpers.files import write_all

from seqmatch.files.store import load_header
from seqmatch.synthetic.snapshots import load_snapshots, save_snapshots


def test_where_every_update_was_skipped_the_initial_images_are_what_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_all(tmp_path)
    snapshots, header = load_snapshots(tmp_path / "snapshots"), load_header(tmp_path / "snapshots")
    last = int(snapshots.iterations[-1])
    words = ["last" if word == "validation" else word for word in CALLS["select_snapshot"]]
    same = snapshots.images[:1].repeat(len(snapshots.images), 1, 1, 1, 1)
    for images, expected in ((same * torch.arange(1, len(same) + 1).view(-1, 1, 1, 1, 1), last), (same, 0)):
        save_snapshots(tmp_path / "snapshots", replace(snapshots, images=images), header)
        status, said = call("select_snapshot", *words)
        assert status == 0, said
        assert load_header(tmp_path / "o")["iteration"] == expected
