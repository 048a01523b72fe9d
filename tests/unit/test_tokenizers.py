import json
import shutil

import pytest
from jinja2 import TemplateError

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


@pytest.fixture
def folder(data, tmp_path):
    """A copy of the embedded model's tokenizer, to be changed."""
    return shutil.copytree(data / "models/embedded", tmp_path / "model", ignore=shutil.ignore_patterns("*.safetensors"))


TEMPLATES = {
    "chatml": "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "llama": "{{- bos_token }}\n{%- if messages[0]['role'] == 'system' %}\n  {%- set system = messages[0]['content']|trim %}\n"
    "  {%- set messages = messages[1:] %}\n{%- else %}\n  {%- set system = '' %}\n{%- endif %}\n<<{{ system }}>>\n"
    "{%- for message in messages %}\n  {{- '[' + message.role + ']' + message.content | trim + eos_token }}\n{%- endfor %}\n"
    "{%- if not tools is defined or tools is none %}no tools{% endif %}",
    "qwen": "{%- set ns = namespace(multi=true, last=messages|length - 1) %}\n{%- for message in messages[::-1] %}\n"
    "{%- set index = (messages|length - 1) - loop.index0 %}\n{%- if ns.multi and message.role == 'user' and not("
    "message.content.startswith('<tool>') and message.content.endswith('</tool>')) %}\n{%- set ns.multi = false %}\n"
    "{%- set ns.last = index %}\n{%- endif %}\n{%- endfor %}\n{%- for message in messages %}\n{{- message.content.split('?')[0]"
    ".lstrip('\\n').strip() ~ ns.last ~ loop.last }}\n{%- if enable_thinking is defined and enable_thinking is false %}-{% endif %}"
    "{%- endfor %}\n",
    "macro": "{% macro turn(role, text) %}({{ role }}:{{ text }}){% endmacro %}{% for m in messages if m.role != 'system' %}"
    "{{ turn(m['role'], m['content'].upper()) }}{% if loop.index is divisibleby 2 %}|{% endif %}{% endfor %}{{ missing }}",
    "only transformers knows": "{% for m in messages %}{% generation %}{{ m | tojson }}{% endgeneration %}{% endfor %}{{ dict(a=1) }}",
    "json": "{{ messages | tojson }}",
    "break": "{% for m in messages %}{% if m.role == 'user' %}{% break %}{% endif %}{{ m.content }}{% endfor %}",
}


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
def test_chat_templates_are_rendered_as_transformers_renders_them(folder, template):
    (folder / "chat_template.jinja").write_text(template)
    light, full = (
        load_tokenizer(str(folder), None, {"enable_thinking": False}),
        HuggingFaceTokenizer(str(folder), None, {"enable_thinking": False}),
    )
    assert isinstance(light, FolderTokenizer)
    assert light.render_chat(CHAT) == full.render_chat(CHAT) != ""


def test_special_tokens_are_named_in_templates_however_they_are_written(folder):
    path = folder / "tokenizer_config.json"
    written = {
        "__type": "AddedToken",
        "content": "<|end|>",
        "lstrip": False,
        "normalized": False,
        "rstrip": False,
        "special": True,
    }
    path.write_text(json.dumps(json.loads(path.read_text()) | {"eos_token": written, "sep_token": None, "add_bos_token": True}))
    (folder / "chat_template.jinja").write_text("{{ bos_token }}|{{ eos_token }}|{{ sep_token }}|{{ messages[0].content }}")
    light, full = load_tokenizer(str(folder)), HuggingFaceTokenizer(str(folder))
    assert isinstance(light, FolderTokenizer)
    assert light.render_chat(CHAT) == full.render_chat(CHAT)
    assert "|<|end|>||" in light.render_chat(CHAT)


def test_what_a_template_refuses_is_told(folder):
    (folder / "chat_template.jinja").write_text("{{ raise_exception('roles must take turns') }}")
    with pytest.raises(TemplateError, match="roles must take turns"):
        load_tokenizer(str(folder)).render_chat(CHAT)


def test_openai_s_frame_is_counted(o200k):
    assert o200k.count_chat([{"role": "user", "content": "Hi"}]) == 3 + 3 + 1 + 1
    assert not o200k.exact


def test_a_folder_without_a_tokenizer_is_named(tmp_path):
    with pytest.raises(DataError, match="holds no tokenizer"):
        load_tokenizer(str(tmp_path))


def test_an_unknown_encoding_names_the_known(o200k):
    with pytest.raises(ConfigError, match="cl100k_base"):
        load_tokenizer("tiktoken:none")
