"""vLLM's file-based ExampleConnector, with each transfer under a key of its own and measured. Runs in vLLM's interpreter.

The stock connector names a transfer by a hash of its token ids, stores what there is after the first chunk of a prefill,
finds no match for prompts of k blocks and one token, and removes nothing. Here the caller names the transfer
(`kv_transfer_params: {"kv_key": ...}`, the same for prefill and decode); it is stored when the whole prompt is computed,
whether or not in chunks; the decode instance removes it when its request has ended; and the bytes and seconds of every
store and load are appended to `transfers-{role}.jsonl` in the shared folder.
"""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vllm.distributed.kv_transfer.kv_connector.v1.example_connector import (
    ExampleConnector,
    ExampleConnectorMetadata,
    align_to_block_size,
)

if TYPE_CHECKING:
    from vllm.v1.request import Request


class MeasuredFileConnector(ExampleConnector):
    """Stores the KV of a prompt less its last block in files, and loads it in another process."""

    def __init__(self, vllm_config: Any, role: Any, kv_cache_config: Any) -> None:
        super().__init__(vllm_config=vllm_config, role=role, kv_cache_config=kv_cache_config)
        self._producer = self._kv_transfer_config.is_kv_producer and not self._kv_transfer_config.is_kv_consumer
        self._record_path = Path(self._storage_path) / f"transfers-{self._kv_transfer_config.kv_role}.jsonl"
        self._keys: dict[str, str] = {}  # request -> key of its transfer
        self._prefilling: dict[str, tuple[list[int], list[int]]] = {}  # request -> (prompt token ids, block ids so far)
        self._storing: dict[str, dict[str, Any]] = {}  # key -> what this step has stored

    # Scheduler's side

    def get_num_new_matched_tokens(self, request: Request, num_computed_tokens: int) -> tuple[int, bool]:
        key = (request.kv_transfer_params or {}).get("kv_key")
        if key is None:
            return 0, False
        if not key.isalnum():
            raise ValueError(f"kv_key {key!r} must be letters and digits")
        self._keys[request.request_id] = key
        if self._producer or not (Path(self._storage_path) / key).is_dir():
            return 0, False
        stored = align_to_block_size(len(request.prompt_token_ids or []), self._block_size)
        return max(stored - num_computed_tokens, 0), False

    def build_connector_meta(self, scheduler_output: Any) -> ExampleConnectorMetadata:
        meta = ExampleConnectorMetadata()
        scheduled = scheduler_output.num_scheduled_tokens
        for new in scheduler_output.scheduled_new_reqs:
            prompt, blocks = list(new.prompt_token_ids or []), list(new.block_ids[0])
            if new.req_id in self._requests_need_load:
                self._add(meta, new.req_id, prompt, blocks, is_store=False)
            elif self._producer and new.req_id in self._keys:
                self._prefilling[new.req_id] = (prompt, blocks)
                self._store_if_computed(meta, new.req_id, new.num_computed_tokens + scheduled[new.req_id])
        cached = scheduler_output.scheduled_cached_reqs
        for index, req_id in enumerate(cached.req_ids):
            added = cached.new_block_ids[index]
            resumed = req_id in cached.resumed_req_ids
            if req_id in self._prefilling:
                prompt, blocks = self._prefilling[req_id]
                self._prefilling[req_id] = (prompt, ([] if resumed else blocks) + list(added[0] if added else []))
                self._store_if_computed(meta, req_id, cached.num_computed_tokens[index] + scheduled[req_id])
            elif resumed and req_id in self._requests_need_load:
                request = self._requests_need_load[req_id]
                self._add(meta, req_id, list(request.prompt_token_ids), list(added[0]), is_store=False)
        self._requests_need_load.clear()
        return meta

    def _store_if_computed(self, meta: ExampleConnectorMetadata, req_id: str, computed: int) -> None:
        prompt, blocks = self._prefilling[req_id]
        if computed >= len(prompt):
            del self._prefilling[req_id]
            if align_to_block_size(len(prompt), self._block_size):
                self._add(meta, req_id, prompt, blocks, is_store=True)

    def _add(self, meta: Any, req_id: str, prompt: list[int], blocks: list[int], is_store: bool) -> None:
        needed = -(-len(prompt) // self._block_size)
        # The stock metadata has no place for a key; its list of image hashes, empty for text, carries it.
        meta.add_request(prompt, blocks[:needed], self._block_size, is_store, [self._keys[req_id]])

    def request_finished(self, request: Request, block_ids: list[int]) -> tuple[bool, dict[str, Any] | None]:
        key = self._keys.pop(request.request_id, None)
        self._prefilling.pop(request.request_id, None)
        if key and not self._producer:
            shutil.rmtree(Path(self._storage_path) / key, ignore_errors=True)
        return False, None

    # Worker's side

    def _generate_foldername_debug(self, token_ids: Any, mm_hashes: list[str], create_folder: bool = False) -> str:
        folder = Path(self._storage_path) / mm_hashes[0]
        if create_folder:
            folder.mkdir(exist_ok=True)
        return str(folder)

    def start_load_kv(self, forward_context: Any, **named: Any) -> None:
        loads = [request for request in self._get_connector_metadata().requests if not request.is_store]
        started = time.perf_counter()
        super().start_load_kv(forward_context, **named)
        if not loads:
            return
        seconds = time.perf_counter() - started
        for request in loads:
            sizes = [tensor_bytes(path) for path in (Path(self._storage_path) / request.mm_hashes[0]).iterdir()]
            self._record(request, "load", sum(sizes), len(sizes), seconds / len(loads))

    def save_kv_layer(self, layer_name: str, kv_layer: Any, attn_metadata: Any, **named: Any) -> None:
        stores = [request for request in self._get_connector_metadata().requests if request.is_store]
        if not stores:
            return
        started = time.perf_counter()
        super().save_kv_layer(layer_name, kv_layer, attn_metadata, **named)
        seconds = time.perf_counter() - started
        for request in stores:
            path = Path(self._generate_filename_debug(layer_name, request.token_ids, request.mm_hashes))
            total = self._storing.setdefault(request.mm_hashes[0], {"request": request, "bytes": 0, "layers": 0, "seconds": 0.0})
            total["bytes"] += tensor_bytes(path)
            total["layers"] += 1
            total["seconds"] += seconds / len(stores)

    def wait_for_save(self) -> None:
        for total in self._storing.values():
            self._record(total["request"], "store", total["bytes"], total["layers"], total["seconds"])
        self._storing.clear()

    def _record(self, request: Any, what: str, size: int, layers: int, seconds: float) -> None:
        row = {"key": request.mm_hashes[0], "what": what, "tokens": len(request.slot_mapping), "layers": layers}
        with self._record_path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({**row, "bytes": size, "seconds": seconds}) + "\n")


def tensor_bytes(path: Path) -> int:
    """Bytes of the tensors in a safetensors file, its header left out."""
    with open(path, "rb") as file:
        header = int.from_bytes(file.read(8), "little")
    return path.stat().st_size - 8 - header
