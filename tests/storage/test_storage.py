"""The workflow without files beside it: results in a bucket (a real S3 server on this machine) or in another folder by a storage
plugin, once with every job in an empty clone of its own."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT, run_snakemake
from tests.scripted_server import Act, ScriptedServer, error

pytestmark = [pytest.mark.storage, pytest.mark.slow]
KEYS = {"SNAKEMAKE_STORAGE_S3_ACCESS_KEY": "an-access-key", "SNAKEMAKE_STORAGE_S3_SECRET_KEY": "a-secret-key-of-the-test"}
EXPERIMENTS = {
    "niah": {
        "task": "niah",
        "parameters": {"lengths": [256, 512], "depths": [0, 100], "needles": ["spare_key_high"], "answer_tokens": 40},
    },
    "repeated_words": {"task": "repeated_words", "parameters": {"pairs": [["apple", "apples"]], "counts": [25], "positions": 2}},
}


def definitions(folder: Path) -> list[str]:
    """Two small experiments of the embedded model, each in two shards, in files of `folder`."""
    block = yaml.safe_load((ROOT / "config/models.yaml").read_text())["embedded"]
    (folder / "models.yaml").write_text(yaml.safe_dump({"embedded": {**block, "overrides": {}, "shards": 2}}))
    (folder / "experiments.yaml").write_text(yaml.safe_dump(EXPERIMENTS))
    return ["--config", f"model_definitions={folder}/models.yaml", f"experiment_definitions={folder}/experiments.yaml"]


def check_results(read) -> None:
    """What a run leaves: `read(path)` gives a file's bytes."""
    runs = {run["experiment"]: run for run in json.loads(read("results/test/run_metadata.json"))["runs"]}
    assert {name: (run["samples"], run["answers"]) for name, run in runs.items()} == {"niah": (4, 4), "repeated_words": (2, 2)}
    assert json.loads(read("results/test/embedded/niah/token_summary.json"))["calls"] == 4
    assert read("results/test/embedded/niah/figures/heatmap.png").startswith(b"\x89PNG")
    assert b"Needle" in read("results/test/report.html") or b"niah" in read("results/test/report.html")
    assert len(read("results/test/summary.csv").splitlines()) == 3


@pytest.fixture(scope="module")
def s3():
    """A client of a real S3 server on a free port, with an empty bucket."""
    import boto3

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        url = f"http://127.0.0.1:{port}"
        access, secret = KEYS.values()
        client = boto3.client(
            "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id=access, aws_secret_access_key=secret
        )
        client.create_bucket(Bucket="bucket")
        yield client, url
    finally:
        server.terminate()
        server.wait()


@pytest.mark.skipif(not shutil.which("rsync"), reason="the fs plugin copies by rsync: apt-get install rsync")
def test_results_in_a_folder_by_a_storage_plugin(tmp_path):
    bucket, work = tmp_path / "bucket", tmp_path / "work"
    bucket.mkdir()
    work.mkdir()
    arguments = [
        "--cores",
        "2",
        "--default-storage-provider",
        "fs",
        "--default-storage-prefix",
        str(bucket),
        *definitions(tmp_path),
    ]
    done = run_snakemake(*arguments, folder=work)
    assert done.returncode == 0, done.stderr[-3000:]
    assert not (work / "results").exists()
    check_results(lambda path: (bucket / path).read_bytes())
    again = run_snakemake(*arguments, "-n", folder=work)
    assert "Nothing to be done" in again.stdout + again.stderr


class Cluster:
    """A clone whose jobs each run in an empty copy of it, with files in a bucket."""

    def __init__(self, folder: Path, url: str) -> None:
        self.clone, self.jobs = folder / "clone", folder / "jobs"
        self.jobs.mkdir()
        tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
        for name in tracked:
            if (ROOT / name).exists() and not name.startswith(("docs/", "benchmarks/")):
                (self.clone / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, self.clone / name, follow_symlinks=False)
        submit, status = folder / "submit.sh", folder / "status.sh"
        submit.write_text(
            f"#!/bin/bash\nfolder=$(mktemp -d {self.jobs}/job.XXXXXX); cp -r {self.clone} $folder/clone; rm -rf $folder/clone/.snakemake\n"
            'cp "$1" $folder/job.sh; cd $folder/clone\n'
            'nohup bash -c "bash ../job.sh >../out.log 2>&1; echo \\$? >../status" >/dev/null 2>&1 &\necho $(basename $folder)\n'
        )
        status.write_text(
            f"#!/bin/bash\nfile={self.jobs}/$1/status\n"
            '[ -f $file ] || { echo running; exit; }\n[ "$(cat $file)" = 0 ] && echo success || echo failed\n'
        )
        for script in (submit, status):
            script.chmod(0o755)
        self._arguments = [
            *(
                "--default-storage-provider",
                "s3",
                "--storage-s3-endpoint-url",
                url,
                "--default-storage-prefix",
                "s3://bucket/runs",
            ),
            *("--executor", "cluster-generic", "--cluster-generic-submit-cmd", str(submit)),
            *("--cluster-generic-status-cmd", str(status), "--shared-fs-usage", "none", "--jobs", "2"),
            *("--seconds-between-status-checks", "1", "--envvars", *KEYS),
        ]

    def run(self, *more: str) -> subprocess.CompletedProcess:
        environment = {**os.environ, **KEYS, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}  # jobs run `python`
        command = [sys.executable, "-m", "snakemake", *more, *self._arguments]
        return subprocess.run(command, cwd=self.clone, env=environment, capture_output=True, text=True, timeout=900)

    def logs(self) -> str:
        return "\n".join(path.read_text()[-1000:] for path in self.jobs.glob("*/out.log"))


CHOSEN = ["model_definitions=config/models.yaml", "experiment_definitions=config/experiments.yaml"]


def test_results_in_a_bucket_with_every_job_in_an_empty_folder_of_its_own(tmp_path, s3):
    client, url = s3
    cluster = Cluster(tmp_path, url)
    definitions(cluster.clone / "config")  # they travel with the code
    done = cluster.run("--config", *CHOSEN)
    assert done.returncode == 0, done.stderr[-3000:] + cluster.logs()
    assert len(list(cluster.jobs.iterdir())) >= 10, "inference, judging, scoring and drawing are jobs of their own"
    assert not (cluster.clone / "results").exists()
    check_results(lambda path: client.get_object(Bucket="bucket", Key=f"runs/{path}")["Body"].read())
    again = cluster.run("-n", "--config", *CHOSEN)
    assert "Nothing to be done" in again.stdout + again.stderr, again.stdout[-2000:]
    for entry in client.list_objects_v2(Bucket="bucket")["Contents"]:
        written = client.get_object(Bucket="bucket", Key=entry["Key"])["Body"].read()
        assert KEYS["SNAKEMAKE_STORAGE_S3_SECRET_KEY"].encode() not in written, f"a key stands in {entry['Key']}"


def test_a_job_that_failed_after_half_its_answers_repeats_none_of_them(tmp_path, s3):
    client, url = s3
    client.create_bucket(Bucket="answers")
    cluster = Cluster(tmp_path, url)
    definitions(cluster.clone / "config")
    broken = True

    def script(prompt, before):
        return error(401, "your key has expired") if broken and len(server.prompts) > 2 else Act("in a blue can")

    with ScriptedServer(script) as server:
        block = {
            "engine": "external", "name": "m", "base_url": server.url, "tokenizer": "{data}/models/embedded", "window": 4096,
            "max_output_tokens": 64, "concurrency": 1, "tokens_per_minute": 10**9,
        }  # fmt: skip
        (cluster.clone / "config/models.yaml").write_text(yaml.safe_dump({"m": block}))
        address = f"s3://answers/store?scheme=http&endpoint_override={url.removeprefix('http://')}"
        settings = ["--config", *CHOSEN, "models=m", "allow_input_cut=true", f"request_store_bucket={address}"]
        wanted = "results/test/m/niah/responses.parquet"
        failed = cluster.run(wanted, *settings)
        answered = server.prompts[:2]
        assert failed.returncode and len(server.prompts) >= 3, failed.stderr[-3000:] + cluster.logs()
        broken = False
        server.prompts.clear()
        done = cluster.run(wanted, *settings)
        assert done.returncode == 0, done.stderr[-3000:] + cluster.logs()
    assert len(server.prompts) == 2 and not set(server.prompts) & set(answered)
    names = [entry["Key"] for entry in client.list_objects_v2(Bucket="answers")["Contents"]]
    assert len(names) == 2 and all(name.startswith("store/") and name.endswith(".segment") for name in names)
