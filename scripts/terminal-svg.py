#!/usr/bin/env python3
"""Turns a terminal's contents, as `tmux capture-pane -e -p` gives them, into an SVG picture.

    tmux capture-pane -e -p -t PANE | scripts/terminal-svg.py [--title TEXT] > picture.svg
"""
import argparse
import re
import sys
import unicodedata
from html import escape

FOREGROUND, BACKGROUND = "#d8dee9", "#1f2430"
PALETTE = ["#3b4252", "#e06c75", "#8fbc6f", "#e5c07b", "#6ea8dc", "#c586c0", "#5fb8b8", "#d8dee9",
           "#6b7488", "#ff7f88", "#a9d48a", "#f2d48f", "#8ec3f0", "#dba0d6", "#7fd3d3", "#ffffff"]
FONT_SIZE, CELL, LINE, MARGIN, TITLE_HEIGHT = 14, 8.43, 19, 16, 30
SGR = re.compile(r"\x1b\[([0-9;:]*)m")
OTHER_ESCAPE = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-ln-z]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][A-Z0-9]|[=>])")


def indexed(number):
    """A colour of the 256-colour table."""
    if number < 16:
        return PALETTE[number]
    if number < 232:
        levels = [0, 95, 135, 175, 215, 255]
        number -= 16
        return "#%02x%02x%02x" % (levels[number // 36], levels[number // 6 % 6], levels[number % 6])
    return "#%02x%02x%02x" % ((8 + 10 * (number - 232),) * 3)


class Style:
    """What SGR sequences have set so far."""

    def __init__(self):
        self.reset()

    def reset(self):
        self.fore = self.back = None
        self.bold = self.dim = self.italic = self.underline = self.inverse = False

    def apply(self, codes):
        codes = [int(code or 0) for code in re.split("[;:]", codes)]
        while codes:
            code = codes.pop(0)
            if code in (38, 48):
                self.set_colour(code == 38, codes)
            else:
                self.apply_one(code)

    def set_colour(self, fore, codes):
        kind = codes.pop(0) if codes else 0
        if kind == 5 and codes:
            colour = indexed(codes.pop(0))
        elif kind == 2 and len(codes) >= 3:
            colour = "#%02x%02x%02x" % tuple(codes.pop(0) for _ in range(3))
        else:
            return
        if fore:
            self.fore = colour
        else:
            self.back = colour

    def apply_one(self, code):
        flags = {1: ("bold", True), 2: ("dim", True), 3: ("italic", True), 4: ("underline", True), 7: ("inverse", True),
                 23: ("italic", False), 24: ("underline", False), 27: ("inverse", False)}
        if code == 0:
            self.reset()
        elif code == 22:
            self.bold = self.dim = False
        elif code in flags:
            setattr(self, *flags[code])
        elif code in (39, 49):
            setattr(self, "fore" if code == 39 else "back", None)
        else:
            for base, name, first in ((30, "fore", 0), (40, "back", 0), (90, "fore", 8), (100, "back", 8)):
                if base <= code < base + 8:
                    setattr(self, name, PALETTE[first + code - base])

    def attributes(self):
        """SVG attributes of the text, and the colour behind it or None."""
        fore, back = self.fore or FOREGROUND, self.back
        if self.inverse:
            fore, back = back or BACKGROUND, fore
        words = [f'fill="{fore}"'] if fore != FOREGROUND else []
        words += ['font-weight="bold"'] if self.bold else []
        words += ['font-style="italic"'] if self.italic else []
        words += ['text-decoration="underline"'] if self.underline else []
        words += ['opacity="0.6"'] if self.dim else []
        return " ".join(words), back


def cells(text):
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def read_runs(lines):
    """Yields (row, column, text, attributes, back) for each stretch of one style."""
    style = Style()
    for row, line in enumerate(lines):
        column = 0
        pieces = SGR.split(OTHER_ESCAPE.sub("", line))
        for number, piece in enumerate(pieces):
            if number % 2 == 1:
                style.apply(piece)
            elif piece:
                yield (row, column, piece, *style.attributes())
                column += cells(piece)


def draw(lines, title):
    runs = list(read_runs(lines))
    columns = max((column + cells(text) for _, column, text, _, _ in runs), default=0)
    top = MARGIN + (TITLE_HEIGHT if title else 0)
    width, height = 2 * MARGIN + columns * CELL, top + len(lines) * LINE + MARGIN
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
           f'width="{width:.0f}" height="{height:.0f}" font-size="{FONT_SIZE}" fill="{FOREGROUND}" '
           'font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, \'DejaVu Sans Mono\', monospace">',
           f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>']
    if title:
        out += [f'<circle cx="{MARGIN + 6 + 20 * place}" cy="20" r="6" fill="{PALETTE[colour]}"/>'
                for place, colour in enumerate((1, 3, 2))]
        out.append(f'<text x="{width / 2:.0f}" y="25" text-anchor="middle" opacity="0.6">{escape(title)}</text>')
    for row, column, text, attributes, back in runs:
        x, y, length = MARGIN + column * CELL, top + row * LINE, cells(text) * CELL
        if back:
            out.append(f'<rect x="{x:.2f}" y="{y:.2f}" width="{length:.2f}" height="{LINE}" fill="{back}"/>')
        if text.strip():
            # textLength keeps the columns whatever monospace font the reader has.
            out.append(f'<text x="{x:.2f}" y="{y + LINE - 5:.2f}" textLength="{length:.2f}" '
                       f'lengthAdjust="spacingAndGlyphs" xml:space="preserve" {attributes}>{escape(text)}</text>')
    return "\n".join(out + ["</svg>", ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--title", default="")
    settings = parser.parse_args()
    lines = sys.stdin.read().split("\n")
    while lines and not SGR.sub("", lines[-1]).strip():
        lines.pop()
    sys.stdout.write(draw(lines, settings.title))


if __name__ == "__main__":
    main()
