"""Sources for the fault tests: the photographs that come with the project, and random JPEGs and PNGs of many sizes,
some above the size from which images are cut."""

import pathlib
import random
import shutil

import numpy
from PIL import Image

PHOTOS = pathlib.Path(__file__).resolve().parents[1] / "data/photos"


def draw_one(path, dice):
    """A picture with some coarse structure; the suffix of the path says JPEG or PNG."""
    width, height = dice.randint(40, 420), dice.randint(40, 320)
    numbers = numpy.random.default_rng(dice.getrandbits(64))
    bands = dice.choice((1, 3, 3)) if path.suffix == ".jpg" else dice.choice((1, 3, 3, 4))
    coarse = numbers.integers(0, 256, (8, 8, bands), numpy.uint8)
    image = Image.fromarray(coarse.squeeze()).resize((width, height), Image.BICUBIC)
    image.save(path, **({"quality": dice.randint(60, 95)} if path.suffix == ".jpg" else {"compress_level": 1}))


def draw(folder, seed, count):
    """Fills a folder with the project's photographs and random pictures, `count` in all, in sub-folders."""
    dice = random.Random(f"pictures:{seed}")
    shutil.copytree(PHOTOS, folder / "photos", ignore=shutil.ignore_patterns("*.md"))
    photos = sum(1 for path in (folder / "photos").rglob("*") if path.is_file())
    for number in range(count - photos):
        path = folder / f"{number // 100:03d}" / f"{number:05d}{dice.choice(('.jpg', '.png'))}"
        path.parent.mkdir(exist_ok=True)
        draw_one(path, dice)
    return folder
