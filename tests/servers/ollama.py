"""An Ollama server as it behaves with a prompt over its window: it keeps the end of the prompt and answers 200.

Ollama's `num_ctx` is 4,096 tokens unless it is told otherwise; `usage.prompt_tokens` is what was evaluated, so the cut shows there and
nowhere else (docs/faq.md "How can I specify the context window size?", docs/api.md `prompt_eval_count`, server/prompt.go).
"""

from __future__ import annotations

from typing import Any

from contextrot.samples.tokenizers import Tokenizer
from tests.scripted_server import Act, ScriptedServer


class OllamaServer(ScriptedServer):
    """Answers with `right` if `needle` is in what it kept of the prompt, else that it cannot find it.

    Args:
        tokenizer: the server's own.
        needle, right: what a prompt must hold for the right answer.
        num_ctx: the window; it may be changed while the server runs, as by a user who restarts it.
        scale: the server's tokens for one of `tokenizer`: a model whose tokenizer nobody has published.
        tells: whether it reports usage.
    """

    def __init__(
        self, tokenizer: Tokenizer, needle: str, right: str, num_ctx: int = 4_096, scale: float = 1.0, tells: bool = True
    ) -> None:
        super().__init__()
        self.tokenizer, self.needle, self.right = tokenizer, needle, right
        self.num_ctx, self.scale, self.tells = num_ctx, scale, tells
        self.finish = "stop"
        self.lengths: list[int] = []

    def act(self, request: dict[str, Any], authorization: str | None) -> Act:
        super().act(request, authorization)
        whole = round(self.tokenizer.count_chat(request["messages"]) * self.scale)
        self.lengths.append(whole)
        kept = min(whole, self.num_ctx)
        text = request["messages"][-1]["content"]
        text = text[-max(1, len(text) * kept // whole) :]
        usage = {"prompt_tokens": kept, "completion_tokens": 5} if self.tells else {}
        return Act(text=self.right if self.needle in text else "I cannot find that.", usage=usage, finish=self.finish)
