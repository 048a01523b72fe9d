"""One place that knows all secrets of this process, and cleans what is written of them.

Secrets are keys and tokens of the environment and of `.env`, user names with passwords and keys in addresses, and the values of
headers that config gives. They are learnt where they are read; logs, messages, results and stored requests go through `clean`.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import re
import sys
import traceback
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, quote_plus, unquote, urlencode, urlsplit, urlunsplit

from contextrot.printable import printable

HIDDEN = "[key]"
SECRET_NAME = re.compile(
    r"((api|access|private|account|master|subscription)[_-]?key|secret|passw(or)?d|passwd|pwd|authorization|bearer|cookie|jwt"
    r"|(^|[_-]|access|auth|session|refresh)token|credentials?)$",
    re.IGNORECASE,
)
SECRET_VARIABLE = re.compile(
    r"(API_?KEY|ACCESS_KEY(_ID)?|_KEY|SECRET\w*|PASSWORD|PASSWD|_TOKEN|BEARER_TOKEN\w*|_CREDENTIALS?|_AUTH)$", re.IGNORECASE
)
SECRET_PARAMETER = re.compile(r"key|token|secret|passw|sig(nature)?$|auth|code$|credential", re.IGNORECASE)
SHORTEST = 6
"""Characters: anything shorter stands in too many texts by chance."""
PART = 8
"""Characters of a secret that betray it, where a provider repeats only some of it."""
MASKED = r"\*{2,}|\.{3,}|…|•{2,}|[xX]{4,}"
WORD = r"[^\s\"'`,;:()<>{}\[\]=&|]"
SHAPED = re.compile(
    r"\b(sk|pk|rk|gsk|xai|hf|r8|nvapi|pplx|AIza|AKIA|ghp)[-_]?[A-Za-z0-9][\w*•.…-]{14,}|(?<=Bearer )[\w.~+/*-]{8,}=*|(?<=Basic )[\w+/]{8,}=*"
)
LOGIN_BEFORE_HOST = re.compile(r"^(\w+://)[^/@]*(?:@.*/|:(?!\d+/)[^/@]*/).*@|^(?!\w+://)[^/]*@")
"""Where urlsplit finds none: in a password with a slash, and without a scheme."""
LOGIN = re.compile(r"(?<=://)[^/\s@]+:[^/\s@]+@")

_known: set[str] = set()
_ordinary: set[str] = set()
"""Secrets that could be ordinary words: taken out of messages, where a server may repeat them, but not out of results."""


def learn(*values: str | None) -> None:
    """Adds secrets; those that are too short to be told from ordinary words are left out."""
    for value in values:
        if value and len(value) >= SHORTEST:
            distinct = len(value) >= PART and (re.search(r"\d", value) or not (value.islower() or value.isupper()))
            _add(value, _known if distinct else _ordinary)


def learn_headers(headers: Mapping[str, str]) -> None:
    """Adds the values of headers: as secrets where the header is named like one, else as what a server may repeat."""
    for name, value in headers.items():
        for part in {value, value.partition(" ")[2]}:
            if SECRET_PARAMETER.search(name) or name.lower() == "cookie":
                learn(part)
            elif len(part) >= SHORTEST:
                _add(part, _ordinary)


def learn_options(options: Any, named: bool = False) -> None:
    """Adds what options of config hold as secrets: values of fields that are named like keys, at any depth, and credentials of addresses.

    Args:
        named: whether a field above is named so.
    """
    if isinstance(options, Mapping):
        for name, value in options.items():
            learn_options(value, named or bool(SECRET_NAME.search(str(name))))
    elif isinstance(options, list | tuple):
        for before, value in zip((None, *options), options, strict=False):
            learn_options(value, named or _is_named(before, value))
    elif isinstance(options, str):
        learn_address(options)
        if named:
            learn(options, options.partition(" ")[2])
            if options.startswith("-"):
                learn(options.partition("=")[2])


def _is_named(before: Any, value: Any) -> bool:
    """Whether an argument of a command is a secret: `--api-key X` in two, or `--api-key=X` in one."""
    in_one = isinstance(value, str) and value.startswith("-") and "=" in value and SECRET_NAME.search(value.partition("=")[0])
    return bool(in_one) or (isinstance(before, str) and before.startswith("-") and bool(SECRET_NAME.search(before)))


def forget() -> None:
    """Forgets all secrets."""
    _known.clear()
    _ordinary.clear()
    _patterns.cache_clear()


def _add(value: str, kept: set[str]) -> None:
    if value not in kept:
        kept.update({value, quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1]})
        _patterns.cache_clear()


def learn_address(url: str | None) -> None:
    """Adds the user, password and keys of an address."""
    if not url or not ("://" in url or "@" in url):
        return
    url = url if "://" in url else f"//{url}"
    user, password, parameters = address_credentials(url)
    if raw := re.match(r"(\w+:)?//[^/@]*(@.*/|:(?!\d+/)[^/@]*/).*@", url):  # a password that holds a slash
        learn(raw[0].partition("//")[2].rpartition("@")[0].partition(":")[2])
    if password is not None:
        learn(password, base64.b64encode(f"{user}:{password}".encode()).decode())
    elif user:
        learn(user)
    learn(*parameters.values())


def learn_environment(variables: Mapping[str, str | None] | None = None) -> None:
    """Adds what stands in variables that are named like secrets, and the credentials of addresses in any of them.

    Args:
        variables: the environment and `.env` without it.
    """
    for name, value in (everything_set() if variables is None else variables).items():
        if not value:
            continue
        if "://" in value:
            learn_address(value)
        elif SECRET_VARIABLE.search(name) and not value.startswith("/"):
            learn(value, value.strip(" \t\r\n\"'"))


def everything_set() -> dict[str, str | None]:
    """The environment, and below it `.env` of the folder where snakemake was started."""
    from dotenv import dotenv_values

    return {**(dotenv_values(".env") if Path(".env").is_file() else {}), **os.environ}


def address_credentials(url: str) -> tuple[str | None, str | None, dict[str, str]]:
    """User, password, and the query's parameters that are named like keys."""
    parts = address_parts(url)
    user, password = (part and unquote(part) for part in _user_of(parts.netloc))
    return user, password, {name: value for name, value in parse_qsl(parts.query) if SECRET_PARAMETER.search(name)}


def without_credentials(url: str) -> str:
    """An address as it may be written: no user, no password, and no parameter that is named like a key."""
    parts = address_parts(LOGIN_BEFORE_HOST.sub(r"\1", url))
    kept = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if not SECRET_PARAMETER.search(name)]
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, urlencode(kept), ""))


def clean(text: str, partly: bool = True) -> str:
    """A text without secrets: each becomes `[key]`.

    Args:
        partly: whether pieces of secrets, masked ones (`sk-ab***yz`) and what has a key's shape go as well; for messages of servers.
    """
    if not text:
        return text
    whole, parts, begins = _patterns(partly)
    if whole is not None:
        text = whole.sub(HIDDEN, text)
    if not partly:
        return text
    if begins is not None:
        text = begins.sub(HIDDEN, text)
    text = SHAPED.sub(HIDDEN, LOGIN.sub(f"{HIDDEN}@", text))
    if parts and any(text[i : i + PART] in parts for i in range(len(text) - PART + 1)):
        text = re.sub(f"{WORD}{{{PART},}}", lambda word: HIDDEN if _betrays(word[0], parts) else word[0], text)
    return text


def public(value: Any) -> Any:
    """A value as it may be written: options named like keys are not shown, addresses have no credentials, texts are cleaned."""
    if isinstance(value, Mapping):
        return {
            key: "(not shown)" if SECRET_NAME.search(str(key)) else _headers(item) if key == "headers" else public(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        pairs = zip((None, *value), value, strict=False)
        return ["(not shown)" if _is_named(before, item) else public(item) for before, item in pairs]
    if isinstance(value, str):
        return clean(without_credentials(value) if re.match(r"\w+://", value) else value, partly=False)
    return value


class CleanFormatter(logging.Formatter):
    """A formatter whose lines, tracebacks included, hold no secret."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(clean(super().format(record)))


def print_clean_traceback(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """As sys.excepthook, without secrets."""
    print(printable(clean("".join(traceback.format_exception(kind, error, trace)))), end="", file=sys.stderr)


def address_parts(url: str) -> SplitResult:
    """The parts of an address, also of one that urlsplit refuses: brackets in a password, an odd host."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit(quote(url, safe="%/:?#@!$&'()*+,;=~ "))


def _user_of(netloc: str) -> tuple[str | None, str | None]:
    name, at, _ = netloc.rpartition("@")
    user, colon, password = name.partition(":")
    return (user if at else None), (password if colon else None)


def _headers(values: Any) -> Any:
    return dict.fromkeys(values, "(not shown)") if isinstance(values, Mapping) else "(not shown)"


def _betrays(word: str, parts: frozenset[str]) -> bool:
    return any(word[i : i + PART] in parts for i in range(len(word) - PART + 1))


@lru_cache(2)
def _patterns(partly: bool) -> tuple[re.Pattern[str] | None, frozenset[str], re.Pattern[str] | None]:
    """For whole secrets; the pieces that betray one; beginnings of secrets before a mask."""
    known = _known | _ordinary if partly else _known
    if not known:
        return None, frozenset(), None
    longest_first = sorted(known, key=lambda value: (-len(value), value))
    whole = re.compile("|".join(map(re.escape, longest_first)))
    long = [value for value in longest_first if len(value) >= 2 * PART and value in _known]
    parts = frozenset(value[i : i + PART] for value in long for i in range(len(value) - PART + 1))
    begins = _any({value[:3] for value in long}, f"{WORD}{{0,16}}?({MASKED}){WORD}*")
    return whole, parts, begins


def _any(beginnings: Iterable[str], rest: str) -> re.Pattern[str] | None:
    options = "|".join(map(re.escape, sorted(beginnings)))
    return re.compile(f"(?<!\\w)({options}){rest}") if options else None
