"""Jobs that share no folder share their answers through a bucket, here a folder by its address; tests/storage has a real S3 server."""

from __future__ import annotations

import pytest

from contextrot.errors import ConfigError, RequestError, StoreError
from contextrot.responses import store_bucket
from contextrot.responses.store import RequestStore
from contextrot.responses.store_bucket import kept_in_bucket
from tests.scripted_server import Act, error
from tests.unit.test_cache import KEY, answer
from tests.unit.test_inference import Run, sample

OTHER = "0" * 64


@pytest.fixture
def bucket(tmp_path):
    return f"file://{tmp_path}/bucket"


def test_what_one_job_kept_the_next_finds_elsewhere(tmp_path, bucket):
    one, two, three = (RequestStore(tmp_path / name) for name in ("one", "two", "three"))
    with kept_in_bucket(one, bucket):
        one.put(KEY, {}, answer())
    with kept_in_bucket(two, bucket):
        assert two.get(KEY).text == "yes"
        two.put(OTHER, {}, answer(text="no"))
    with kept_in_bucket(three, bucket):
        assert (three.get(KEY).text, three.get(OTHER).text) == ("yes", "no")
    assert len(list((tmp_path / "bucket").iterdir())) == 2  # nobody appended to another's


def test_a_segment_goes_to_the_bucket_while_the_job_still_asks(tmp_path, bucket, monkeypatch):
    monkeypatch.setattr(store_bucket, "SECONDS_BETWEEN", 0.01)
    one, two = RequestStore(tmp_path / "one"), RequestStore(tmp_path / "two")
    with kept_in_bucket(one, bucket):
        one.put(KEY, {}, answer())
        for _ in range(1000):
            with kept_in_bucket(two, bucket):
                if two.get(KEY):
                    break
        else:
            pytest.fail("it never came")
        one.put(OTHER, {}, answer(text="no"))
    with kept_in_bucket(two, bucket):
        assert two.get(OTHER).text == "no"


def test_a_job_that_failed_after_half_its_answers_repeats_none_of_them(tmp_path, bucket):
    samples = [sample(f"s{i}") for i in range(8)]
    broken = True

    def script(prompt, before):
        return error(401, "your key has expired") if broken and len(run.server.prompts) > 4 else Act(prompt)

    with Run(tmp_path, script) as run:
        run.model["concurrency"] = 1
        with pytest.raises(RequestError):
            run(samples, request_store_bucket=bucket)
        answered = set(run.server.prompts[:4])
        broken = False
        run.server.prompts.clear()
        run.folder = tmp_path / "elsewhere"
        rows = run(samples, request_store_bucket=bucket)
        assert [row.text for row in rows] == [f"question s{i}" for i in range(8)]
        assert len(run.server.prompts) == 4 and not answered & set(run.server.prompts)


def test_a_bucket_that_is_none_is_told_before_anything_is_asked(tmp_path):
    with (
        pytest.raises(ConfigError, match=r"request_store_bucket = 'my bucket' is no address"),
        kept_in_bucket(RequestStore(tmp_path), "my bucket"),
    ):
        pass
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(StoreError, match="cannot be read"),
        kept_in_bucket(RequestStore(tmp_path / "s"), f"file://{tmp_path}/file"),
    ):
        pass


def test_a_bucket_that_takes_nothing_costs_no_answer(tmp_path, bucket, caplog):
    store = RequestStore(tmp_path / "one")
    with kept_in_bucket(store, bucket):
        (tmp_path / "bucket").write_text("in the way")
        store.put(KEY, {}, answer())
    assert store.get(KEY).text == "yes" and "does not take" in caplog.text
