"""Arms against a long context: what their prompts hold, what they cost, and how they are compared with the whole."""

import asyncio
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contextrot import tasks
from contextrot.errors import ConfigError
from contextrot.records import Response
from contextrot.samples.reading import passages_of, tagged_reading, word_count
from contextrot.scores.score import averages
from contextrot.task import Asker, SampleContext
from contextrot.tasks.remedies.retrieval import ranking
from contextrot.tasks.remedies.task import against_the_whole, ends_first, parts_of, within_budget

NEEDLE = "The night train to the coast departs from platform nine."
SENTENCES = [f"In year {i} the harbour kept {i * 7} boats and a lamp." for i in range(60)]


def remedies(**parameters):
    kind = tasks.load("remedies")
    return kind(kind.Parameters(**parameters))


def context_of(tokenizer, data, window=16_000):
    return SampleContext(tokenizer, window, 200, data, lambda *names: np.random.default_rng(len(str(names))))


@pytest.fixture(scope="module")
def needles(embedded_tokenizer, data):
    """Every arm of two needles at two lengths."""
    task = remedies(
        of="niah", parameters={"lengths": [1000, 2000], "depths": [50], "needles": ["night_train_high", "restaurant_high"]}
    )
    return task, task.samples(context_of(embedded_tokenizer, data))


def test_every_arm_asks_every_question(needles):
    task, samples = needles
    assert len(samples) == 4 * len(task.parameters.arms) == len({s.sample_id for s in samples})
    assert {len({s.condition["asked"] for s in samples if s.condition["arm"] == arm}) for arm in task.parameters.arms} == {4}
    assert all(s.fits_window and s.prompt_tokens for s in samples)


def test_what_an_arm_keeps_is_what_it_says(needles, embedded_tokenizer):
    _, samples = needles
    by_arm = {}
    for s in samples:
        by_arm.setdefault(s.condition["arm"], []).append(s)
    for arm, kept in {
        "full": 1,
        "none": 0,
        "focused": 1,
        "question_first": 1,
        "instruction_repeated": 1,
        "evidence_at_ends": 1,
    }.items():
        assert {s.condition["evidence_recall"] for s in by_arm[arm]} == {kept}, arm
    assert {s.condition["evidence_recall"] for s in by_arm["recursive"]} == {None}
    for s in by_arm["focused"]:
        assert s.prompt_tokens < 250
    for s in by_arm["cut_oldest"] + by_arm["cut_middle"]:
        assert 200 < s.prompt_tokens < 700
    full = {s.condition["asked"]: s.messages[0]["content"] for s in by_arm["full"]}
    for s in by_arm["question_first"]:
        assert s.messages[0]["content"] == f"{s.condition['question']}\n\n{full[s.condition['asked']]}"
    for s in by_arm["none"]:
        assert "<document>\n\n</document>" in s.messages[0]["content"]
    words = {arm: sorted(by_arm[arm][0].messages[0]["content"].split()) for arm in ("full", "evidence_at_ends")}
    assert words["full"] == words["evidence_at_ends"]  # moved, none lost


def test_the_whole_is_the_prompt_of_the_task_itself(needles, embedded_tokenizer, data):
    task, samples = needles
    own = {s.sample_id: s for s in task.inner.samples(context_of(embedded_tokenizer, data))}
    for s in samples:
        if s.condition["arm"] == "full":
            assert s.messages == own[s.condition["asked"]].messages and s.prompt_tokens == own[s.condition["asked"]].prompt_tokens


def test_conversations_are_taken_apart_by_sessions_also_beyond_the_window(embedded_tokenizer, data):
    task = remedies(
        of="longmemeval", parameters={"histories": ["full"], "every": 12}, arms=["full", "focused", "retrieved", "recursive"]
    )
    samples = task.samples(context_of(embedded_tokenizer, data, window=900))
    by_arm = {}
    for s in samples:
        by_arm.setdefault(s.condition["arm"], []).append(s)
    assert not any(s.fits_window for s in by_arm["full"] + by_arm["recursive"])
    assert all(s.fits_window and s.condition["evidence_recall"] == 1 for s in by_arm["focused"])
    own = task.inner.__class__(task.inner.Parameters(histories=["focused"], every=12)).samples(
        context_of(embedded_tokenizer, data)
    )
    assert [s.messages for s in by_arm["focused"]] == [s.messages for s in own if not s.condition["abstention"]][
        : len(by_arm["focused"])
    ]


def test_questions_asked_in_two_conditions_are_refused(embedded_tokenizer, data):
    with pytest.raises(ConfigError, match=r"several conditions \(history: focused, full\).*histories: \[full\]"):
        remedies(of="longmemeval", parameters={"every": 12}).samples(context_of(embedded_tokenizer, data))


@given(st.lists(st.integers(1, 50), max_size=20), st.integers(1, 300), st.booleans())
def test_cut_passages_keep_the_end_or_both_ends_within_the_budget(sizes, budget, both):
    kept = within_budget(sizes, budget, both)
    assert sum(sizes[i] for i in kept) <= budget
    gaps = [i for i in range(len(sizes)) if i not in kept]
    assert gaps == list(range(gaps[0], gaps[-1] + 1)) if gaps else True  # one gap
    if kept and not both:
        assert kept[-1] == len(sizes) - 1


def test_the_best_passages_stand_at_the_ends():
    assert ends_first([4, 2, 0, 1, 3]) == [4, 0, 3, 1, 2]


def test_bm25_finds_the_needle_in_several_languages():
    places = [*SENTENCES[:30], NEEDLE, *SENTENCES[30:]]
    assert ranking(places, "From which platform does the night train depart?")[0] == 30
    assert ranking(["春天的花园很安静。", "夜车从九号站台出发。", "他们喝茶。"], "夜车从哪个站台出发？")[0] == 1
    assert ranking(["одна", "две"], "nothing shared") == [0, 1]
    assert ranking([], "any") == []


def test_evidence_across_two_passages_is_both_of_them():
    context = " ".join([*SENTENCES[:8], NEEDLE, "It leaves at ten.", *SENTENCES[8:16]])
    prompt = f"Read.\n\n<document>\n{context}\n</document>\n\nQuestion: when?"
    reading = tagged_reading(prompt, "document", "when?", [f"{NEEDLE} It leaves at ten."], 10)
    assert reading.before + reading.context + reading.after == prompt
    assert "".join(reading.passages[i] for i in sorted(reading.evidence)).replace(" ", "").count(NEEDLE.replace(" ", "")) == 1
    assert 1 <= len(reading.evidence) <= 3
    assert tagged_reading("no context here", "document", "when?", [], 10) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("The night train leaves.", 4),
        ("Donaudampfschifffahrtsgesellschaftskapitän " * 3, 3),
        ("한국어에는 띄어쓰기가 있다.", 3),
        ("コーヒー メーカー", 2),
        ("春天的花园很安静。", 3),
        ("「夜车从九号站台出发。」她说。", 5),
        ("วันนี้อากาศดีมาก", 6),
        ("Der Zug 夜车 fährt", 4),
        ("OpenAI发布了GPT。", 3),
        ("水", 1),
    ],
)
def test_words_are_counted_where_there_are_spaces_and_every_three_characters_where_there_are_none(text, words):
    assert word_count(text) == words


def test_passages_of_chinese_are_about_as_long_as_asked():
    passages = passages_of("春天的花园很安静。" * 40, 12)
    assert len(passages) == 10 and {len(passage) for passage in passages} == {36}


@given(st.text(max_size=400))
def test_passages_hold_the_whole_text(text):
    assert "".join("".join(passages_of(text, 5)).split()) == "".join(text.split())


def test_parts_are_whole_and_within_their_tokens(embedded_tokenizer):
    text = " ".join(SENTENCES)
    parts = parts_of(text, 120, embedded_tokenizer)
    assert " ".join(parts) == text and len(parts) > 5
    assert max(len(embedded_tokenizer.encode(part)) for part in parts) <= 120


class Scripted(Asker):
    """Answers with what the prompt holds, and keeps what was asked."""

    def __init__(self, sample, tokenizer, outcomes=()):
        super().__init__(sample, 16_000)
        self.tokenizer, self.asked, self.outcomes = tokenizer, [], list(outcomes)

    async def answer(self, request):
        self.asked.append(request)
        outcome = self.outcomes.pop(0) if self.outcomes else "answered"
        return Response(
            self.sample.sample_id, request.turn, outcome, text="note" if outcome == "answered" else None,
            built_tokens=request.prompt_tokens, prompt_tokens=request.prompt_tokens, completion_tokens=1, total_seconds=0.5, cost_usd=0.25,
        )  # fmt: skip

    async def reset(self):
        pass


def test_an_arm_in_steps_costs_what_all_its_requests_cost(needles, embedded_tokenizer):
    task, samples = needles
    sample = next(s for s in samples if s.condition["arm"] == "recursive" and s.condition["length"] == 2000)
    asker = Scripted(sample, embedded_tokenizer)
    (response,) = asyncio.run(task.converse(sample, asker))
    requests = len(asker.asked)
    assert requests >= 3 and response.cost_usd == 0.25 * requests and response.total_seconds == 0.5 * requests
    read = sum(request.prompt_tokens for request in asker.asked)
    assert task.columns(response) == {
        "requests": requests,
        "input_tokens": read,
        "seconds": 0.5 * requests,
        "usd": 0.25 * requests,
    }
    assert response.built_tokens == asker.asked[-1].prompt_tokens  # the audit compares the last request's counts
    joined = "".join(request.messages[0]["content"] for request in asker.asked[:-1])
    start, end = sample.condition["context_start"], sample.condition["context_end"]
    assert all(word in joined for word in sample.messages[0]["content"][start:end].split())
    assert "From part 1: note" in asker.asked[-1].messages[0]["content"]


def test_an_arm_in_steps_ends_with_the_step_that_failed(needles, embedded_tokenizer):
    task, samples = needles
    sample = next(s for s in samples if s.condition["arm"] == "summarised" and s.condition["length"] == 2000)
    (response,) = asyncio.run(task.converse(sample, Scripted(sample, embedded_tokenizer, ["answered", "failed"])))
    assert response.outcome == "failed" and json.loads(response.details)["steps"]["requests"] == 2


def test_arms_are_compared_with_the_whole_on_the_same_questions():
    rng = np.random.default_rng(5)
    rows = [
        {
            "asked": f"q{i}",
            "arm": arm,
            "length": 1000,
            "outcome": "answered",
            "score": float(rng.random() < share),
            "cluster": f"q{i}",
        }
        for i in range(200)
        for arm, share in (("full", 0.4), ("retrieved", 0.9), ("none", 0.4))
    ]
    rows.append(
        {"asked": "only here", "arm": "none", "length": 1000, "outcome": "answered", "score": 1.0, "cluster": "only here"}
    )
    found = against_the_whole(pd.DataFrame(rows), "length")
    overall = found[found["grouping"] == "arm"].set_index(["arm", "measure"])["value"]
    assert overall["retrieved", "minus_full"] == pytest.approx(0.5, abs=0.12) and overall["retrieved", "p_holm"] < 1e-6
    assert overall["none", "p_holm"] > 0.05 and overall["none", "p"] <= overall["none", "p_holm"]
    assert set(found.loc[found["arm"] == "none", "n"]) == {200}
    assert len(found) == 2 * 2 * 3


def test_what_cannot_be_asked_is_refused_by_name(embedded_tokenizer, data):
    with pytest.raises(ConfigError, match=r"none of its prompts can be taken apart"):
        remedies(of="repeated_words").samples(context_of(embedded_tokenizer, data))
    for wrong, message in (
        ({"of": "remedies"}, "no task with questions"),
        ({"parameters": {"needle_count": 3}}, "parameters.needle_count"),
    ):
        with pytest.raises(ValueError, match=message):
            tasks.load("remedies").Parameters(**wrong)
    with pytest.raises(ValueError, match="`full` among them"):
        tasks.load("remedies").Parameters(arms=["none"])


def test_averages_hold_every_measure():
    task = remedies()
    rows = [{"arm": "full", "length": 1, "outcome": "answered", "unjudged": False, **dict.fromkeys(task.measures, 1.0)}]
    assert set(averages(task, pd.DataFrame(rows))["measure"]) == set(task.measures)


def test_dense_retrieval_ranks_by_cosine_and_needs_its_model(monkeypatch):
    from contextrot.tasks.remedies import retrieval

    vectors = {"q": [1.0, 0.0], "far": [0.0, 1.0], "near": [0.8, 0.6], "nearest": [0.96, 0.28]}
    monkeypatch.setattr(retrieval, "embeddings", lambda texts, model: np.array([vectors[text] for text in texts]))
    assert retrieval.dense_ranking(["far", "near", "nearest"], "q", "m") == [2, 1, 0]
    parameters = tasks.load("remedies").Parameters
    assert "retrieved_dense" not in parameters().arms
    for wrong in ({"arms": ["full", "retrieved_dense"]}, {"embedding_model": "m"}):
        with pytest.raises(ValueError, match="belong together"):
            parameters(**wrong)


def test_the_costs_of_all_arms_add_up_to_the_ledger(tmp_path, embedded_tokenizer, data):
    from tests.scripted_server import Act
    from tests.unit.test_inference import Run

    arms = ["full", "focused", "retrieved", "summarised", "recursive"]
    task = remedies(
        of="niah",
        parameters={"lengths": [1500], "depths": [50], "needles": ["night_train_high", "restaurant_high"]},
        arms=arms,
        part_tokens=500,
    )
    samples = task.samples(context_of(embedded_tokenizer, data))
    usage = {"prompt_tokens": 700, "completion_tokens": 11}
    with Run(tmp_path, lambda prompt, before: Act(f"answer {hash(prompt)}", usage=usage)) as run:
        run.task = task
        run.model |= {
            "tokenizer": str(data / "models/embedded"),
            "window": 16_000,
            "price": {"input_usd_per_million_tokens": 1.0, "output_usd_per_million_tokens": 4.0},
        }
        rows = run(samples, allow_input_cut=True)
        requests = len(run.server.prompts)
    each = (700 * 1.0 + 11 * 4.0) / 1e6
    assert requests > 2 * len(arms)
    assert sum(row.cost_usd for row in rows) == pytest.approx(requests * each, rel=1e-12)
    summary = json.loads(next(tmp_path.rglob("token_summary.json")).read_text())
    assert summary["calls"] == requests and summary["cost_usd"] == pytest.approx(requests * each, rel=1e-9)
    by_arm = {arm: [task.columns(row)["requests"] for row in rows if row.sample_id.endswith(arm)] for arm in arms}
    assert by_arm["full"] == [1, 1] and all(count > 3 for count in by_arm["recursive"])
    assert sum(map(sum, by_arm.values())) == requests


def test_the_last_request_of_an_arm_in_steps_is_no_cut_prompt(needles, embedded_tokenizer, tmp_path):
    from contextrot.records import Judgement, write_judgements, write_responses, write_samples
    from contextrot.responses.length_audit import Count, audit_counts
    from contextrot.scores.score import score_responses

    task, samples = needles
    asked = [s for s in samples if s.condition["arm"] in ("full", "recursive")]
    answers = [asyncio.run(task.converse(s, Scripted(s, embedded_tokenizer)))[0] for s in asked]
    write_samples(tmp_path / "s.parquet", asked)
    write_responses(tmp_path / "r.parquet", answers)
    write_judgements(tmp_path / "match.parquet", [Judgement(s.sample_id, 0, 0, "match", True) for s in asked])
    score_responses(
        task, *(tmp_path / f"{name}.parquet" for name in ("s", "r")), [tmp_path / "match.parquet"], tmp_path / "scores.parquet"
    )
    scores = pd.read_parquet(tmp_path / "scores.parquet")
    counts = [Count(int(row.prompt_tokens), int(row.server_prompt_tokens)) for row in scores.itertuples()]
    assert not audit_counts(counts, True).cut and len(counts) == len(asked)


def test_evidence_of_several_sentences_is_found_where_no_spaces_stand_between_them():
    evidence = "第一句話在這裡。第二句話在那裡。第三句話也在。"
    prompt = f"<text>\n{'他們在花園裡喝茶。' * 9}{evidence}{'河上的船很多。' * 9}\n</text>\n問題：在哪裡？"
    reading = tagged_reading(prompt, "text", "在哪裡？", [evidence], 1)
    assert "".join(reading.passages[i] for i in sorted(reading.evidence)) == evidence
    assert reading.joint == "" and reading.prompt(reading.passages) == prompt
