"""Latency, throughput and memory of the engine itself, aggregated and disaggregated.

`vllm_side/` runs in vLLM's own interpreter, all else in the workflow's.
"""
