import json

import pytest

from contextrot.errors import DataError
from contextrot.tasks.longmemeval.data import CHROMA_TYPES, QUESTION_TYPES, download_questions, load_questions, parse_questions
from embedded_model.chat_dataset import dataset_text


def turn(role, content, **more):
    return {"role": role, "content": content, **more}


def entry(**changes):
    return {
        "question_id": "q1",
        "question_type": "multi-session",
        "question": "How many plants do I have?",
        "answer": 3,
        "question_date": "2023/05/30 (Tue) 10:00",
        "haystack_session_ids": ["late", "early", "other"],
        "haystack_dates": ["2023/05/20 (Sat) 02:21", "2023/05/9 (Tue) 23:10", "2023/05/20 (Sat) 11:00"],
        "haystack_sessions": [
            [turn("user", "I bought a fern.", has_answer=True), turn("assistant", "Nice.")],
            [turn("user", "I have two cacti.", has_answer=True)],
            [turn("user", "Tell me a joke."), turn("assistant", "No.")],
        ],
        "answer_session_ids": ["early", "late"],
        **changes,
    }


def parse(**changes):
    return parse_questions([entry(**changes)], "test.json")[0]


def test_sessions_are_sorted_by_date_and_not_as_text():
    # As text "2023/05/9" comes after "2023/05/20".
    assert [session.date[:9] for session in parse().sessions] == ["2023/05/9", "2023/05/2", "2023/05/2"]
    assert parse().sessions[1].turns[0][1] == "I bought a fern."


def test_the_focused_prompt_has_the_answer_sessions_only_with_their_dates_then_the_current_date_then_the_question():
    prompt = parse().prompt(parse().evidence)
    places = [prompt.index(part) for part in ("05/9 (Tue)", "two cacti", "05/20 (Sat) 02:21", "fern", "2023/05/30", "How many")]
    assert places == sorted(places)
    assert "joke" not in prompt


def test_the_full_prompt_has_every_session():
    prompt = parse().prompt(parse().sessions)
    assert "joke" in prompt and "fern" in prompt and "cacti" in prompt


def test_has_answer_is_never_shown():
    assert "has_answer" not in parse().prompt(parse().sessions)


def test_an_answer_that_is_a_number_becomes_text():
    assert parse().answer == "3"


def test_an_abstention_question_without_answer_sessions_has_an_empty_focused_history():
    question = parse(question_id="q1_abs", answer_session_ids=[])
    assert question.evidence == ()
    assert "How many plants" in question.prompt(question.evidence)


def test_sessions_that_share_an_id_are_all_kept():
    question = parse(haystack_session_ids=["late", "early", "early"])
    assert len(question.sessions) == 3


def test_a_session_without_turns_is_no_error():
    sessions = entry()["haystack_sessions"]
    assert len(parse(haystack_sessions=[sessions[0], sessions[1], []]).sessions) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"answer": None}, "lacks answer"),
        ({"answer": " "}, "lacks answer"),
        ({"question": ""}, "lacks question"),
        ({"question_type": "multi"}, "'multi' is not one of single-session-user"),
        ({"haystack_dates": ["2023/05/20 (Sat) 02:21"]}, "3 session ids, 1 dates and 3 sessions"),
        ({"haystack_dates": ["yesterday"] * 3}, "'yesterday' is not a date such as"),
        ({"answer_session_ids": ["gone"]}, "answer session 'gone' is not in the history"),
        ({"haystack_sessions": [[{"role": "bot", "content": "x"}], [], []]}, "session 'late': a turn must have a role"),
        ({"haystack_sessions": "none"}, "haystack_sessions = 'none' is a str"),
    ],
)
def test_what_is_not_in_the_format_is_named_with_its_question(changes, message):
    with pytest.raises(DataError, match=r"test.json, question 1 \(q1\)") as error:
        parse(**changes)
    assert message in str(error.value)


def test_two_in_the_afternoon_comes_after_eleven_in_the_morning():
    dates = ["2023/05/20 (Sat) 02:00 PM", "2023/05/20 (Sat) 11:00 AM", "2023/05/20 (Sat) 12:30 AM"]
    assert [session.date for session in parse(haystack_dates=dates).sessions] == [dates[2], dates[1], dates[0]]


@pytest.mark.parametrize("none", [None, [], [None] * 3, ["", "", ""]])
def test_without_dates_sessions_keep_the_file_s_order_and_no_prompt_names_a_date(none):
    question = parse(question_date=None, haystack_dates=none)
    prompt = question.prompt(question.sessions)
    assert [session.date for session in question.sessions] == [None] * 3
    assert prompt.index("Session 1\nuser: I bought a fern") < prompt.index("Session 2\nuser: I have two cacti")
    assert "None" not in prompt and "date" not in prompt


def test_one_date_missing_among_others_is_refused_with_its_session():
    with pytest.raises(DataError, match=r"session 'early': None is not a date"):
        parse(haystack_dates=["2023/05/20", None, "2023/05/21"])
    with pytest.raises(DataError, match="lacks question_date"):
        parse(question_date=None)
    without = entry(question_id="q2", question_date=None, haystack_dates=None)
    with pytest.raises(DataError, match=r"some questions have dates and some have none, such as question 2"):
        parse_questions([entry(), without], "test.json")


def test_ids_that_are_numbers_become_text_and_answers_keep_their_zeros(tmp_path):
    (tmp_path / "d.jsonl").write_text(
        json.dumps(entry(question_id=7, answer="0042", haystack_session_ids=[1, 2, 3], answer_session_ids=[2]))
    )
    (question,) = load_questions(tmp_path / "d.jsonl")
    assert (question.question_id, question.answer, len(question.evidence)) == ("7", "0042", 1)


def test_a_boolean_is_no_answer():
    with pytest.raises(DataError, match="answer = 'True' is a bool"):
        parse(answer=True)


def test_an_id_that_stands_twice_is_refused():
    with pytest.raises(DataError, match="two questions have the id 'q1', 1 and 2; give each its own"):
        parse_questions([entry(), entry()], "test.json")


def test_a_file_that_is_missing_cut_off_or_of_another_shape_is_refused_with_its_name(tmp_path):
    path = tmp_path / "set.json"
    with pytest.raises(DataError, match=r"set\.json does not exist; put the file there"):
        load_questions(path)
    path.write_text(json.dumps([entry()])[:-20])
    with pytest.raises(DataError, match=r"set\.json, line 1, column \d+: not JSON"):
        load_questions(path)
    path.write_text(json.dumps({"data": []}))
    with pytest.raises(DataError, match="must hold a list of questions"):
        load_questions(path)


def test_the_generated_data_set_is_the_same_bytes_again(data):
    assert (data / "longmemeval" / "generated.json").read_text(encoding="utf-8") == dataset_text(data)


def test_the_generated_data_set_has_every_type_and_abstention(data):
    questions = load_questions(data / "longmemeval" / "generated.json")
    assert {question.question_type for question in questions} == set(QUESTION_TYPES)
    assert any(question.question_id.endswith("_abs") for question in questions)
    assert {question.question_type for question in questions[::15]} >= set(CHROMA_TYPES)
    for question in questions:
        if not question.question_id.endswith("_abs") and question.question_type != "temporal-reasoning":
            said = " ".join(content for session in question.evidence for _, content in session.turns)
            assert question.answer.split()[0].lower() in said.lower() or question.question.startswith("How many")


def test_a_data_set_is_loaded_although_answers_are_text_and_numbers(tmp_path):
    (tmp_path / "set").mkdir()
    entries = [entry(), entry(question_id="q2", answer="three")]
    (tmp_path / "set" / "small.json").write_text(json.dumps(entries))
    questions = download_questions(str(tmp_path / "set"), "small.json", "main")
    assert [question.answer for question in questions] == ["3", "three"]
    assert questions == parse_questions(entries, "small.json")


def test_a_data_set_that_cannot_be_had_is_named_with_what_to_do(tmp_path):
    with pytest.raises(DataError, match=r"data set '.*nothing' \(file 'small.json', revision main\)"):
        download_questions(str(tmp_path / "nothing"), "small.json", "main")
