"""Signs that the figures' own font lacks."""

import logging
import warnings

from matplotlib import font_manager
from matplotlib.figure import Figure

from contextrot.figures import glyphs
from contextrot.figures.style import save, use_style

ONLY_STIX = "\u2313"
NOWHERE = "\U00016f00"


def drawn(tmp_path, title: str, caplog) -> tuple[list[str], list[str]]:
    """Font families of a title and a tick label that hold this text, and what was logged; matplotlib's own warnings are errors."""
    use_style()
    figure = Figure()
    axes = figure.subplots()
    figure.suptitle(title)
    axes.set_xticks([0, 1], labels=["plain", title])
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("ignore" if title == NOWHERE else "error")
        save(figure, tmp_path / "figure.png")
    family = figure._suptitle.get_fontfamily()
    assert axes.get_xticklabels()[1].get_fontfamily() == family
    return family, [record.getMessage() for record in caplog.records if record.name == glyphs.__name__]


def test_a_sign_that_the_own_font_lacks_is_drawn_by_one_that_has_it(tmp_path, caplog):
    family, said = drawn(tmp_path, f"A {ONLY_STIX} title", caplog)
    assert family[0] == "DejaVu Sans" and len(family) == 2 and not said
    assert ord(ONLY_STIX) in font_manager.get_font(font_manager.findfont(family[1])).get_charmap()


def test_a_plain_title_takes_no_other_font(tmp_path, caplog):
    assert drawn(tmp_path, "Größe — 5 µs\nЖ α", caplog) == (["DejaVu Sans"], [])


def test_a_sign_that_no_font_has_is_told(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(glyphs, "fonts_with", lambda signs: [])
    said = drawn(tmp_path, NOWHERE, caplog)[1]
    assert len(said) == 1 and "no font of this machine has 1 signs" in said[0] and "U+16F00" in said[0]
