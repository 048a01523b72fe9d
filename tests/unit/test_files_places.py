"""Where a named file is: the data folder goes before the working folder."""

from contextrot.files import in_data_or_here


def test_the_data_folder_goes_first_and_is_named_if_the_file_is_in_neither(tmp_path, monkeypatch):
    data, here = tmp_path / "data", tmp_path / "here"
    data.mkdir()
    here.mkdir()
    monkeypatch.chdir(here)
    for folder, name in ((data, "both"), (here, "both"), (here, "only here")):
        (folder / name).touch()
    assert in_data_or_here("both", data) == data / "both"
    assert str(in_data_or_here("only here", data)) == "only here"
    assert in_data_or_here("neither", data) == data / "neither"
    assert in_data_or_here(str(here / "both"), data) == here / "both"


def test_a_name_that_is_no_path_is_no_error_yet(tmp_path):
    for name in ("x" * 5000, "a\0b"):
        assert in_data_or_here(name, tmp_path) == tmp_path / name
