"""The tokenizer and chat template that a GGUF file carries, counting as llama.cpp does.

How text is split before merging stands in the file only by a name (`tokenizer.ggml.pre`), whose meaning llama.cpp's source holds; the
patterns here are those of src/llama-vocab.cpp. A name that is not here is refused, not guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from contextrot.errors import DataError
from contextrot.samples.chat_templates import FastTokenizer, TemplateRenderer, read_template, without_template
from contextrot.samples.gguf_metadata import read_metadata

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6  # tokenizer.ggml.token_type
SPACE = "▁"
USUAL_IDS = {"unknown": 0, "bos": 1, "eos": 2}
"""What SentencePiece vocabularies have where the file names none."""

_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
_SHORT = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
_REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_LLAMA3 = rf"{_SHORT}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}|{_REST}"
_QWEN2 = rf"{_SHORT}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}|{_REST}"
_QWEN35 = (
    rf"{_SHORT}|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]+|\p{{N}}| ?[^\s\p{{L}}\p{{M}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_CASED_REST = r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_TEKKEN = rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*|\p{{N}}|{_CASED_REST}"
_GPT4O = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_SHORT}?|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_SHORT}?"
    rf"|\p{{N}}{{1,3}}|{_CASED_REST}"
)
_DEEPSEEK3 = (
    r"\p{N}{1,3}",
    r"[一-龥぀-ゟ゠-ヿ]+",
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
)
_FALCON = (r"[\p{P}\$\+<=>\^~\|`]+", _GPT2, r"[0-9][0-9][0-9]")


@dataclass(frozen=True)
class Splitting:
    """What one name of `tokenizer.ggml.pre` means.

    Attributes:
        patterns: each splits what the one before left.
        ignore_merges: whether a piece that is a token is one, whatever the merges say.
        adds_bos: whether text begins with the beginning-of-sequence token unless the file says otherwise.
    """

    patterns: tuple[str, ...]
    ignore_merges: bool = False
    adds_bos: bool = False


SPLITTINGS: dict[str, Splitting] = {
    **dict.fromkeys(
        ("llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"), Splitting((_LLAMA3,), True, True)
    ),
    **dict.fromkeys(("dbrx", "smaug-bpe", "chatglm-bpe"), Splitting((_LLAMA3,))),
    **dict.fromkeys(("glm4", "glm5"), Splitting((_LLAMA3,), True)),
    **dict.fromkeys(
        ("qwen2", "deepseek-r1-qwen", "kormo", "stablelm2", "megrez", "hunyuan", "solar-open", "grok-2"), Splitting((_QWEN2,))
    ),
    "qwen35": Splitting((_QWEN35,)),
    **dict.fromkeys(("deepseek-v3", "hunyuan-dense", "joyai-llm"), Splitting(_DEEPSEEK3)),
    **dict.fromkeys(("", "default"), Splitting((r"[\p{P}\$\+<=>\^~\|]+", _GPT2, r"\p{N}+", r"[0-9][0-9][0-9]"))),
    "falcon": Splitting(_FALCON),
    "deepseek-coder": Splitting((r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+", r"\p{N}")),
    **dict.fromkeys(
        ("starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b"), Splitting((r"\p{N}", _GPT2))
    ),
    **dict.fromkeys(
        ("gpt-2", "phi-2", "gigachat", "a.x-4.0", "mellum", "mpt", "olmo", "jais", "trillion", "granite-docling", "exaone4"),
        Splitting((_GPT2,)),
    ),
    "tekken": Splitting((_TEKKEN,), True, True),
    **dict.fromkeys(("gpt-4o", "llama4", "kanana2", "minimax-m2"), Splitting((_GPT4O,))),
}  # fmt: skip


class GGUFTokenizer(FastTokenizer):
    """A GGUF file's own tokenizer and chat template.

    llama.cpp puts the beginning-of-sequence token before a chat exactly once if the file says that it is added, whether or not the
    template writes it; so does this.

    Raises:
        DataError: if the file cannot be read, has no template, or a kind of tokenizer that is not known here.
    """

    def __init__(self, path: str, template_arguments: dict[str, Any] | None = None, chat_template: str | None = None) -> None:
        self.name = path
        self._metadata = metadata = read_metadata(path)
        kind = metadata.get("tokenizer.ggml.model")
        if kind not in ("gpt2", "llama") or not metadata.get("tokenizer.ggml.tokens"):
            raise self._refusal(f"is of the kind {kind!r} (known: 'gpt2', 'llama')")
        template = read_template(chat_template) if chat_template else metadata.get("tokenizer.chat_template")
        if not template or not isinstance(template, str):
            raise without_template(path)
        try:
            self._build(kind)
        except DataError:
            raise
        except Exception as error:  # `tokenizers` raises bare ones
            raise self._refusal(f"cannot be built from its metadata ({str(error)[:200]})") from error
        tokens = {"bos_token": self._token("bos"), "eos_token": self._token("eos")}
        self._template = TemplateRenderer(template, tokens | (template_arguments or {}))

    def _build(self, kind: str) -> None:
        metadata = self._metadata
        if not isinstance(metadata["tokenizer.ggml.tokens"], list):
            raise TypeError("its tokens are no list")
        self._tokens: list[str] = metadata["tokenizer.ggml.tokens"]
        self._types: list[int] = metadata.get("tokenizer.ggml.token_type") or [NORMAL] * len(self._tokens)
        splitting = self._splitting() if kind == "gpt2" else None
        adds_bos = splitting.adds_bos if splitting else True
        self._bos = self._token("bos") if metadata.get("tokenizer.ggml.add_bos_token", adds_bos) else ""
        self._eos = self._token("eos") if metadata.get("tokenizer.ggml.add_eos_token", False) else ""
        self._tokenizer = self._byte_level(splitting) if splitting else self._sentencepiece()
        self._tokenizer.add_special_tokens(self._special_tokens())

    def _render(self, messages: list[dict[str, str]]) -> str:
        text = self._template.render(messages)
        begin = "" if text.startswith(self._bos) else self._bos
        return begin + text + ("" if text.endswith(self._eos) else self._eos)

    @cached_property
    def adds_bos(self) -> bool:
        """Whether llama.cpp begins text with the beginning-of-sequence token."""
        return bool(self._bos)

    def _token(self, name: str) -> str:
        usual = USUAL_IDS.get(name) if self._metadata["tokenizer.ggml.model"] == "llama" else None
        number = self._metadata.get(f"tokenizer.ggml.{name}_token_id", usual)
        return self._tokens[number] if isinstance(number, int) and 0 <= number < len(self._tokens) else ""

    def _special_tokens(self) -> list[Any]:
        from tokenizers import AddedToken

        kinds = (UNKNOWN, CONTROL, USER_DEFINED)
        texts = [token for token, kind in zip(self._tokens, self._types, strict=False) if kind in kinds and token]
        return [AddedToken(text, normalized=False, special=True) for text in texts]

    def _splitting(self) -> Splitting:
        name = self._metadata.get("tokenizer.ggml.pre", "")
        if name not in SPLITTINGS:
            raise self._refusal(f"splits text in a way that is not known here (tokenizer.ggml.pre = {name!r})")
        return SPLITTINGS[name]

    def _refusal(self, what: str) -> DataError:
        return DataError(
            f"the tokenizer in {self.name} {what}. Use `tokenizer: server` with the running server, or the Hugging Face id of the "
            "model that the file was made from."
        )

    def _byte_level(self, splitting: Splitting) -> Any:
        from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

        merges = [tuple(merge.split(" ", 1)) for merge in self._metadata.get("tokenizer.ggml.merges", [])]
        vocabulary = {token: number for number, token in enumerate(self._tokens)}
        known = [pair for pair in merges if len(pair) == 2 and {*pair, "".join(pair)} <= vocabulary.keys()]
        tokenizer = Tokenizer(models.BPE(vocabulary, known, ignore_merges=splitting.ignore_merges))
        splits = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in splitting.patterns]
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [*splits, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
        )
        tokenizer.decoder = decoders.ByteLevel()
        return tokenizer

    def _sentencepiece(self) -> Any:
        from tokenizers import Tokenizer, decoders, models, normalizers

        vocabulary = {token: number for number, token in enumerate(self._tokens)}
        unknown = self._token("unknown") or None
        merges = _merges_of_scores(vocabulary, self._metadata.get("tokenizer.ggml.scores") or [])
        tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token=unknown, fuse_unk=True, byte_fallback=BYTE in self._types))
        prefix = self._metadata.get("tokenizer.ggml.add_space_prefix", True)
        before = [normalizers.Prepend(SPACE)] if prefix else []
        tokenizer.normalizer = normalizers.Sequence([*before, normalizers.Replace(" ", SPACE)])
        after = [decoders.Strip(" ", 1, 0)] if prefix else []
        tokenizer.decoder = decoders.Sequence([decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), *after])
        return tokenizer


def _merges_of_scores(vocabulary: dict[str, int], scores: list[float]) -> list[tuple[str, str]]:
    """The merges of a SentencePiece vocabulary, which has scores instead: the pair whose whole has the highest score goes first."""
    merges = []
    for token, number in vocabulary.items():
        pairs = ((token[:i], token[i:]) for i in range(1, len(token)))
        found = [(vocabulary[a], vocabulary[b], a, b) for a, b in pairs if a in vocabulary and b in vocabulary]
        score = scores[number] if number < len(scores) else 0.0
        merges += [(-score, number, place, a, b) for place, (_, _, a, b) in enumerate(sorted(found))]
    return [(a, b) for _, _, _, a, b in sorted(merges)]
