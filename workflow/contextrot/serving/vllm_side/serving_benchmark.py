"""Runs vLLM's own serving benchmark, with its own options. Runs in vLLM's interpreter.

`vllm bench serve` without the console script, which builds of vLLM under another package name do not have.
"""

import argparse

from vllm.benchmarks.serve import add_cli_args, main

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    add_cli_args(parser)
    main(parser.parse_args())
