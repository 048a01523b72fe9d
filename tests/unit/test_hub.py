"""Files from the Hub over real HTTP, from a server that stands for it: whole, cut off, altered."""

from __future__ import annotations

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from contextrot.errors import DataError
from contextrot.samples import hub

CONTENT = b'[{"question_id": "q1"}]' * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
GIT_SHA1 = hashlib.sha1(b"blob %d\0" % len(CONTENT) + CONTENT).hexdigest()
REVISION = "98d7416c24c778c2fee6e6f3006e7a073259d48f"


class FakeHub(BaseHTTPRequestHandler):
    """Serves one file under any name; what it says of it and what it sends are set by the test."""

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.send_response(200)
        self.send_header("X-Repo-Commit", REVISION)
        self.send_header("ETag", f'"{self.server.etag}"')
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()

    def do_GET(self):
        self.server.downloads += self.path.endswith("/questions.json")
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()
        self.wfile.write(self.server.content)


@pytest.fixture
def server(tmp_path, monkeypatch):
    with ThreadingHTTPServer(("127.0.0.1", 0), FakeHub) as server:
        server.etag, server.content, server.downloads = SHA256, CONTENT, 0
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
        monkeypatch.setattr(
            "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def fetch(sha256=None):
    return hub.download("org/set", "questions.json", REVISION, sha256)


@pytest.mark.parametrize("etag", [SHA256, GIT_SHA1], ids=["large file", "small file"])
def test_a_file_is_downloaded_once_and_checked_each_time(server, etag):
    server.etag = etag
    path = fetch()
    assert path.read_bytes() == CONTENT
    assert fetch(SHA256.upper()) == path
    assert server.downloads == 1
    path.resolve().write_bytes(CONTENT[:-1] + b"!")
    with pytest.raises(DataError, match=rf"should have {etag} \(as the Hub names it\). Delete .*{etag} and run again"):
        fetch()
    path.resolve().unlink()
    assert fetch().read_bytes() == CONTENT


def test_a_file_of_the_right_size_and_wrong_content_is_refused(server):
    server.content = CONTENT[:-1] + b"!"
    with pytest.raises(DataError, match=f"checksum [0-9a-f]{{64}}, but should have {SHA256}"):
        fetch()


def test_another_file_than_config_names_is_refused_with_what_to_correct(server):
    with pytest.raises(DataError, match=rf"has the checksum {SHA256}, but should have {'0' * 64} .*correct `sha256`"):
        fetch("0" * 64)


def test_a_download_that_was_cut_off_says_to_run_again(server):
    server.content = CONTENT[:1000]
    with pytest.raises(DataError, match=r"file 'questions.json', revision 98d7416c24c7\) could not be loaded: .*run again"):
        fetch()


def test_a_file_of_a_local_folder_is_checked_too(tmp_path):
    (tmp_path / "questions.json").write_bytes(CONTENT)
    assert hub.download(str(tmp_path), "questions.json", "main", SHA256) == tmp_path / "questions.json"
    assert hub.download(str(tmp_path), "questions.json", "main") == tmp_path / "questions.json"
    with pytest.raises(DataError, match="correct `sha256`"):
        hub.download(str(tmp_path), "questions.json", "main", "0" * 64)
    with pytest.raises(DataError, match="does not exist"):
        hub.download(str(tmp_path), "none.json", "main")


@pytest.mark.parametrize("name", ["mine.jsonl", "folder/mine.csv", "./mine", "/data/mine", "a/b/c", "C:\\mine", "x" * 3000])
def test_what_can_only_be_a_file_is_never_looked_for_on_the_hub(server, name):
    with pytest.raises(DataError, match="does not exist here, and a file is not looked for on the Hub"):
        hub.download(name, "questions.json", REVISION)
    assert server.downloads == 0


@pytest.mark.parametrize("name", ["squad", "rajpurkar/squad", "org/set-v1.5"])
def test_a_name_of_the_hub_is_no_file(name):
    assert not hub.is_file_name(name)


def test_rows_that_cannot_be_had_are_one_message_that_names_data_set_subset_and_split(tmp_path, monkeypatch):
    (tmp_path / "set").mkdir()
    (tmp_path / "set/test.csv").write_text("q,a\n1,2\n")
    name = str(tmp_path / "set")
    assert hub.load_rows(name, None, "test", None) == [{"q": "1", "a": "2"}]
    with pytest.raises(
        DataError, match=r"^data set .*set split train could not be loaded: .* Check its name, configuration, split"
    ):
        hub.load_rows(name, None, "train", None)
    with pytest.raises(DataError, match=r"^data set .*set \(none\) split test could not be loaded: "):
        hub.load_rows(name, "none", "test", None)

    def broken(*_):
        raise DataError("not in its format")

    monkeypatch.setattr(hub, "_load_rows", broken)
    with pytest.raises(DataError, match="^not in its format$"):
        hub.load_rows(name, None, "test", None)
