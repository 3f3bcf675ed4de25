"""Fetching from servers that fail in every way, on this machine's loopback."""

import hashlib
import json
import os
import stat
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pooch
import pytest

from seqmatch.data import download
from seqmatch.data.download import PublishedFile, check, complete, fetch
from seqmatch.errors import SeqmatchError

CONTENT = b"all the images" * 1000
GOOD = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(pooch.core.time, "sleep", lambda seconds: None)


@contextmanager
def server(*answers):
    """A server that gives one answer after the other, the last one for ever; its address and the paths asked for."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            answer = answers[min(len(asked), len(answers) - 1)]
            asked.append(self.path)
            if isinstance(answer, int):
                self.send_error(answer)
                return
            content, announced = answer if isinstance(answer, tuple) else (answer, len(answer))
            self.send_response(200)
            self.send_header("Content-Length", str(announced))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments):
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=httpd.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{httpd.server_port}", asked
    finally:
        httpd.shutdown()
        httpd.server_close()


def published(*urls):
    return PublishedFile("images.gz", GOOD, urls)


def test_a_file_is_fetched_once(tmp_path):
    with server(CONTENT) as (address, asked):
        for _ in range(2):
            found = fetch([published(f"{address}/images.gz")], tmp_path)
    assert found == {"images.gz": hashlib.sha256(CONTENT).hexdigest()}
    assert (tmp_path / "images.gz").read_bytes() == CONTENT and asked == ["/images.gz"]


@pytest.mark.parametrize("fault", [503, b"another file", (CONTENT[:100], len(CONTENT))], ids=["error", "hash", "short"])
def test_a_fault_is_retried(tmp_path, fault):
    with server(fault, fault, CONTENT) as (address, asked):
        fetch([published(f"{address}/images.gz")], tmp_path)
    assert (tmp_path / "images.gz").read_bytes() == CONTENT and len(asked) == 3


def test_mirrors_are_tried_in_order(tmp_path):
    with server(404) as (broken, asked_broken), server(CONTENT) as (good, asked_good):
        fetch([published(f"{broken}/images.gz", f"{good}/images.gz")], tmp_path, [f"{broken}/mine"])
    assert asked_broken == ["/mine/images.gz"] * download.ATTEMPTS + ["/images.gz"] * download.ATTEMPTS
    assert asked_good == ["/images.gz"]


def test_without_network_the_message_says_what_to_do(tmp_path):
    with pytest.raises(SeqmatchError) as error:
        fetch([published("http://127.0.0.1:9/images.gz")], tmp_path / "data", ["/no/such/folder"])
    said = str(error.value)
    for part in ("images.gz", GOOD, str(tmp_path / "data" / "images.gz"), "/no/such/folder", "data.mirrors"):
        assert part in said
    assert not list((tmp_path / "data").glob("*"))


def test_nothing_half_done_stays(tmp_path):
    with server(b"another file") as (address, _), pytest.raises(SeqmatchError, match="hash of downloaded file"):
        fetch([published(f"{address}/images.gz")], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_fetched_again(tmp_path):
    (tmp_path / "images.gz").write_bytes(CONTENT[:50])
    with server(CONTENT) as (address, _):
        fetch([published(f"{address}/images.gz")], tmp_path)
    assert (tmp_path / "images.gz").read_bytes() == CONTENT


def test_permissions_are_those_of_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        with server(CONTENT) as (address, _):
            fetch([published(f"{address}/images.gz")], tmp_path)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "images.gz").stat().st_mode) == 0o640


def test_files_that_changed_since_they_were_fetched_are_named(tmp_path):
    listed, file = tmp_path / "files.json", tmp_path / "images.gz"
    file.write_bytes(CONTENT)
    listed.write_text(json.dumps(fetch([published()], tmp_path)))
    check(listed)
    file.write_bytes(CONTENT[:-1] + b"t")
    with pytest.raises(SeqmatchError, match=r"images\.gz: damaged since it was fetched.*delete .*files\.json and run"):
        check(listed)
    file.unlink()
    with pytest.raises(SeqmatchError, match=r"images\.gz: there is no such file; delete .*files\.json and run again"):
        check(listed)
    listed.write_text("[]")
    with pytest.raises(SeqmatchError, match=r"files\.json: damaged"):
        check(listed)


def test_a_folder_of_ones_own(tmp_path, capsys):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "images.gz").write_bytes(CONTENT)
    fetch([published()], tmp_path / "data", [str(mine)])
    assert "note" not in capsys.readouterr().err
    (mine / "images.gz").write_bytes(b"compressed anew")
    (tmp_path / "data" / "images.gz").unlink()
    fetch([published()], tmp_path / "data", [str(mine)])
    assert (tmp_path / "data" / "images.gz").read_bytes() == b"compressed anew"
    assert "is not the published file" in capsys.readouterr().err


def test_what_lies_in_a_folder_of_ones_own_is_used_as_it_is_and_the_rest_is_fetched(tmp_path, capsys):
    (tmp_path / "mine.gz").write_bytes(b"compressed anew")
    with server(CONTENT) as (address, asked):
        mine = PublishedFile("mine.gz", GOOD, (f"{address}/mine.gz",))
        complete([mine, published(f"{address}/images.gz")], tmp_path)
    assert asked == ["/images.gz"] and (tmp_path / "images.gz").read_bytes() == CONTENT
    assert (tmp_path / "mine.gz").read_bytes() == b"compressed anew"
    assert "mine.gz is not the published file" in capsys.readouterr().err
