import pytest

from contextrot.errors import ConfigError, DataError
from contextrot.tokenizers import FolderTokenizer, HuggingFaceTokenizer, load_tokenizer

CHAT = [
    {"role": "system", "content": "Be brief. "},
    {"role": "user", "content": "  Where is <|end|> the key?\n\nÜber 1,024 naïve words"},
    {"role": "assistant", "content": "In the can."},
    {"role": "user", "content": "And now?"},
]


def test_the_light_way_gives_what_transformers_gives(data):
    folder = str(data / "models/embedded")
    light, full = load_tokenizer(folder), HuggingFaceTokenizer(folder)
    assert isinstance(light, FolderTokenizer)
    assert light.render_chat(CHAT) == full.render_chat(CHAT)
    assert light.count_chat(CHAT) == full.count_chat(CHAT)
    text = (data / "essays/glass.txt").read_text()
    assert light.encode(text) == full.encode(text)
    assert light.encode_batch([text, ""]) == full.encode_batch([text, ""])
    assert light.decode(light.encode(text)) == full.decode(full.encode(text))


def test_openai_s_frame_is_counted(o200k):
    assert o200k.count_chat([{"role": "user", "content": "Hi"}]) == 3 + 3 + 1 + 1
    assert not o200k.exact


def test_a_folder_without_a_tokenizer_is_named(tmp_path):
    with pytest.raises(DataError, match="holds no tokenizer"):
        load_tokenizer(str(tmp_path))


def test_an_unknown_encoding_names_the_known(o200k):
    with pytest.raises(ConfigError, match="cl100k_base"):
        load_tokenizer("tiktoken:none")
