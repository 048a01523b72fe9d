"""Sets of task items: embedded ones, the Hub's (loaded from local folders here), a user's own, and what is said when they are wrong."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contextrot.checked import validate
from contextrot.errors import ConfigError, DataError
from contextrot.samples import hub
from contextrot.tasks.context_switching.task_sets import BUILT_IN, Reference, TaskSetSettings, load_task_set


def own(**settings) -> TaskSetSettings:
    return TaskSetSettings(**{"template": "Q: {text}", "answer": "label", **settings})


@pytest.fixture
def reviews(tmp_path):
    rows = [{"review": "great", "label": 1}, {"review": "bad", "label": 0}, {"review": "hidden", "label": -1}]
    (tmp_path / "reviews.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path


def test_the_embedded_sets_hold_what_their_readme_says(data):
    sentiment = load_task_set("sentiment", data)
    assert (len(sentiment.items), sentiment.labels, sentiment.metric_name) == (200, ("positive", "negative"), "accuracy")
    choice = load_task_set("multiple_choice", data)
    assert len(choice.items) == 120
    assert choice.items[1].answers == ("A",)
    assert "\nA. Full moon\nB. Waning crescent\n" in choice.items[1].prompt
    posts = load_task_set("short_posts_qa", data)
    assert (len(posts.items), posts.labels, posts.metric_name) == (120, (), "rouge")
    assert posts.items[1].answers == ("pale mint", "mint")


def test_a_subject_selects_its_rows(data):
    assert len(load_task_set("multiple_choice:logic", data).items) == 10


def test_an_unknown_subject_names_the_known_ones(data):
    with pytest.raises(ConfigError, match=r"unknown subject 'logik'.*Did you mean 'logic'"):
        load_task_set("multiple_choice:logik", data)


def test_a_users_set_by_columns_and_template_with_integer_labels(reviews):
    sets = {"mine": own(file="reviews.jsonl", columns={"text": "review"}, labels=["no", "yes"])}
    loaded = load_task_set("mine", reviews, sets)
    assert [(item.prompt, item.answers) for item in loaded.items] == [("Q: great", ("yes",)), ("Q: bad", ("no",))]


def test_a_row_with_a_hidden_answer_is_left_out_not_answered_wrongly(reviews):
    sets = {"mine": own(file="reviews.jsonl", columns={"text": "review"}, labels=["no", "yes"])}
    assert all(item.prompt != "Q: hidden" for item in load_task_set("mine", reviews, sets).items)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"columns": {"text": "revue"}}, r"unknown column 'revue' in set 'mine'. Did you mean 'review'"),
        ({"columns": {"text": "review"}, "answer": "lable"}, r"unknown column 'lable' .*Did you mean 'label'"),
        ({"columns": {"text": "review"}, "id": "number"}, r"unknown column 'number'"),
        ({}, r"unknown column 'text' in set 'mine'.*Known: label, review"),
    ],
)
def test_an_unknown_column_names_the_known_ones(reviews, settings, message):
    sets = {"mine": own(file="reviews.jsonl", labels=["no", "yes"], **settings)}
    with pytest.raises(ConfigError, match=message):
        load_task_set("mine", reviews, sets)


def test_csv_and_parquet_files_are_read(tmp_path):
    table = pa.table({"text": ["a", "b"], "label": ["x", "y"]})
    pq.write_table(table, tmp_path / "t.parquet")
    (tmp_path / "t.csv").write_text("text,label\na,x\nb,y\n")
    for name in ("t.parquet", "t.csv"):
        assert [i.answers for i in load_task_set("mine", tmp_path, {"mine": own(file=name)}).items] == [("x",), ("y",)]


def test_a_missing_file_says_where_it_should_be(tmp_path):
    with pytest.raises(DataError, match=r"gone.jsonl does not exist; put the file there"):
        load_task_set("mine", tmp_path, {"mine": own(file="gone.jsonl")})


def test_a_broken_file_is_named(tmp_path):
    (tmp_path / "t.jsonl").write_text("{not json")
    with pytest.raises(DataError, match=r"t\.jsonl, line 1, column 2: not JSON"):
        load_task_set("mine", tmp_path, {"mine": own(file="t.jsonl")})


def test_an_unknown_set_names_the_nearest(data):
    with pytest.raises(ConfigError, match=r"unknown set of tasks 'sentimant'.*Did you mean 'sentiment'"):
        load_task_set("sentimant", data)


def test_an_answer_that_is_no_label_is_an_error(reviews):
    (reviews / "t.jsonl").write_text(json.dumps({"text": "a", "label": "maybe"}))
    with pytest.raises(DataError, match=r"answer 'maybe' is none of `labels`"):
        load_task_set("mine", reviews, {"mine": own(file="t.jsonl", labels=["no", "yes"])})


def test_a_set_needs_one_source():
    with pytest.raises(ConfigError, match="either `file` or `hub`"):
        validate(TaskSetSettings, {"template": "{a}", "answer": "b"}, "set")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("mmlu", ("mmlu", None, None)),
        ("mmlu/validation", ("mmlu", None, "validation")),
        ("mmlu:anatomy/test", ("mmlu", "anatomy", "test")),
        ("gigaword/train[:1%]", ("gigaword", None, "train[:1%]")),
    ],
)
def test_references_name_a_selection_and_a_split(text, parts):
    assert Reference.parse(text) == Reference(*parts)


def test_a_malformed_reference_says_the_form():
    with pytest.raises(ConfigError, match="write name, name:selection, name/split"):
        Reference.parse("mmlu/a/b")


@pytest.fixture
def hub_folder(tmp_path, monkeypatch):
    """A folder that `datasets` loads as it would a Hub repository, with MMLU's columns and two splits."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    rows = {"question": ["1+1?"], "choices": [["1", "2", "3", "4"]], "answer": [1], "subject": ["sums"]}
    for subset in ("all", "anatomy"):
        for split in ("validation", "test"):
            (tmp_path / "repository" / subset).mkdir(parents=True, exist_ok=True)
            marked = rows | {"question": [f"{subset} {split}?"]}
            pq.write_table(pa.table(marked), tmp_path / "repository" / subset / f"{split}-00000-of-00001.parquet")
    lines = ["---", "configs:"]
    for subset in ("all", "anatomy"):
        lines += [f"- config_name: {subset}", "  data_files:"]
        lines += [f"  - split: {split}\n    path: {subset}/{split}-*" for split in ("validation", "test")]
    (tmp_path / "repository" / "README.md").write_text("\n".join([*lines, "---", ""]))
    return str(tmp_path / "repository")


@pytest.mark.parametrize(
    ("text", "question"),
    [("mmlu", "all test?"), ("mmlu/validation", "all validation?"), ("mmlu:anatomy/validation", "anatomy validation?")],
)
def test_hub_sets_by_subset_and_split(hub_folder, tmp_path, text, question):
    sets = {"mmlu": BUILT_IN["mmlu"].model_copy(update={"hub": hub_folder, "revision": None})}
    (item,) = load_task_set(text, tmp_path, sets).items
    assert item.prompt.startswith(question)
    assert item.answers == ("B",)


def test_an_unknown_split_of_the_hub_is_a_clear_error(hub_folder, tmp_path):
    sets = {"mmlu": BUILT_IN["mmlu"].model_copy(update={"hub": hub_folder, "revision": None})}
    with pytest.raises(DataError, match=r"data set .*split nothing.* could not be loaded: .*nothing"):
        load_task_set("mmlu/nothing", tmp_path, sets)


def test_every_hub_set_has_a_revision():
    for settings in BUILT_IN.values():
        assert bool(settings.revision) == bool(settings.hub)


def test_a_gated_repository_asks_for_the_licence_and_a_token():
    class GatedRepoError(Exception):
        pass

    outer = OSError("You are trying to access a gated repo.\nMake sure to have access to it")
    outer.__cause__ = GatedRepoError("403 Client Error")
    message = str(hub.explain("model", "meta-llama/Llama-2-7b-chat-hf", outer))
    assert "accept its licence" in message
    assert "HF_TOKEN" in message
    assert "Make sure" not in message


def test_no_network_is_told_apart_from_a_wrong_name():
    assert "network" in str(hub.explain("data set", "x", ConnectionError("Couldn't reach the Hub")))

    class DatasetNotFoundError(Exception):
        pass

    assert "Check its name" in str(hub.explain("data set", "x", DatasetNotFoundError("Dataset 'x' doesn't exist")))


def test_the_token_is_never_recorded(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("HF_HOME", "/somewhere")
    assert hub.environment()["HF_HOME"] == "/somewhere"
    assert "hf_secret" not in str(hub.environment())


def answers_of(folder, name, **settings):
    return [item.answers for item in load_task_set("mine", folder, {"mine": own(file=name, **settings)}).items]


def test_labels_that_are_numbers_are_never_indices(tmp_path):
    stars = ["1", "2", "3", "4", "5"]
    (tmp_path / "t.csv").write_text("text,label\na,1\nb,5\n")
    (tmp_path / "t.jsonl").write_text('{"text": "a", "label": 1}\n{"text": "b", "label": "5"}\n')
    for name in ("t.csv", "t.jsonl"):
        assert answers_of(tmp_path, name, labels=stars) == [("1",), ("5",)]
    (tmp_path / "t.csv").write_text(f"text,label\na,{'9' * 5000}\n")
    with pytest.raises(DataError, match=r"answer '999"):
        answers_of(tmp_path, "t.csv", labels=["no", "yes"])
    (tmp_path / "t.csv").write_text("text,label\na,0\n")
    with pytest.raises(DataError, match=r"t\.csv, line 2, label: answer '0' is none of `labels`"):
        answers_of(tmp_path, "t.csv", labels=stars)


def test_an_index_written_in_a_csv_becomes_its_label(tmp_path):
    (tmp_path / "t.csv").write_text("text,label\na,1\nb,0\nc,-1\n")
    assert answers_of(tmp_path, "t.csv", labels=["no", "yes"]) == [("yes",), ("no",)]


def test_answers_are_text_as_written(tmp_path):
    (tmp_path / "t.csv").write_text("text,label\n007,12:30\n1.50,0042\n")
    loaded = load_task_set("mine", tmp_path, {"mine": own(file="t.csv")})
    assert [(item.prompt, item.answers) for item in loaded.items] == [("Q: 007", ("12:30",)), ("Q: 1.50", ("0042",))]


def test_squad_answers_are_their_texts(tmp_path):
    (tmp_path / "t.jsonl").write_text(json.dumps({"text": "a", "label": {"text": ["x", "y", "x"], "answer_start": [1, 2, 3]}}))
    assert answers_of(tmp_path, "t.jsonl") == [("x", "y")]


def test_no_value_becomes_the_text_of_a_python_object(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"text": ["a"], "label": "x"}')
    with pytest.raises(DataError, match=r"t\.jsonl, line 1, text: must be one text or number, but is a list"):
        answers_of(tmp_path, "t.jsonl")


def test_choices_in_a_csv_are_a_json_list(tmp_path):
    (tmp_path / "t.csv").write_text('label,options\nB,"[""w"", ""x"", ""y"", 0.50]"\n')
    sets = {"mine": own(file="t.csv", choices="options", template="{b} {d}", labels=["A", "B", "C", "D"])}
    assert load_task_set("mine", tmp_path, sets).items[0].prompt == "x 0.50"
    (tmp_path / "t.csv").write_text("label,options\nB,wxyz\n")
    with pytest.raises(DataError, match="must be a list of choices"):
        load_task_set("mine", tmp_path, sets)


def test_an_id_that_stands_twice_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("text,label,n\na,x,7\nb,y,7\n")
    with pytest.raises(DataError, match="the id '7' stands twice, at items 1 and 2"):
        answers_of(tmp_path, "t.csv", id="n")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hub": "mine.jsonl"}, "name it in `file`"),
        ({"file": "a.csv", "template": "{"}, "a brace that is text is doubled"),
        ({"file": "a.csv", "template": "{text.__class__}"}, "is no field"),
        ({"file": "a.csv", "template": "{}"}, "is no field"),
    ],
)
def test_a_set_that_cannot_work_is_refused_before_anything_is_read(settings, message):
    with pytest.raises(ConfigError, match=message):
        validate(TaskSetSettings, {"template": "{text}", "answer": "label", **settings}, "set")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("test.csv", "text,label\n007,0042\n1.50,12:30\nNA,2024-01-31\n"),
        (
            "test.jsonl",
            '{"text": "007", "label": "0042"}\n{"text": 1.50, "label": "12:30"}\n{"text": "NA", "label": "2024-01-31"}\n',
        ),
        (
            "test.json",
            '{"text": "007", "label": "0042"}\n{"text": 1.50, "label": "12:30"}\n{"text": "NA", "label": "2024-01-31"}\n',
        ),
    ],
)
def test_what_datasets_would_guess_types_of_is_text_as_written_too(tmp_path, monkeypatch, name, content):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / name).write_text(content)
    loaded = load_task_set("mine", tmp_path, {"mine": own(hub=str(tmp_path / "set"), split="test")})
    assert [(item.prompt, item.answers) for item in loaded.items] == [
        ("Q: 007", ("0042",)),
        ("Q: 1.50", ("12:30",)),
        ("Q: NA", ("2024-01-31",)),
    ]
    with pytest.raises(DataError, match="could not be loaded"):
        load_task_set("mine/dev", tmp_path, {"mine": own(hub=str(tmp_path / "set"), split="test")})
