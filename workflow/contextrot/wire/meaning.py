"""What an error means: by the status and the machine-readable code, then by the numbers in it, and only then by its words.

A code is the provider's own statement; words are written for people, and link a billing page from a limit of a minute. Numbers: a prompt of so
many tokens against a limit of so many. Codes and statuses stand in `error_codes`; fields and words are those of the error references of OpenAI, Azure
(`innererror`), Anthropic, Google, AWS Bedrock Converse, Groq, Mistral, DeepSeek, Zhipu GLM, Moonshot, MiniMax, DashScope, Cohere, OpenRouter, TGI,
llama.cpp and vLLM; LM Studio's and Ollama's by their issue trackers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contextrot.wire import error_codes, faults, retry_after
from contextrot.wire.faults import Failure

LONGEST_MESSAGE = 1000
_CODE_FIELDS = ("code", "type", "status", "error_type", "reason", "__type", "Code", "error_code")
_INNER_FIELDS = set("error innererror metadata details errors raw baseresp response result fault detail".split())
_WORDS = set(
    "message msg detail error title errors raw errordescription errormessage errormsg errmsg statusmsg faultstring".split()
)
"""Fields of errors, without `_` and in small letters."""
_NUMBER = r"[a-z_'`\s:=(]{0,40}?(\d{2,})(?!\d*\.\d)"
_LIMIT = re.compile(
    r"(?:maximum|max|limit|at most|up to|<=?|less than|fewer than|no more than|only|window of|window is|window|supports|allowed|n_ctx)"
    + _NUMBER,
    re.IGNORECASE,
)
_SIZE = re.compile(r"(?:size of|size|context of|length of|length is)" + _NUMBER, re.IGNORECASE)
_GREATER = re.compile(r"(\d{2,})\s*(?:tokens?)?\s*(?:>|exceeds?(?: the)?[a-z\s]{0,40})\s*(\d{2,})", re.IGNORECASE)
_OF_PROMPT = re.compile(r"prompt|input|message|context|n_ctx|total (tokens|length)", re.IGNORECASE)
_OF_ROOM = re.compile(r"tokens?|context|n_ctx|prompt length|input length", re.IGNORECASE)
_OVER_WINDOW = re.compile(
    r"context.?length|context.?window|context size|maximum.{0,20}length|max_model_len|n_ctx"
    r"|(prompt|input|inputs|messages).{0,40}(too long|too large|exceed|longer than)|(too many|exceed\w*).{0,30}(input|prompt) tokens"
    r"|reduce the length of (the|your) (messages|prompt|input)|too many tokens: size limit|exceed\w* model token limit|range of input length"
    r"|(total|input|prompt) tokens.{0,30}exceed|token total exceed|expected max.?length: \d+, actual: \d+",
    re.IGNORECASE,
)
_OUTPUT_LIMIT = re.compile(
    r"max_(new_|completion_|output_)?tokens|maximum tokens you requested|completion tokens|output tokens", re.IGNORECASE
)
_CONTENT_FILTER = re.compile(
    r"content.?(filter|policy|management|moderation)|blocked by.{0,20}safety|safety (system|filter|setting)|requires moderation|flagged (by|as|for)|responsible.?ai"
    r"|inappropriate content|content exists risk|sensitive (content|information|words?)|for safety reasons|censor|敏感"
    r"|violat\w+.{0,30}(usage|content|safety|acceptable.use) (polic|guideline)|(content|input|output).{0,20}audit",
    re.IGNORECASE,
)
_NO_CREDIT = re.compile(
    r"insufficient.{0,20}(quota|credit|funds|balance)|exceeded your current quota|credit balance|balance.{0,20}(insufficient|too low)"
    r"|(credits?|balance|free (tier|quota|allocation|resource pack)).{0,30}(depleted|exhausted|used up)|used (up )?(all|your).{0,30}(credits|free allocation)"
    r"|budget.{0,20}exceeded|limit for this billing period|no credits?\b|n.t have (any|enough) credits|top up|recharge|api usage limits|spending limit|past invoices|余额|欠费|充值",
    re.IGNORECASE,
)
_EMPTY_ACCOUNT = re.compile(
    r"(credits?|balance).{0,20}(depleted|exhausted|used up|insufficient)|insufficient.{0,10}balance|余额不足|欠费", re.IGNORECASE
)
_NO_KEY = re.compile(
    r"(invalid|incorrect|missing|no) api.?key|api.?key.{0,40}(invalid|incorrect|not valid|missing|expired)", re.IGNORECASE
)
_NO_ACCESS = re.compile(
    r"(organization|account|project).{0,30}(disabled|suspended|deactivated|closed|restricted)|location is not supported|region.{0,30}not supported",
    re.IGNORECASE,
)
_NO_MODEL = re.compile(
    r"model.{0,80}(does not exist|not exist|not found|not a valid model|isn't available|no longer available|decommissioned|not supported by any|identifier is invalid|not been loaded"
    r"|throughput isn.t supported)|not a valid model|invalid model|no such model|unknown model|no models?( are)?( currently)? loaded",
    re.IGNORECASE,
)
_RATE = re.compile(
    r"rate.?limit|too many requests|slow down|throttl|((requests?|tokens?) per|\b[qrt]p[smd]\b).{0,40}(limit|exceed)",
    re.IGNORECASE,
)
_PAGE_OF_LIMITS = re.compile(r"https?://\S*(token|rate)s?[-_]?limit", re.IGNORECASE)
_BUSY = re.compile(r"overloaded|loading|try again|temporarily|capacity|busy|unavailable|timed? ?out", re.IGNORECASE)


@dataclass(frozen=True)
class Sent:
    """What was asked, as far as it is known: the prompt's tokens by our count, the room for the answer, the model's window."""

    prompt_tokens: int | None = None
    max_output_tokens: int | None = None
    window: int | None = None


def error_in(values: dict[str, Any], event: str = "") -> dict[str, Any] | str | None:
    """The error that a chunk or a body of status 200 holds; None if it holds none."""
    error = values.get("error")
    if error and error is not True:
        extra = {name: value for name, value in values.items() if name not in ("error", "choices", "usage")}
        return {**extra, **error} if isinstance(error, dict) else {**extra, "message": _text(error)}
    failed = event == "error" or values.get("object") == "error" or values.get("type") == "error" or error is True
    if failed:
        return values
    if not values.get("choices") and "usage" not in values:
        base = values.get("base_resp")  # MiniMax
        if isinstance(base, dict) and base.get("status_code"):
            return base
        inner = [values, *(value for name, value in values.items() if isinstance(value, dict) and _plain(name) in _INNER_FIELDS)]
        inner += [value["Error"] for value in inner if isinstance(value.get("Error"), dict)]  # Tencent: Response.Error
        if any(_plain(name) in _WORDS and isinstance(word, (str, list)) and word for one in inner for name, word in one.items()):
            return values
    return None


def counts_tokens(values: Any) -> bool:
    """Whether an object tells that tokens were used, as only what is billed does."""
    usage = values.get("usage") if isinstance(values, dict) else None
    return isinstance(usage, dict) and any(isinstance(count, (int, float)) and count > 0 for count in usage.values())


def error_of_body(body: str) -> dict[str, Any] | str:
    """The error of a body that came with an error's status: its object, or the text."""
    value = object_of(body)
    return body if value is None else error_in(value, "error") or value


def object_of(body: str) -> dict[str, Any] | None:
    """The JSON object of a body, or the first of its list (Google, when streaming)."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, list):
        value = next((item for item in value if isinstance(item, dict)), None)
    return value if isinstance(value, dict) else None


def failure_of(
    status: int | None,
    error: str | dict[str, Any],
    headers: Mapping[str, str] | None = None,
    sent: Sent | None = None,
) -> Failure:
    """The Failure that a status and an error mean.

    Args:
        status: of HTTP; None for an error inside of an answer, whose own code then counts.
        error: its text, or its JSON object.
        headers: of the answer, for how long to wait.
        sent: what was asked.
    """
    objects = _objects(error)
    message = _message(error, objects)
    codes = [code for entry in objects for code in _codes(entry)]
    if header_type := next((v for k, v in (headers or {}).items() if str(k).lower() == "x-amzn-errortype"), None):
        codes.append(str(header_type).split(":")[0].lower())
    if status is None:
        status = next((int(code) for code in codes if code.isdigit() and len(code) == 3 and 400 <= int(code) < 600), None)
    wait = retry_after.seconds_of(headers or {}, objects, message)
    asked_to_wait = retry_after.of_headers({k: v for k, v in (headers or {}).items() if str(k).lower().startswith("retry-after")})
    kind = _kind(status, codes, objects, message, wait, sent, asked_to_wait is not None)
    return kind(message[:LONGEST_MESSAGE].encode("utf-8", "replace").decode(), status, wait)


def _kind(
    status: int | None,
    codes: list[str],
    objects: list[dict[str, Any]],
    message: str,
    wait: float | None,
    sent: Sent | None,
    asked_to_wait: bool,
) -> type[Failure]:
    found = {
        error_codes.OF_CODE[code] for code in codes if code in error_codes.OF_CODE and not (code.isdigit() and len(code) == 3)
    }
    for kind in error_codes.ORDER:
        if kind in found:
            if kind is faults.RateLimited:
                return _limited(message, wait)
            if kind is faults.NoCredit and _PAGE_OF_LIMITS.search(message):  # DashScope: OpenAI's code for an empty account
                return _limited(message, wait)
            if kind is faults.NoCredit and status is not None and status >= 500:
                break
            return kind
    words = " | ".join([message, *_words_of_codes(objects)])
    if status is not None and 300 <= status < 400:
        return faults.Denied
    if status in (429, 498):
        return faults.NoCredit if wait is None and _NO_CREDIT.search(message) else _limited(message, wait)
    if (
        status is None
        or status in (400, 413, 416, 422, 500)
        or (status > 404 and status < 500 and status not in error_codes.OF_STATUS)
    ):
        if too_long(message, objects, sent):
            return faults.OverWindow
        if status in (None, 400, 413, 422, 500) and _OVER_WINDOW.search(words) and not _only_output(message):
            return faults.OverWindow
    if status in (403, 451) and _OVER_WINDOW.search(words) and not _only_output(message):  # Together
        return faults.OverWindow
    if asked_to_wait and status in (402, 403, 404, 413, 420):  # RFC 9110: Retry-After says that the condition is temporary
        return faults.ServerFault
    if status == 413 or (status in (401, 404, 405, 410, 402)):
        return error_codes.OF_STATUS[status]
    if status is None or status < 500:
        if status in (None, 400, 403, 412, 422) and _NO_CREDIT.search(words):
            return faults.NoCredit
        if status in (None, 400, 403, 422, 451) and _CONTENT_FILTER.search(words):
            return faults.ContentFilter
        if status in (None, 400, 412, 422) and any(pattern.search(words) for pattern in (_NO_KEY, _NO_MODEL, _NO_ACCESS)):
            return faults.Denied
        if status is None and _RATE.search(words):
            return _limited(message, wait)
    if status is None:
        return faults.ServerFault
    if status in error_codes.OF_STATUS:
        return error_codes.OF_STATUS[status]
    if status >= 500 or status < 400:
        return faults.ServerFault
    return faults.ServerFault if wait is not None and _BUSY.search(message) else faults.BadRequest


def _limited(message: str, wait: float | None) -> type[Failure]:
    """A limit of time heals by waiting; a single request larger than the limit never does, nor does an empty account."""
    asked = re.search(r"limit:?\s*(\d+).{0,40}requested:?\s*~?(\d+)", message.replace(",", ""), re.IGNORECASE | re.DOTALL)
    if (
        asked
        and int(asked[2]) > int(asked[1])
        and re.search(r"too large|must be reduced|reduce your message", message, re.IGNORECASE)
    ):
        return faults.OverWindow
    return faults.NoCredit if wait is None and _EMPTY_ACCOUNT.search(message) else faults.RateLimited


def too_long(message: str, objects: list[dict[str, Any]], sent: Sent | None = None) -> bool:
    """Whether numbers say that the prompt (with the room for its answer) is longer than a limit.

    The limit and what was asked stand in fields (`n_ctx`, `n_prompt_tokens` of llama.cpp) or in the message; what was asked is, failing that, what we
    counted. A limit of the answer alone is another matter: that is a wrong request.
    """
    for entry in objects:
        limit, asked = entry.get("n_ctx"), entry.get("n_prompt_tokens")
        if isinstance(limit, int) and isinstance(asked, int) and asked >= limit:
            return True
    text = re.sub(r"(?<=\d)[,_](?=\d{3})|(?<=\d)\.0+\b", "", message[:4000])
    if not _OF_PROMPT.search(text) or not _OF_ROOM.search(text) or _only_output(text):
        return False
    if any(int(asked) > int(limit) for asked, limit in _GREATER.findall(text)):
        return True
    limits = [int(number) for number in _LIMIT.findall(text) or _SIZE.findall(text) if len(number) < 12]
    if not limits:
        return False
    others = [int(number) for number in re.findall(r"(?<![\d.])\d{2,11}(?![\d.]*\d)", text)]
    limit = min(limits)
    if any(number > limit for number in others if number not in limits):
        return True
    return sent is not None and sent.prompt_tokens is not None and sent.prompt_tokens + (sent.max_output_tokens or 0) > limit


def _only_output(text: str) -> bool:
    """Whether a message is about the limit of the answer alone."""
    return bool(_OUTPUT_LIMIT.search(text)) and not _OF_PROMPT.search(text)


def _objects(error: str | dict[str, Any], depth: int = 0) -> list[dict[str, Any]]:
    """The error's object and those inside of it, also where JSON stands in a text (OpenRouter's `metadata.raw`)."""
    if isinstance(error, str):
        start = error.find("{")
        if start < 0 or depth > 3:
            return []
        try:
            value, _ = json.JSONDecoder().raw_decode(error[start:])
        except (ValueError, RecursionError):
            return []
        return _objects(value, depth + 1) if isinstance(value, dict) else []
    found = [error]
    if depth < 5:
        for inner in [value for name, value in error.items() if _plain(name) in _INNER_FIELDS]:
            for value in inner[:20] if isinstance(inner, list) else [inner]:
                if isinstance(value, dict) or (isinstance(value, str) and value.lstrip().startswith("{")):
                    found += _objects(value, depth + 1)
    return found


def _codes(entry: dict[str, Any]) -> list[str]:
    """Codes of one object, in small letters and without a namespace."""
    codes = [entry.get(name) for name in _CODE_FIELDS]
    if "status_msg" in entry:  # MiniMax: numbers of its own, which mean something else in Zhipu's table
        codes.append(f"minimax_{entry.get('status_code')}")
    return [
        str(code).split("#")[-1].lower()[:100] for code in codes if isinstance(code, (str, int)) and not isinstance(code, bool)
    ]


def _words_of_codes(objects: list[dict[str, Any]]) -> list[str]:
    """Codes that no table has, as words: `InputTextSensitiveContentDetected`, `token_quota_reached`."""
    codes = [code for entry in objects for name in _CODE_FIELDS if isinstance(code := entry.get(name), str)]
    return [re.sub(r"(?<=[a-z])(?=[A-Z])|[._-]+", " ", code[:100]) for code in codes]


def _message(error: str | dict[str, Any], objects: list[dict[str, Any]]) -> str:
    """The words of an error: its own, and those of what is inside of it."""
    if isinstance(error, str):
        return error[:4000]
    words: list[str] = []
    for entry in objects:
        for value in [value for name, value in entry.items() if _plain(name) in _WORDS]:
            if value and not isinstance(value, dict) and (text := _text(value)) not in words:
                words.append(text)
    return " | ".join(words)[:4000] or _text(error)


def _plain(name: Any) -> str:
    return str(name)[:40].replace("_", "").lower()


def _text(value: Any) -> str:
    """A value as text of bounded length."""
    if isinstance(value, str):
        return value[:4000]
    try:
        return json.dumps(value, ensure_ascii=False, default=str)[:4000]
    except (ValueError, RecursionError):
        return str(type(value))
