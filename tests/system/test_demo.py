"""`make demo`: a folder, its results, and one picture of both."""

import os
import pathlib
import subprocess

from conftest import BIN, ROOT, make_image
from PIL import Image


def demo(environment, **variables):
    """What `make demo` does once all is built."""
    done = subprocess.run(
        [ROOT / "scripts/demo.sh", BIN / "tilecrew"], env=dict(environment, **variables),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=240)
    return done.returncode, done.stdout, done.stderr


def test_a_folder_with_spaces_ends_in_a_picture_of_before_and_after(environment, tmp_path):
    pictures = pathlib.Path(environment["HOME"]) / "my pictures"
    make_image(pictures / "one.jpg", 300, 200, smooth=True)
    make_image(pictures / "sub folder/two.png", 120, 200, "rgba", smooth=True)
    status, output, errors = demo(environment, IN="~/my pictures", OUT=str(tmp_path / "out put"), OPS="sepia,invert")
    assert status == 0, errors
    sheet = pathlib.Path(output.splitlines()[-1])
    assert sheet == tmp_path / "out put/contact-sheet.png"
    with Image.open(sheet) as image:
        assert image.width > 900 and image.height > 700
    assert (tmp_path / "out put/sub folder/two.png").exists()


def test_a_bad_image_is_named_and_the_others_are_shown(environment, tmp_path):
    pictures = tmp_path / "in"
    make_image(pictures / "good.png", 64, 64)
    (pictures / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0 this is no image")
    status, output, errors = demo(environment, IN=str(pictures), OUT=str(tmp_path / "out"), OPS="invert")
    assert status == 1
    assert "bad.jpg" in errors + output
    assert os.path.exists(output.splitlines()[-1])


def test_a_mistake_ends_the_demo_with_one_message(environment, tmp_path):
    status, output, errors = demo(environment, IN=str(tmp_path / "absent"), OUT=str(tmp_path / "out"), OPS="invert")
    assert status == 64
    assert "absent" in errors
    assert len(errors.splitlines()) == 1
    assert output == ""
