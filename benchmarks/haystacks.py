"""Target 1: all haystacks of the full NIAH experiment (500 to 900,000 tokens x 11 depths), exact in tokens, from a cold start.

Beside it, in the same run: the limit (one tokenisation of the corpus and the writing of the same text), and the published way
(encode the whole haystack again for every essay added), measured at 100,000 tokens where its quadratic growth is still bearable.

    python benchmarks/haystacks.py [--runs 5]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from record import record

ROOT = Path(__file__).resolve().parents[1]
COLD = """
import json, resource, sys, time
start = time.perf_counter()
from functools import partial
from pathlib import Path
from contextrot.random_streams import generator_for
from contextrot.records import write_samples
from contextrot.tasks import SampleContext, load
from contextrot.tokenizers import load_tokenizer
task = load("niah")
data = Path(sys.argv[1])
context = SampleContext(load_tokenizer("tiktoken:o200k_base"), 2_000_000, 256, data, partial(generator_for, 1))
samples = task(task.Parameters(lengths=json.loads(sys.argv[2]))).samples(context)
write_samples(sys.argv[3], samples)
assert all(sample.prompt_tokens == sample.target_tokens for sample in samples)
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)
"""
LIMIT = """
import sys, time
start = time.perf_counter()
from pathlib import Path
from contextrot.corpus import read_documents
from contextrot.records import Sample, write_samples
from contextrot.tokenizers import load_tokenizer
tokenizer = load_tokenizer("tiktoken:o200k_base")
sentences = [sentence for document in read_documents(Path(sys.argv[1]) / "essays") for sentence in document]
tokens = sum(map(len, tokenizer.encode_batch(sentences)))
text = " ".join(sentences)
samples = []
for length in (500, 1_000, 5_000, 10_000, 50_000, 100_000, 500_000, 900_000):
    characters = int(len(text) * length / tokens)
    whole = (text * (characters // len(text) + 1))[:characters]
    for depth in range(11):
        samples.append(Sample(f"{length}-{depth}", [{"role": "user", "content": whole[:depth] + whole[depth:]}], ["x"], 1, 1))
write_samples(sys.argv[2], samples)
print(time.perf_counter() - start)
"""
PUBLISHED = """
import sys, time
start = time.perf_counter()
from pathlib import Path
from contextrot.tokenizers import load_tokenizer
tokenizer = load_tokenizer("tiktoken:o200k_base")
essays = [path.read_text() for path in sorted((Path(sys.argv[1]) / "essays").glob("*.txt"))]
haystack, length = "", int(sys.argv[2])
while len(tokenizer.encode(haystack)) < length:
    for essay in essays:
        haystack += essay
        if len(tokenizer.encode(haystack)) >= length:
            break
print(time.perf_counter() - start)
"""


def run(code: str, *arguments: str) -> list[float]:
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, env={"PYTHONPATH": str(ROOT / "workflow")}, capture_output=True, text=True, check=True)
    return [float(word) for word in done.stdout.split()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = range(parser.parse_args().runs)
    data, lengths = str(ROOT / "data"), "[500, 1000, 5000, 10000, 50000, 100000, 500000, 900000]"
    out = str(ROOT / ".cache" / "benchmark.parquet")
    ours, limit, memory = [], [], []
    for _ in runs:
        seconds, megabytes = run(COLD, data, lengths, out)
        ours.append(seconds)
        memory.append(megabytes)
        limit.append(run(LIMIT, data, out)[0])
    packages = ["tiktoken", "pyarrow", "numpy"]
    record("haystacks", "8 lengths x 11 depths, exact, cold start", ours, "limit: one tokenisation + writing", limit, packages)
    record("haystacks", "peak memory", memory, "target 500 MB", [500.0] * len(memory), packages, "MB")
    one = [run(COLD, data, "[100000]", out)[0] for _ in runs]
    published = [run(PUBLISHED, data, "100000")[0] for _ in runs]
    record("haystacks", "11 haystacks of 100k tokens", one, "one 100k haystack, re-encoded for every essay", published, packages)
    small = [run(COLD, data, "[450000]", out)[0] for _ in runs]
    large = [run(COLD, data, "[900000]", out)[0] for _ in runs]
    record("haystacks", "growth: 900k (linear would be at most 2)", large, "450k", small, packages)
    Path(out).unlink()
    print(time.strftime("%Y-%m-%d"))


if __name__ == "__main__":
    main()
