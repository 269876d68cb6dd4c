#!/usr/bin/python3
"""Makes one picture of a folder before and after: contact-sheet.py [--title T] BEFORE AFTER SHEET.png

Pairs the images that have the same path below both folders (the suffix may differ), takes up to --rows of them,
evenly, and prints the sheet's path as its last line.
"""

import argparse
import os
import pathlib
import sys

from PIL import Image, ImageDraw, ImageFont, ImageOps

SUFFIXES = {".jpg", ".jpeg", ".png"}
WIDTH, HEIGHT = 480, 320  # of the space for one picture
MARGIN, CAPTION, HEAD = 16, 26, 44
PAPER, INK, PALE = (250, 249, 246), (32, 32, 32), (120, 120, 120)
FONTS = (
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "/usr/share/fonts/truetype/liberation/LiberationSans-Regular.ttf",
)


def find_images(folder):
    """Path below `folder` -> file."""
    found = {}
    for here, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = pathlib.Path(here, name)
            if path.suffix.lower() in SUFFIXES:
                found[path.relative_to(folder)] = path
    return found


def find_pairs(before, after):
    sources = {pathlib.Path(before.name): before} if before.is_file() else find_images(before)
    results = find_images(after)
    by_stem = {name.with_suffix(""): path for name, path in results.items()}
    found = ((path, results.get(name) or by_stem.get(name.with_suffix(""))) for name, path in sorted(sources.items()))
    return [pair for pair in found if pair[1] is not None]


def pick_evenly(pairs, most):
    if len(pairs) <= most:
        return pairs
    return [pairs[i * (len(pairs) - 1) // (most - 1)] for i in range(most)] if most > 1 else pairs[:1]


def size_text(size):
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit != "MB" or size >= 10 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def load_font(size):
    for path in FONTS:
        if os.path.exists(path):
            return ImageFont.truetype(path, size)
    return ImageFont.load_default()


def shorten(draw, text, font, width):
    """Takes away from the middle of a text what does not fit."""
    keep = len(text)
    short = text
    while keep > 4 and draw.textlength(short, font=font) > width:
        keep -= 1
        short = text[: keep // 2] + "..." + text[len(text) - keep // 2:]
    return short


class Sheet:
    """The picture being made: two columns, a row for each pair."""

    def __init__(self, rows):
        size = (2 * WIDTH + 3 * MARGIN, HEAD + rows * (HEIGHT + CAPTION + MARGIN) + MARGIN)
        self.image = Image.new("RGB", size, PAPER)
        self.draw = ImageDraw.Draw(self.image)
        self.font, self.small = load_font(16), load_font(13)

    def write(self, place, text, width, font, ink=INK):
        # The built-in font, for machines without another, knows Latin-1 only.
        if not hasattr(font, "path"):
            text = text.encode("latin-1", "replace").decode("latin-1")
        text = shorten(self.draw, text, font, width)
        self.draw.text(place, text, font=font, fill=ink)
        return place[0] + self.draw.textlength(text, font=font)

    def add_head(self, title, count, shown):
        which = f"{count} images" if shown == count else f"{shown} of {count} images"
        self.write((MARGIN, MARGIN), "before", WIDTH, self.font)
        end = self.write((2 * MARGIN + WIDTH, MARGIN), f"after {title}", WIDTH - 130, self.font)
        self.write((end + 12, MARGIN + 3), which, 120, self.small, PALE)

    def add_picture(self, path, name, column, row):
        left = MARGIN + column * (WIDTH + MARGIN)
        top = HEAD + row * (HEIGHT + CAPTION + MARGIN)
        try:
            with Image.open(path) as image:
                size = image.size
                image.draft("RGB", (2 * WIDTH, 2 * HEIGHT))  # decodes large JPEGs at a fraction of their size
                picture = ImageOps.exif_transpose(image).convert("RGBA")
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            self.write((left, top), f"{name}: {error}", WIDTH, self.small)
            return
        picture.thumbnail((WIDTH, HEIGHT), Image.LANCZOS)
        corner = (left + (WIDTH - picture.width) // 2, top + (HEIGHT - picture.height) // 2)
        self.image.paste(picture, corner, picture)
        text = f"{size[0]} x {size[1]}, {size_text(path.stat().st_size)}"
        wide = self.draw.textlength(text, font=self.small)
        end = self.write((left, top + HEIGHT + 5), name, WIDTH - wide - 12, self.small)
        self.write((end + 12, top + HEIGHT + 5), text, WIDTH, self.small, PALE)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--title", default="", help="what was done, for the heading")
    parser.add_argument("--rows", type=int, default=12)
    parser.add_argument("before", type=pathlib.Path)
    parser.add_argument("after", type=pathlib.Path)
    parser.add_argument("sheet", type=pathlib.Path)
    arguments = parser.parse_args()
    Image.MAX_IMAGE_PIXELS = None  # the person's own images, and tilecrew has looked at their sizes

    pairs = [pair for pair in find_pairs(arguments.before, arguments.after) if pair[1] != arguments.sheet]
    if not pairs:
        sys.exit(f"contact-sheet.py: no image has a result: nothing in '{arguments.before}' and "
                 f"'{arguments.after}' has the same name")
    shown = pick_evenly(pairs, max(1, arguments.rows))
    sheet = Sheet(len(shown))
    sheet.add_head(arguments.title, len(pairs), len(shown))
    for row, pair in enumerate(shown):
        for column, (path, root) in enumerate(zip(pair, (arguments.before, arguments.after))):
            name = path.name if root.is_file() else str(path.relative_to(root))
            sheet.add_picture(path, name, column, row)
    sheet.image.save(arguments.sheet, optimize=True)
    print(f"before and after, side by side ({len(shown)} of {len(pairs)} images):")
    print(os.path.abspath(arguments.sheet))


if __name__ == "__main__":
    main()
