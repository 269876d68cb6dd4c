"""Poison: inputs that crash whoever touches them, that never end, that eat memory. Each goes to `dead` with its reason;
its neighbours, its job and its worker go on. The first two are an operation of a test build (kernels/poison.cl)."""

import os
import pathlib
import re
import subprocess

import numpy
import pytest
from harness import Corpus, digest
from PIL import Image
from system_conftest import ROOT

BIN = ROOT / os.environ.get("TILECREW_TEST_OPERATIONS", "build-test-operations") / "bin"
COLOURS = {"crash": (222, 111, 77), "hang": (77, 111, 222)}
REASONS = {"crash": "killed its lane 3 times, last by SIGSEGV", "hang": "took longer than worker.tile_time_limit"}


@pytest.fixture(scope="module")
def pictures(few, tmp_path_factory):
    """The pictures of the other tests, with an operation that would be poison to some."""
    if not (BIN / "tilecrew-worker").exists():
        pytest.skip(f"{BIN} was not built (make TEST_OPERATIONS=1)")
    corpus = Corpus(few.folder, tmp_path_factory.mktemp("poison-quiet"), "poison,invert", BIN)
    return corpus


def add_poison(source, target, kind, count):
    """A copy of a folder with poisonous pictures among the others."""
    subprocess.run(["cp", "-r", source, target], check=True)
    names = []
    for number in range(count):
        pixels = numpy.full((50, 60, 3), 128, numpy.uint8)
        pixels[20 + number, 30] = COLOURS[kind]
        names.append(f"000/000{number}-{kind}.png")
        Image.fromarray(pixels).save(pathlib.Path(target) / names[-1])
    return names


@pytest.mark.parametrize("kind", [
    pytest.param("crash", marks=pytest.mark.case(8, "poison: an input that crashes the lane")),
    pytest.param("hang", marks=pytest.mark.case(8, "poison: an input on which a kernel never ends"))])
def test_poison_goes_to_dead_and_its_neighbours_do_not(fleet, pictures, ledger, tmp_path, kind, long):
    count = 4 if long else 2
    names = add_poison(pictures.folder, tmp_path / "in", kind, count)
    fleet.bin = BIN
    fleet.set(job={"max_losses": 3, "max_fails": 3}, worker={"tile_time_limit": "2s" if kind == "hang" else "1min"})
    fleet.start_monitor()
    worker = fleet.start_worker()
    done = fleet.ask("submit", "--ops", pictures.ops, tmp_path / "in", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    job = done.stdout.split()[0]
    fleet.wait_done(job)
    dead = fleet.dead(job)
    assert sorted(tile["path"] for tile in dead) == sorted(names)
    assert all(REASONS[kind] in tile["reason"] for tile in dead), dead
    assert digest(tmp_path / "out") == pictures.digest
    fleet.check_books(job, pictures, dead=count)
    assert fleet.log(worker.log_path.stem).count("lane died") == 3 * count, "three attempts each, no other tile hurt"
    ledger.note(3 * count)


@pytest.mark.case(8, "poison: an input that eats more memory than there is")
def test_an_input_that_eats_memory(fleet, few, ledger, tmp_path):
    subprocess.run(["cp", "-r", few.folder, tmp_path / "in"], check=True)
    huge = numpy.zeros((9000, 9000, 3), numpy.uint8)
    Image.fromarray(huge).save(tmp_path / "in/huge.jpg", progressive=True, subsampling=0, quality=50)
    fleet.set(job={"max_losses": 3, "max_fails": 3, "tile_pixels": "100000"})
    fleet.start_monitor()
    worker = fleet.start_worker(before=("prlimit", f"--data={400 << 20}"))
    done = fleet.ask("submit", "--ops", few.ops, tmp_path / "in", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    job = done.stdout.split()[0]
    fleet.wait_done(job)
    dead = fleet.dead(job)
    assert {tile["path"] for tile in dead} == {"huge.jpg"}
    assert all(re.search("memory", tile["reason"], re.IGNORECASE) for tile in dead), dead
    assert digest(tmp_path / "out") == few.digest
    fleet.check_books(job, few, dead=len(dead))
    assert worker.poll() is None
    ledger.note(len(dead))
