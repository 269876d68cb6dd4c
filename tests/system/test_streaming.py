"""Promises about whole runs: the same bytes however the work is divided, and little memory however large the image."""

import hashlib
import pathlib
import time

import cv2
import numpy
import pytest

from conftest import BIN, make_image

LANE_MEMORY = 64 << 20


def digests(folder):
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*")) if path.is_file() and ".tilecrew" not in path.parts}


def test_any_number_of_lanes_and_any_cut_give_the_same_bytes(tilecrew, tmp_path):
    source = tmp_path / "in"
    layouts = "rgb", "grey", "rgba"
    for number, layout in enumerate(layouts):
        make_image(source / f"{layout}.png", 301 + 64 * number, 1700 - 500 * number, layout, seed=number)
    make_image(source / "photo.jpg", 640, 1203, "rgb", seed=9, smooth=True)
    make_image(source / "thin.jpg", 3, 900, "grey", seed=10)
    seen = {}
    for lanes in 1, 2, 5:
        for tile_pixels in "10k", "100k", "32M":
            out = tmp_path / f"out-{lanes}-{tile_pixels}"
            done = tilecrew("run", "--ops", "gaussian:sigma=2,sharpen,sepia", "--lanes", lanes, "--tile-pixels",
                            tile_pixels, source, out)
            assert done.status == 0, done.stderr
            seen[lanes, tile_pixels] = digests(out)
    assert len(seen[1, "32M"]) == 5
    assert all(bytes_ == seen[1, "32M"] for bytes_ in seen.values())


def children(pid):
    try:
        return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def private_memory(pid):
    """Anonymous bytes resident; what libraries share between all lanes is not a lane's own."""
    try:
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) << 10
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0


@pytest.mark.skipif(BIN.parent.name != "build", reason="a sanitizer's own memory is not a lane's")
def test_a_lane_streams_a_hundred_megapixels_in_little_memory(tilecrew, start, tmp_path):
    (tmp_path / "in").mkdir()
    make_image(tmp_path / "small/a.jpg", 64, 64)
    ramp = numpy.add.outer(numpy.arange(8400) // 3, numpy.arange(12000) // 5).astype(numpy.uint8)
    cv2.imwrite(str(tmp_path / "in/big.jpg"), cv2.merge([ramp, 255 - ramp, ramp]))
    chain = "--ops", "gaussian,sobel"
    assert tilecrew("run", *chain, tmp_path / "small", tmp_path / "warm").status == 0  # the kernels are built

    run = start("run", *chain, "--lanes", "1", "--tile-pixels", "200M", tmp_path / "in", tmp_path / "out")
    most = 0
    while run.poll() is None:
        for child in children(run.pid):
            if pathlib.Path(f"/proc/{child}/exe").resolve().name == "tilecrew-worker":
                most = max([most] + [private_memory(lane) for lane in children(child)])
        time.sleep(0.02)
    assert run.returncode == 0, run.log_path.read_text()
    assert cv2.imread(str(tmp_path / "out/big.jpg"), cv2.IMREAD_UNCHANGED).shape == (8400, 12000)
    assert 1 << 20 < most < LANE_MEMORY, f"{most >> 20} MiB"
