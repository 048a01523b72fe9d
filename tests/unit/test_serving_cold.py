import pytest

from contextrot.records import Sample
from contextrot.serving.cold import Probe, coldness, shared_tokens
from contextrot.tasks.serving.codes import salted


def sample(code="0123abcd", text="Once upon a time."):
    messages = [{"role": "user", "content": f"Text {code}:\n\n{text}"}]
    return Sample("s", messages, [], 4, 10, condition={})


def digits(text):
    """A tokenizer that needs a token more for each digit."""
    return sum(character.isdigit() for character in text)


def row(cached=0, ttft=1.0, prompt=1000):
    return {"cached_tokens": cached, "ttft_seconds": ttft, "server_prompt_tokens": prompt}


def test_another_salt_is_another_prompt_of_as_many_tokens():
    one, two = (salted(sample(), salt, digits).messages[0]["content"] for salt in ("a", "b"))
    assert one != two
    assert digits(one) == digits(two) == digits(sample().messages[0]["content"])
    assert one.partition(":")[2] == two.partition(":")[2]


def test_the_same_salt_is_the_same_prompt():
    assert salted(sample(), "a", digits) == salted(sample(), "a", digits)


def test_prompts_that_share_a_code_share_the_new_one():
    first, other = (salted(sample(text=text), "a", len).messages[0]["content"][:13] for text in ("One.", "Two."))
    assert first == other


def test_what_the_salt_does_not_touch_stays():
    changed = salted(sample(), "a", len)
    assert changed.sample_id == "s"
    assert changed.messages[0]["content"].endswith(":\n\nOnce upon a time.")


def test_a_prompt_without_a_code_is_refused():
    with pytest.raises(ValueError, match="does not begin with a code"):
        salted(Sample("s", [{"role": "user", "content": "Hello"}], [], 4, 10, condition={}), "a", len)


def test_what_all_prompts_share_may_be_cached():
    assert coldness([row(cached=20)] * 3, "unique", 5).warm is False


def test_one_answer_from_a_cache_makes_the_group_warm():
    found = coldness([row(), row(cached=900)], "unique", 5)
    assert (found.warm, found.evidence, found.cached_tokens) == (True, "cached_tokens", 900)


def test_of_a_shared_prefix_only_the_first_prompt_must_be_computed():
    rows = [row(), row(cached=990), row(cached=990)]
    assert coldness(rows, "shared", 5).warm is False
    assert coldness([row(cached=990), *rows[1:]], "shared", 5).warm is True


def test_the_servers_counter_is_believed_before_its_answers():
    """A decode instance says that all it loaded was cached."""
    assert coldness([row(cached=999)], "unique", 5, hits=0).warm is False
    assert coldness([row(cached=0)], "unique", 5, hits=900).warm is True


def test_without_counts_the_time_of_a_new_prompt_tells():
    silent = [row(cached=None, ttft=0.03), row(cached=None, ttft=1.7)]
    assert coldness(silent, "unique", 5, probe=Probe(1.7, 0.05)).warm is True
    assert coldness(silent[1:], "unique", 5, probe=Probe(1.7, 0.05)).warm is False
    keeps_nothing = Probe(1.7, 1.6)
    assert coldness(silent, "unique", 5, probe=keeps_nothing).warm is False
    assert coldness(silent, "unique", 5).warm is None


def test_a_system_prompt_of_the_template_may_be_cached():
    class Chatty:
        def count_chat(self, messages):
            return 40 + sum(len(message["content"].split()) for message in messages)

    shared = shared_tokens(Chatty())
    assert coldness([row(cached=41)] * 3, "unique", shared).warm is False
    assert coldness([row(cached=90)] * 3, "unique", shared).warm is True
