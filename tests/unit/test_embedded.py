"""The embedded model: what it was trained on, and that the shipped folder is what it claims to be."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from contextrot.tasks.longmemeval.data import QUESTION_TYPES
from embedded_model import chat_vocabulary
from embedded_model.chat_memory import dense_history, generate, load_passages
from embedded_model.chat_questions import ABSTENTION
from embedded_model.conversations import ConversationWriter
from embedded_model.copying import repeated_tokens
from embedded_model.curriculum import STAGES, TASKS, rate_at, stage_at
from embedded_model.heldout import EVALUATED_PAIRS, evaluation_texts, word_sequences
from embedded_model.needles import plant

DATA = Path(__file__).parents[2] / "data"
MODEL = DATA / "models" / "embedded"


@pytest.fixture(scope="module")
def writer() -> ConversationWriter:
    return ConversationWriter(DATA)


@pytest.fixture(scope="module")
def passages() -> dict[str, list[str]]:
    return load_passages(DATA / "essays")


def memory(passages, split, questions=60, seed=0):
    return generate(np.random.default_rng(seed), questions, split, passages, history_tokens=(400, 600))


@pytest.mark.parametrize("task", sorted({task for tasks in TASKS.values() for task in tasks}))
def test_training_text_holds_no_six_words_of_an_evaluation_item_in_a_row(writer, task):
    held_out = set().union(*(word_sequences(text, 6) for text in evaluation_texts(DATA / "tasks")))
    # The haystacks are the corpora in both; what an evaluation item shares with them by chance is no leak.
    held_out -= word_sequences(writer.corpus, 6)
    rng = np.random.default_rng(1)
    for _ in range(60):
        for turn in getattr(writer, task)(rng, 512):
            for text in turn:
                assert not word_sequences(text, 6) & held_out


def test_repeated_words_of_the_evaluation_come_in_training_but_never_as_its_pairs(writer):
    rng = np.random.default_rng(2)
    texts = [writer.repeated_words(rng, 64)[0][1] for _ in range(4000)]
    pairs = [set(text.split()) for text in texts]
    assert {word for pair in EVALUATED_PAIRS for word in pair} <= set().union(*pairs)
    assert not [pair for pair in pairs if pair in map(set, EVALUATED_PAIRS)]
    measured = yaml.safe_load((DATA.parent / "config" / "experiments.yaml").read_text())["repeated_words"]["parameters"]["pairs"]
    assert set(map(tuple, measured)) <= set(EVALUATED_PAIRS)


def test_the_training_files_hold_no_five_words_of_a_review_in_a_row():
    reviews = (json.loads(line)["text"] for line in (DATA / "tasks" / "sentiment.jsonl").read_text().splitlines())
    held_out = set().union(*(word_sequences(text, 5) for text in reviews))
    for path in sorted((DATA / "tasks" / "training").iterdir()):
        for line in path.read_text(encoding="utf-8").splitlines():
            assert not word_sequences(line, 5) & held_out, (path.name, line)


@pytest.mark.parametrize("kind", sorted(chat_vocabulary.TRAIN))
def test_chat_facts_of_training_and_evaluation_share_no_value(kind):
    train, evaluation = ({v.lower() for v in t[kind]} for t in (chat_vocabulary.TRAIN, chat_vocabulary.EVALUATION))
    assert not train & evaluation


def test_chat_memory_is_the_same_for_the_same_seed(passages):
    assert memory(passages, "evaluation") == memory(passages, "evaluation")


def test_chat_memory_has_the_fields_and_types_of_longmemeval(passages):
    items = memory(passages, "evaluation")
    assert {item["question_type"] for item in items} == set(QUESTION_TYPES)
    for item in items:
        sessions = item["haystack_sessions"]
        assert len(sessions) == len(item["haystack_dates"]) == len(item["haystack_session_ids"])
        assert set(item["answer_session_ids"]) <= set(item["haystack_session_ids"])
        assert sorted(item["haystack_dates"]) == item["haystack_dates"] < [item["question_date"]]


def test_chat_memory_answer_stands_in_its_answer_sessions_and_in_the_trained_reply(passages):
    for item in memory(passages, "evaluation", 120):
        assert item["answer"] in item["reply"]
        if item["question_id"].endswith("_abs") or item["question_type"] in ("multi-session", "temporal-reasoning"):
            continue
        said = " ".join(
            turn["content"]
            for identifier, session in zip(item["haystack_session_ids"], item["haystack_sessions"], strict=True)
            for turn in session
            if identifier in item["answer_session_ids"] and turn["has_answer"]
        )
        assert item["answer"] in said


def test_an_abstention_has_no_answer_and_is_marked_in_its_id(passages):
    items = memory(passages, "evaluation", 120)
    abstaining = [item for item in items if item["question_id"].endswith("_abs")]
    assert abstaining
    assert {item["reply"] for item in abstaining} == {ABSTENTION}


def test_an_updated_fact_is_told_before_its_update(passages):
    items = [i for i in memory(passages, "evaluation", 60) if i["question_type"] == "knowledge-update"]
    told = [[t["content"] for s in i["haystack_sessions"] for t in s if t["has_answer"]] for i in items]
    updated = [texts for item, texts in zip(items, told, strict=True) if not item["question_id"].endswith("_abs")]
    assert all("now" in texts[2] and "now" not in texts[0] for texts in updated)


def test_a_dense_history_asks_each_topic_once(passages):
    for seed in range(10):
        *_, asked = dense_history(np.random.default_rng(seed), "train", passages, 600)
        questions = [question for question, _ in asked]
        assert len(set(questions)) == len(questions)


def test_planting_keeps_every_sentence_and_the_order_of_the_haystack():
    haystack = [f"Sentence {i}." for i in range(20)]
    text = plant(np.random.default_rng(3), haystack, ["Needle one.", "Needle two."])
    assert "Needle one." in text and "Needle two." in text
    assert [s for s in text.replace(". ", ".|").split("|") if s.startswith("Sentence")] == haystack


def test_a_fact_is_answered_by_its_sentence_and_its_distractors_differ(writer):
    rng = np.random.default_rng(5)
    for _ in range(300):
        fact = writer.facts.fact(rng, 2)
        assert "{" not in fact.statement + fact.question
        assert fact.statement not in fact.distractors


def test_copying_rows_weigh_only_what_can_be_known():
    rng = np.random.default_rng(0)
    for _ in range(50):
        row, weights = repeated_tokens(rng, 128, 6, 4096)
        assert (len(row), len(weights)) == (129, 128)
        assert weights[0] == 0.0 and set(weights) == {0.0, 1.0}


def test_the_curriculum_ends_and_its_rate_falls():
    total = sum(stage.tokens for stage in STAGES)
    assert stage_at(0) is STAGES[0] and stage_at(total - 1) is STAGES[-1] and stage_at(total) is None
    assert rate_at(0) == 1.0 and rate_at(total) == pytest.approx(0.02)
    assert all(set(stage.lengths) <= set(TASKS) for stage in STAGES)


@pytest.fixture(scope="module")
def tokenizer():
    transformers = pytest.importorskip("transformers")
    return transformers.AutoTokenizer.from_pretrained(MODEL)


class TestShippedFolder:
    """data/models/embedded as it is committed."""

    def test_is_under_ten_megabytes(self):
        assert sum(path.stat().st_size for path in MODEL.iterdir()) < 10_000_000

    def test_tokenizer_spells_any_text_and_gives_it_back(self, tokenizer):
        text = ' Two words, "3.14" and caf\u00e9 \u2014 12345\n\n  indented\t\U0001f600'
        assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text

    def test_rendering_a_longer_conversation_begins_with_the_tokens_of_a_shorter_one(self, tokenizer):
        turns = [{"role": role, "content": f"Turn {i}.\n"} for i in range(6) for role in ("user", "assistant")]
        turns.insert(0, {"role": "system", "content": "Be brief."})
        rendered = [tokenizer.apply_chat_template(turns[:n], return_dict=False) for n in range(1, len(turns) + 1)]
        for shorter, longer in itertools.pairwise(rendered):
            assert longer[: len(shorter)] == shorter and len(longer) > len(shorter)
        assert rendered[-1].count(tokenizer.bos_token_id) == 1

    def test_generation_prompt_is_what_training_put_before_an_answer(self, tokenizer, writer):
        from embedded_model.rows import RowWriter

        user, assistant = {"role": "user", "content": "A question?"}, {"role": "assistant", "content": "An answer."}
        ids, answer = RowWriter(writer, tokenizer).encode_turns([("A question?", "An answer.")])
        asked = tokenizer.apply_chat_template([user], add_generation_prompt=True, return_dict=False)
        assert ids == tokenizer.apply_chat_template([user, assistant], return_dict=False)
        assert ids[: len(asked)] == asked and answer.index(True) == len(asked)
        assert ids[-1] == tokenizer.eos_token_id

    def test_transformers_computes_the_logits_that_were_trained(self):
        torch = pytest.importorskip("torch")
        transformers = pytest.importorskip("transformers")
        from safetensors.torch import load_file

        from embedded_model.model import Llama, ModelConfig

        theirs = transformers.AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32)
        ours = Llama(ModelConfig())
        state = load_file(MODEL / "model.safetensors")
        ours.load_state_dict({name.removeprefix("model."): t.float() for name, t in state.items()})
        tokens = torch.from_numpy(np.random.default_rng(0).integers(0, 4096, size=(1, 300)))
        with torch.no_grad():
            expected = theirs(tokens).logits
            actual = ours(tokens) @ ours.embed_tokens.weight.T
        assert torch.allclose(actual, expected, atol=1e-3)
