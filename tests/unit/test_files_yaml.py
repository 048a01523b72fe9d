"""YAML 1.2: values as written, keys once, faults by line."""

from __future__ import annotations

import copy

import pytest
import yaml

from contextrot.errors import ConfigError, DataError
from contextrot.files import as_text, read_yaml
from contextrot.files.yaml_file import parse_yaml


def test_times_dates_and_words_are_text():
    read = parse_yaml("{a: 21:15, b: yes, c: off, d: 2024-01-31, e: 1_000, f: No, 2024: x, 1.0: y, on: z}", "t")
    assert read == {
        "a": "21:15",
        "b": "yes",
        "c": "off",
        "d": "2024-01-31",
        "e": "1_000",
        "f": "No",
        "2024": "x",
        "1.0": "y",
        "on": "z",
    }


def test_numbers_are_numbers_and_print_as_written():
    read = parse_yaml("[0042, 1.50, 1e3, 7, 0x1F, -3, .5]", "t")
    assert read == [42, 1.5, 1000.0, 7, 31, -3, 0.5]
    assert [as_text(value, "t") for value in read] == ["0042", "1.50", "1e3", "7", "0x1F", "-3", ".5"]
    assert [as_text(value, "t") for value in parse_yaml("[0o17, .inf, -.Inf, .NaN]", "t")] == ["0o17", ".inf", "-.Inf", ".NaN"]
    assert copy.deepcopy(read) == read and str(copy.deepcopy(read)[0]) == "0042"


def test_what_is_quoted_is_text():
    assert parse_yaml("['0042', \"true\", '~', !!str 12]", "t") == ["0042", "true", "~", "12"]


def test_anchors_and_merges_give_what_they_always_gave(root):
    for path in [*root.glob("config/**/*.yaml"), *root.glob("data/tasks/**/*.yaml"), *root.glob("profiles/*/*.yaml")]:
        assert read_yaml(path) == yaml.safe_load(path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "line 3: the key 'a' stands twice, first at line 1"),
        ("a:\n  b: 1\n  b: 2", "line 3: the key 'b' stands twice"),
        ("1: x\n1: y", "line 2: the key '1' stands twice"),
        ("a: [1", "line 1, column 6: not valid YAML"),
        ("a:\n\tb: 1", "line 2, column 1: not valid YAML"),
        ("a: &x [*x]", "an alias holds itself"),
        ("a: !!python/object:os.x {}", "line 1: the tag 'python/object:os.x' is not accepted"),
        ("a: !mine 1", "line 1: the tag '!mine' is not accepted"),
        ("? [1]\n: 2", "a key must be one word"),
        ("a: &x 1\nb: &x 2", "duplicate anchor 'x'"),
        ("a: *nobody", "undefined alias"),
        ("---\na: 1\n---\nb: 2", "another document"),
        ("[" * 5000, "nested too deep"),
        ('a: "\\ud83d"', "half of a surrogate pair"),
        ("a: " + "1" * 5000, "too many digits"),
        ("a: 1\n<<: [2]", "`<<` takes a mapping"),
        ("a: 1\nb: x\x07y", "t.yaml, line 2: the character U\\+0007 cannot stand"),
        ("a: one\x85two", "t.yaml, line 1: the character U\\+0085 cannot stand"),
    ],
)
def test_a_fault_is_named_by_line(text, message):
    with pytest.raises(DataError, match=message):
        parse_yaml(text, "t.yaml")


def test_aliases_of_aliases_do_not_fill_the_memory():
    levels = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 10))
    with pytest.raises(DataError, match="nested too deep"):
        parse_yaml(f"l0: &l0 [x]\n{levels}", "t.yaml")


def test_the_reader_raises_what_its_caller_names(tmp_path):
    with pytest.raises(ConfigError, match=r"gone\.yaml does not exist"):
        read_yaml(tmp_path / "gone.yaml", error=ConfigError)
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    assert read_yaml(tmp_path / "empty.yaml") is None


@pytest.mark.parametrize("value", ["!!int '3'", '!!float "1.5"', "!!null ''", '!!bool "true"', "!!int |\n  3"])
def test_a_tag_that_makes_another_kind_of_what_is_quoted_is_refused(value):
    with pytest.raises(DataError, match=r"line 1: the tag '\w+' is not accepted"):
        parse_yaml(f"a: {value}", "f.yaml")
    assert parse_yaml("a: !!str '3'", "f.yaml") == {"a": "3"}
