"""Titles and names in scripts that the figures' own font lacks: drawn by fonts of this machine that have them, and told where none has."""

from __future__ import annotations

import logging
import unicodedata
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PLAIN_WEIGHT = 400

log = logging.getLogger(__name__)


def give_glyphs(figure: Figure) -> None:
    """Adds fonts to the texts of a figure that hold signs which its font has no glyph for; a line in the log where no font has."""
    from matplotlib import font_manager, rcParams
    from matplotlib.text import Text

    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            axis.get_ticklabels(which="both")  # sets their texts
    texts = figure.findobj(Text)
    own = rcParams["font.family"]
    shown = {ord(sign) for text in texts for sign in text.get_text() if unicodedata.category(sign)[0] not in "CZ"}
    wanted = shown - _signs_of(*map(font_manager.findfont, own))
    if not wanted:
        return
    fonts = fonts_with(frozenset(wanted))
    for text in texts:
        text.set_fontfamily([*own, *fonts])
    without = sorted(wanted - _signs_of(*map(font_manager.findfont, fonts)))
    if without:
        some = " ".join(f"{chr(sign)} (U+{sign:04X})" for sign in without[:10])
        log.warning(
            "no font of this machine has %d signs of this figure, such as %s: they are drawn as boxes. Install one that has them, "
            "such as Debian's fonts-noto-cjk or fonts-noto-core, or give the experiment another `title`.", len(without), some,
        )  # fmt: skip


@cache
def fonts_with(signs: frozenset[int]) -> list[str]:
    """Families of installed fonts that together have these signs, as far as any has; those with the most first."""
    from matplotlib import font_manager

    known = {font.fname for font in font_manager.fontManager.ttflist}
    for path in sorted(set(font_manager.findSystemFonts()) - known):  # installed since matplotlib made its list
        with suppress(RuntimeError, OSError):  # a form of font that cannot be drawn
            font_manager.fontManager.addfont(path)
    plain = [font for font in font_manager.fontManager.ttflist if font.style == "normal" and font.weight == PLAIN_WEIGHT]
    files = {font.name: font.fname for font in sorted(plain, key=lambda font: font.fname)}
    has = {name: signs & _signs_of(files[name]) for name in sorted(files) if not name.startswith("Last Resort")}
    found: list[str] = []
    while signs and (best := max(has, key=lambda name: len(has[name] & signs))) and has[best] & signs:
        found.append(best)
        signs -= has[best]
    return found


@cache
def _signs_of(*files: str) -> frozenset[int]:
    from matplotlib import font_manager

    signs: set[int] = set()
    for file in files:
        with suppress(RuntimeError, OSError):
            signs |= font_manager.get_font(file).get_charmap().keys()
    return frozenset(signs)
