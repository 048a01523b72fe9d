import json
import shutil

import pytest
from tokenizers import Tokenizer as Fast
from tokenizers import normalizers

from contextrot.errors import ConfigError, DataError
from contextrot.samples.tokenizers import FolderTokenizer, HuggingFaceTokenizer, load_tokenizer

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
    "break": "{% for m in messages %}{% if loop.index > 3 %}{% break %}{% endif %}{{ m.content }}{% endfor %}",
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
    (folder / "chat_template.jinja").write_text(
        "{{ bos_token }}|{{ eos_token }}|{{ sep_token }}|{% for m in messages %}{{ m.content }}{% endfor %}"
    )
    light, full = load_tokenizer(str(folder)), HuggingFaceTokenizer(str(folder))
    assert isinstance(light, FolderTokenizer)
    assert light.render_chat(CHAT) == full.render_chat(CHAT)
    assert "|<|end|>||" in light.render_chat(CHAT)


def test_what_a_template_refuses_is_told(folder):
    (folder / "chat_template.jinja").write_text("{{ raise_exception('roles must take turns') }}")
    with pytest.raises(DataError, match="refuses a chat of the roles user, assistant, user: roles must take turns"):
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


def both(folder):
    light, full = load_tokenizer(str(folder)), HuggingFaceTokenizer(str(folder))
    assert isinstance(light, FolderTokenizer)
    return light, full


@pytest.mark.parametrize("saved", ["truncation", "padding", "both"])
def test_truncation_and_padding_that_a_tokenizer_was_saved_with_are_off(folder, data, saved, recwarn):
    text = (data / "essays/glass.txt").read_text()
    fast = Fast.from_file(str(folder / "tokenizer.json"))
    expected = fast.encode(text, add_special_tokens=False).ids
    if saved != "padding":
        fast.enable_truncation(512)
    if saved != "truncation":
        fast.enable_padding(length=1024)
    fast.save(str(folder / "tokenizer.json"))
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_max_length": 512}))
    for tokenizer in both(folder):
        assert len(expected) > 1024
        assert tokenizer.encode(text) == expected
        assert tokenizer.encode_batch(["a b", text]) == [tokenizer.encode("a b"), expected]
        assert len(tokenizer.encode("a")) == 1
        assert tokenizer.count_chat([{"role": "user", "content": text}]) > len(expected)
    assert not recwarn.list


BOS = {
    "written by the template": "{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}",
    "left to the tokenizer": "{% for m in messages %}{{ m.content }}{% endfor %}",
}


@pytest.mark.parametrize("template", BOS.values(), ids=BOS)
def test_a_beginning_that_the_tokenizer_adds_too_is_counted_as_servers_count_it(folder, template):
    from tokenizers.processors import TemplateProcessing
    from transformers import AutoTokenizer

    fast = Fast.from_file(str(folder / "tokenizer.json"))
    begin = fast.token_to_id("<|begin|>")
    fast.post_processor = TemplateProcessing(single="<|begin|> $A", special_tokens=[("<|begin|>", begin)])
    fast.save(str(folder / "tokenizer.json"))
    (folder / "chat_template.jinja").write_text(template)
    server = AutoTokenizer.from_pretrained(folder)
    for tokenizer in both(folder):
        ids = server.apply_chat_template(tokenizer.as_sent(CHAT), tokenize=True, add_generation_prompt=True)["input_ids"]
        assert tokenizer.count_chat(CHAT) == len(ids)
        assert ids.count(begin) == template.count("bos_token")


NO_SYSTEM = {
    "refused": "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}[{{ m.role }}] {{ m.content }} {% endfor %}",
    "left out": "{% for m in messages if m.role != 'system' %}[{{ m.role }}] {{ m.content }} {% endfor %}",
}


@pytest.mark.parametrize("template", NO_SYSTEM.values(), ids=NO_SYSTEM)
def test_where_a_template_has_no_place_for_a_system_message_its_text_leads_the_first_prompt(folder, template):
    (folder / "chat_template.jinja").write_text(template)
    for tokenizer in both(folder):
        sent = tokenizer.as_sent(CHAT)
        assert [m["role"] for m in sent] == ["user", "assistant", "user"]
        assert sent[0]["content"] == "Be brief. \n\n  Where is <|end|> the key?\n\nÜber 1,024 naïve words"
        assert tokenizer.count_chat(CHAT) == tokenizer.count_chat(sent) == len(tokenizer.encode(tokenizer.render_chat(sent)))
        assert tokenizer.as_sent(sent) == sent
        assert "Be brief." in tokenizer.render_chat(CHAT)
        with pytest.raises(DataError, match="takes no system message, and no prompt follows"):
            tokenizer.as_sent(CHAT[:1])


def test_a_system_message_stays_where_the_template_has_a_place_for_it(folder):
    for tokenizer in both(folder):
        assert tokenizer.as_sent(CHAT) is CHAT


def test_a_template_that_wants_roles_to_take_turns_is_named_with_its_reason(folder):
    (folder / "chat_template.jinja").write_text(
        "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
        "{{ raise_exception('Conversation roles must alternate user/assistant') }}{% endif %}{{ m.content }}{% endfor %}"
    )
    for tokenizer in both(folder):
        assert tokenizer.count_chat(CHAT) > 0  # the system message is folded, and then they do
        with pytest.raises(DataError, match=r"of the roles user, user: Conversation roles must alternate.*`chat_template`"):
            tokenizer.count_chat([CHAT[1], CHAT[3]])


def test_a_tokenizer_without_a_template_says_how_to_give_one_and_takes_it(folder, tmp_path):
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(DataError, match="has no chat template.*`chat_template`"):
        load_tokenizer(str(folder))
    template = tmp_path / "mine.jinja"
    template.write_text(TEMPLATES["chatml"])
    tokenizer = load_tokenizer(str(folder), chat_template=str(template))
    assert tokenizer.render_chat(CHAT).startswith("<|im_start|>system\nBe brief. <|im_end|>\n")
    with pytest.raises(ConfigError, match="chat_template = .* cannot be read"):
        load_tokenizer(str(folder), chat_template=str(tmp_path / "none.jinja"))


ATTACKS = {
    "attributes": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "globals": "{{ cycler.__init__.__globals__.os.system('touch PWNED') }}",
    "exception": "{{ raise_exception.__globals__['__builtins__']['open']('PWNED', 'w') }}",
    "format": "{{ '{0.__class__.__mro__}'.format(messages) }}",
    "lipsum": "{{ lipsum.__globals__['os'].popen('touch PWNED').read() }}",
    "import": "{% import 'os' as os %}{{ os }}",
    "messages": "{{ messages.__class__.__base__.__subclasses__() }}",
    "change": "{{ messages.append({'role': 'user', 'content': 'x'}) }}{{ messages|length }}",
}


@pytest.mark.parametrize("template", ATTACKS.values(), ids=ATTACKS)
def test_templates_cannot_reach_out_of_their_sandbox(folder, template, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (folder / "chat_template.jinja").write_text(template)
    for tokenizer in both(folder):
        chat = [dict(message) for message in CHAT]
        try:
            text = tokenizer.render_chat(chat)
        except DataError:
            text = ""
        assert "class" not in text
        assert chat == CHAT
    assert not (tmp_path / "PWNED").exists()


def test_a_template_without_end_is_refused(folder):
    loop = "{% for i in range(90000) %}" * 3 + "x" + "{% endfor %}" * 3
    (folder / "chat_template.jinja").write_text(loop)
    with pytest.raises(DataError, match="refuses"):
        load_tokenizer(str(folder)).render_chat(CHAT[1:2])


def test_a_tokenizer_that_changes_text_says_so(folder):
    for tokenizer in both(folder):
        assert tokenizer.lossless
    fast = Fast.from_file(str(folder / "tokenizer.json"))
    fast.normalizer = normalizers.Lowercase()
    fast.save(str(folder / "tokenizer.json"))
    for tokenizer in both(folder):
        assert not tokenizer.lossless
