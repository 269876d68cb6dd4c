"""`tilecrew run`: everything on one machine, and nothing left of it."""

import contextlib
import json
import os
import pathlib
import pty
import shutil
import signal
import struct
import subprocess
import time
import zlib

import numpy
import pytest

from conftest import make_image, read_image, wait_until

IS_ROOT = os.geteuid() == 0


def images_in(folder):
    return sorted(str(path.relative_to(folder)) for path in pathlib.Path(folder).rglob("*")
                  if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts))


def times_in(folder):
    return {name: (pathlib.Path(folder) / name).stat().st_mtime_ns for name in images_in(folder)}


def half_written(folder):
    return [path for path in pathlib.Path(folder).rglob("*.tmp")]


def descendants(pid):
    """All living processes below `pid`, by the kernel's own list."""
    parents = {}
    for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = entry.read_text().rsplit(")", 1)[1].split()
            if fields[0] != "Z":
                parents[int(entry.parent.name)] = int(fields[1])
    found, more = set(), {pid}
    while more:
        more = {child for child, parent in parents.items() if parent in more} - found
        found |= more
    return found


def is_alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def leftovers(folder):
    return list(pathlib.Path(folder).glob("tilecrew-run-*"))


@pytest.fixture
def private(folder):
    """An environment in which the private folder of a run can be seen."""
    return {"TMPDIR": str(folder), "XDG_RUNTIME_DIR": ""}


@pytest.fixture
def many(tmp_path):
    """Enough work that a run can be interrupted in the middle of it."""
    make_image(tmp_path / "many/000.jpg", 1600, 1200, smooth=True, quality=90)
    for number in range(1, 120):
        shutil.copy(tmp_path / "many/000.jpg", tmp_path / f"many/{number:03}.jpg")
    return tmp_path / "many"


# --- the work itself


def test_a_folder_keeps_its_shape_and_nothing_is_left(tilecrew, photos, tmp_path, folder, private):
    done = tilecrew("run", "--ops", "invert", photos, tmp_path / "out", env=private)
    assert done.status == 0, done.stderr
    images = [name for name in images_in(photos) if not name.endswith(".md")]
    assert images_in(tmp_path / "out") == images
    assert f"{len(images)} images" in done.stdout
    assert "1 other file skipped" in done.stderr
    assert not leftovers(folder)
    assert not half_written(tmp_path / "out")


def test_the_pixels_are_those_of_the_operations(tilecrew, tmp_path):
    pixels = make_image(tmp_path / "in/a.png", 97, 61)
    done = tilecrew("run", "--ops", "invert", tmp_path / "in", tmp_path / "out")
    assert done.status == 0, done.stderr
    assert numpy.array_equal(read_image(tmp_path / "out/a.png"), 255 - pixels)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_cut_image_has_the_bytes_of_a_whole_one(tilecrew, tmp_path, suffix):
    make_image(tmp_path / f"in/a.{suffix}", 1100, 900, smooth=True)
    for out, pixels in ("whole", "32M"), ("cut", "100000"):
        done = tilecrew("run", "--ops", "gaussian:sigma=2,sobel", f"--tile-pixels={pixels}",
                        tmp_path / "in", tmp_path / out)
        assert done.status == 0, done.stderr
    assert (tmp_path / f"cut/a.{suffix}").read_bytes() == (tmp_path / f"whole/a.{suffix}").read_bytes()
    assert [path.name for path in (tmp_path / "cut/.tilecrew").iterdir()] == ["settings"]


def test_single_files_go_by_their_names(tilecrew, tmp_path):
    make_image(tmp_path / "a/one.JPG", 40, 30)
    make_image(tmp_path / "b/two.png", 40, 30)
    done = tilecrew("run", "--ops", "invert", tmp_path / "a/one.JPG", tmp_path / "b/two.png", tmp_path / "out")
    assert done.status == 0, done.stderr
    assert images_in(tmp_path / "out") == ["one.JPG", "two.png"]


def test_another_format_changes_the_ending_and_only_where_it_must(tilecrew, tmp_path):
    make_image(tmp_path / "in/a.JPG", 40, 30)
    make_image(tmp_path / "in/b.png", 40, 30)
    done = tilecrew("run", "--ops", "invert", "--format", "jpeg", tmp_path / "in", tmp_path / "out")
    assert done.status == 0, done.stderr
    assert images_in(tmp_path / "out") == ["a.JPG", "b.jpg"]
    assert (tmp_path / "out/b.jpg").read_bytes()[:3] == b"\xff\xd8\xff"


def test_images_are_known_by_their_first_bytes_and_hidden_files_passed_over(tilecrew, tmp_path):
    make_image(tmp_path / "in/a.png", 40, 30)
    shutil.copy(tmp_path / "in/a.png", tmp_path / "in/no-ending")
    shutil.copy(tmp_path / "in/a.png", tmp_path / "in/.hidden.png")
    (tmp_path / "in/.folder").mkdir()
    shutil.copy(tmp_path / "in/a.png", tmp_path / "in/.folder/b.png")
    (tmp_path / "in/notes.txt").write_text("notes")
    (tmp_path / "in/more.txt").write_text("")
    done = tilecrew("run", "--ops", "invert", tmp_path / "in", tmp_path / "out")
    assert done.status == 0, done.stderr
    assert images_in(tmp_path / "out") == ["a.png", "no-ending"]
    assert "2 other files skipped" in done.stderr


def test_an_output_inside_the_input_is_left_out(tilecrew, tmp_path):
    make_image(tmp_path / "in/a.png", 40, 30)
    for _ in range(2):
        done = tilecrew("run", "--ops", "invert", "--force", tmp_path / "in", tmp_path / "in/out")
        assert done.status == 0, done.stderr
    assert images_in(tmp_path / "in") == ["a.png", "out/a.png"]


def test_nothing_to_do_is_no_failure(tilecrew, tmp_path):
    (tmp_path / "in").mkdir()
    done = tilecrew("run", "--ops", "invert", tmp_path / "in", tmp_path / "out")
    assert (done.status, done.stdout) == (0, "nothing to do: no images among the inputs\n")


def test_a_configuration_with_a_password_is_no_obstacle(tilecrew, photos, tmp_path, folder):
    (folder / "password").write_text('se"cret \\ é\n', encoding="utf-8")
    (folder / "password").chmod(0o600)
    (folder / "fleet.yaml").write_text(
        f"redis:\n  url: redis://far.example:6380/3\n  password_file: {folder}/password\n  queue: fleet\n")
    done = tilecrew("run", "--config", folder / "fleet.yaml", "--ops", "invert", photos, tmp_path / "out")
    assert done.status == 0, done.stderr
    assert len(images_in(tmp_path / "out")) == 5


# --- doing only what is missing


def test_a_second_run_does_only_what_is_missing(tilecrew, photos, tmp_path):
    out = tmp_path / "out"
    command = "run", "--ops", "invert", photos, out
    assert tilecrew(*command).status == 0
    first = times_in(out)

    done = tilecrew(*command)
    assert (done.status, done.stdout) == (0, "nothing to do: every image has its result\n")
    assert times_in(out) == first

    (out / "cat.png").unlink()
    os.utime(photos / "rocket.jpg")
    done = tilecrew(*command)
    assert done.status == 0 and "2 images" in done.stdout, done.stdout
    again = times_in(out)
    assert {name for name in first if again[name] != first[name]} == {"cat.png", "rocket.jpg"}

    done = tilecrew(*command, "--force")
    assert done.status == 0
    assert all(times_in(out)[name] != again[name] for name in again)


def test_other_settings_make_every_result_again(tilecrew, photos, tmp_path):
    out = tmp_path / "out"
    assert tilecrew("run", "--ops", "invert", photos, out).status == 0
    first = times_in(out)
    done = tilecrew("run", "--ops", "invert", "--quality", "60", photos, out)
    assert done.status == 0 and "settings" in done.stderr
    assert all(times_in(out)[name] != first[name] for name in first)
    done = tilecrew("run", "--ops", " invert ", "--quality", "60", photos, out)
    assert "nothing to do" in done.stdout  # the same in other words


# --- interrupted


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_whole_images_and_goes_on_later(start, tilecrew, many, tmp_path, folder,
                                                                  private, how):
    out = tmp_path / "out"
    run = start("run", "--ops", "gaussian", many, out, env=private)
    wait_until(lambda: images_in(out) if out.exists() else [], 60, "the first result")
    crew = descendants(run.pid)
    assert len(crew) >= 4  # Redis, monitor, supervisor, lanes
    run.send_signal(how)
    assert run.wait(60) == 130, run.log_path.read_text()
    assert "the same command again does the rest" in run.log_path.read_text()
    assert not [pid for pid in crew if is_alive(pid)]
    assert not leftovers(folder) and not half_written(out)
    done_then = times_in(out)
    assert 0 < len(done_then) < 120
    for name in done_then:
        assert read_image(out / name).shape == (1200, 1600, 3)

    done = tilecrew("run", "--ops", "gaussian", many, out)
    assert done.status == 0, done.stderr
    assert len(images_in(out)) == 120
    now = times_in(out)
    assert all(now[name] == done_then[name] for name in done_then)


def test_a_second_interrupt_stops_at_once_and_still_cleans_up(start, many, tmp_path, folder, private):
    out = tmp_path / "out"
    run = start("run", "--ops", "gaussian:sigma=20", many, out, env=private)
    wait_until(lambda: half_written(out) if out.exists() else [], 60, "a result being written")
    crew = descendants(run.pid)
    run.send_signal(signal.SIGINT)
    time.sleep(0.02)
    run.send_signal(signal.SIGINT)
    assert run.wait(30) == 130
    assert not [pid for pid in crew if is_alive(pid)]
    assert not leftovers(folder) and not half_written(out)


def test_nothing_survives_a_killed_run_and_the_next_one_sweeps_its_folder(start, tilecrew, many, tmp_path,
                                                                          folder, private):
    out = tmp_path / "out"
    run = start("run", "--ops", "gaussian", many, out, env=private)
    wait_until(lambda: images_in(out) if out.exists() else [], 60, "the first result")
    crew = descendants(run.pid)
    run.kill()
    run.wait()
    wait_until(lambda: not [pid for pid in crew if is_alive(pid)], 30, "the end of the crew")
    left = leftovers(folder)
    assert left
    for path in left:
        os.utime(path, (time.time() - 3600, time.time() - 3600))
    done = tilecrew("run", "--ops", "gaussian", many, out, env=private)
    assert done.status == 0, done.stderr
    assert not leftovers(folder) and not half_written(out)
    assert len(images_in(out)) == 120


def test_a_redis_that_dies_ends_the_run_with_a_word(start, many, tmp_path, folder, private):
    run = start("run", "--ops", "gaussian", many, tmp_path / "out", env=private)
    wait_until(lambda: images_in(tmp_path / "out") if (tmp_path / "out").exists() else [], 60, "a result")
    crew = descendants(run.pid)
    victim = next(pid for pid in crew
                  if "redis-server" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode())
    os.kill(victim, signal.SIGKILL)
    assert run.wait(60) not in (0, 1, 130)
    assert run.log_path.read_text().startswith("tilecrew: ")
    assert not [pid for pid in crew if is_alive(pid)]
    assert not leftovers(folder) and not half_written(tmp_path / "out")


# --- bad input


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_claiming(width, height):
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 64)) +
            chunk(b"IEND", b""))


@pytest.mark.parametrize("name, content, reason", [
    ("text.jpg", lambda jpeg: b"this is text", "not a JPEG or PNG"),
    ("empty.png", lambda jpeg: b"", "empty"),
    ("cut-short.jpg", lambda jpeg: jpeg[:len(jpeg) // 2], "truncated"),
    ("bomb.png", lambda jpeg: png_claiming(60000, 60000), "60000 x 60000"),
    ("liar.png", lambda jpeg: png_claiming(500, 500), ""),
    ("head-only.jpg", lambda jpeg: jpeg[:20], ""),
])
def test_a_bad_image_fails_alone_and_is_named(tilecrew, photos, tmp_path, name, content, reason):
    (photos / "close-up" / name).write_bytes(content((photos / "rocket.jpg").read_bytes()))
    good = [image for image in images_in(photos) if not image.endswith((".md", name))]
    done = tilecrew("run", "--ops", "gaussian", photos, tmp_path / "out")
    assert done.status == 1
    line = [line for line in done.stderr.splitlines() if name in line]
    assert len(line) == 1 and line[0].startswith(f"tilecrew: {photos}/close-up/{name}: "), done.stderr
    assert line[0].count(name) == 1 and reason in line[0]
    assert images_in(tmp_path / "out") == good
    assert not half_written(tmp_path / "out")
    assert "1 failed" in done.stdout


def test_a_file_too_deep_to_be_opened_is_named_and_not_lost(tilecrew, photos, tmp_path):
    name, depth = "d" * 200, 22  # longer than a path may be
    folders = [os.open(photos, os.O_RDONLY)]
    for _ in range(depth):
        os.mkdir(name, dir_fd=folders[-1])
        folders.append(os.open(name, os.O_RDONLY, dir_fd=folders[-1]))
    try:
        done = tilecrew("run", "--ops", "invert", photos, tmp_path / "out")
    finally:
        for _ in range(depth):
            os.close(folders.pop())
            os.rmdir(name, dir_fd=folders[-1])
        os.close(folders.pop())
    assert done.status == 1
    assert "File name too long" in done.stderr and len(images_in(tmp_path / "out")) == 5


def test_a_named_file_is_tried_whatever_it_is_called(tilecrew, tmp_path):
    (tmp_path / "notes.txt").write_text("notes")
    done = tilecrew("run", "--ops", "invert", tmp_path / "notes.txt", tmp_path / "out")
    assert done.status == 1
    assert f"{tmp_path}/notes.txt: not a JPEG or PNG file" in done.stderr


@pytest.mark.skipif(not IS_ROOT, reason="needs root, to run as somebody else")
def test_an_unreadable_file_fails_alone(tilecrew, tmp_path, folder):
    place = folder / "place"
    make_image(place / "in/a.png", 40, 30)
    make_image(place / "in/secret.png", 40, 30)
    (place / "in/secret.png").chmod(0)
    os.chown(place, 65534, 65534)
    for path in folder, folder / "home":
        path.chmod(0o777)
    env = {"TMPDIR": str(folder), "XDG_RUNTIME_DIR": "", "XDG_CACHE_HOME": str(place / "cache")}
    if subprocess.run([shutil.which("true")], user=65534, cwd="/").returncode != 0:
        pytest.skip("cannot run as nobody")
    try:
        done = tilecrew("run", "--ops", "invert", place / "in", place / "out", user=65534, group=65534,
                        extra_groups=[], env=env)
    except PermissionError:
        pytest.skip("the build folder is closed to nobody")
    assert done.status == 1, done.stderr
    assert "secret.png: " in done.stderr and images_in(place / "out") == ["a.png"]


def test_symlinks_are_followed_inside_and_refused_outside(tilecrew, tmp_path):
    inside = tmp_path / "in"
    make_image(inside / "sub/a.png", 40, 30)
    make_image(tmp_path / "elsewhere/b.png", 40, 30)
    (inside / "link.png").symlink_to("sub/a.png")
    (inside / "absolute.png").symlink_to(inside / "sub/a.png")
    (inside / "folder").symlink_to("sub")
    (inside / "sub/loop").symlink_to("..")
    (inside / "out.png").symlink_to("../elsewhere/b.png")
    (inside / "out-folder").symlink_to(tmp_path / "elsewhere")
    (inside / "dangling.png").symlink_to("nowhere")
    done = tilecrew("run", "--ops", "invert", inside, tmp_path / "out")
    assert done.status == 1
    for name in "out.png", "out-folder", "dangling.png":
        assert f"tilecrew: {inside}/{name}: a symbolic link" in done.stderr
    assert images_in(tmp_path / "out") == ["absolute.png", "folder/a.png", "link.png", "sub/a.png"]


def test_two_sources_of_one_result_are_an_error_that_names_both(tilecrew, tmp_path):
    make_image(tmp_path / "in/a.png", 40, 30)
    make_image(tmp_path / "in/a.jpg", 40, 30)
    done = tilecrew("run", "--ops", "invert", "--format", "jpeg", tmp_path / "in", tmp_path / "out")
    assert done.status == 64
    assert "in/a.png" in done.stderr and "in/a.jpg" in done.stderr and done.stderr.count("\n") == 1
    make_image(tmp_path / "other/a.png", 40, 30)
    done = tilecrew("run", "--ops", "invert", tmp_path / "in", tmp_path / "other", tmp_path / "out")
    assert done.status == 64
    assert "in/a.png" in done.stderr and "other/a.png" in done.stderr
    done = tilecrew("run", "--ops", "invert", tmp_path / "in", tmp_path / "in/a.png", tmp_path / "out")
    assert done.status == 0, done.stderr  # the same file twice is one file


def test_a_result_never_replaces_a_source(tilecrew, tmp_path):
    pixels = make_image(tmp_path / "a/a/x.png", 40, 30)
    make_image(tmp_path / "a/x.png", 40, 30)
    for inputs, out in (["a/x.png"], "a"), (["a"], "a"), (["a/a"], "a/a/../a"), (["a/a"], "."):
        before = (tmp_path / "a/a/x.png").read_bytes()
        done = tilecrew("run", "--ops", "invert", *inputs, out, cwd=tmp_path)
        if out == ".":
            assert done.status == 0  # ./x.png, beside them
            continue
        assert done.status == 64 and done.stderr.count("\n") == 1, done.stderr
        assert (tmp_path / "a/a/x.png").read_bytes() == before
    assert numpy.array_equal(read_image(tmp_path / "a/a/x.png"), pixels)


@pytest.mark.parametrize("arguments, words", [
    ([], "--ops is missing"),
    (["--ops", "", "in", "out"], "--ops is empty"),
    (["--ops", " , ", "in", "out"], "--ops is empty"),
    (["--ops", "invert"], "IN... OUT"),
    (["--ops", "invert", "in"], "output folder"),
    (["--ops", "invert", "absent", "out"], "absent"),
    (["--ops", "invert", "in", "file"], "is a file"),
    (["--ops", "gausian", "in", "out"], "did you mean 'gaussian'?"),
    (["--ops", "gaussian:sgma=1", "in", "out"], "did you mean 'sigma'?"),
    (["--ops", "gaussian:sigma=1000", "in", "out"], "50"),
    (["--ops", "invert", "--quality", "101", "in", "out"], "from 1 to 100"),
    (["--ops", "invert", "--format", "gif", "in", "out"], "jpeg"),
    (["--ops", "invert", "--forse", "in", "out"], "did you mean '--force'?"),
])
def test_a_wrong_command_line_gets_one_clear_line(tilecrew, tmp_path, arguments, words):
    make_image(tmp_path / "in/a.png", 4, 3)
    (tmp_path / "file").write_text("")
    done = tilecrew("run", *arguments, cwd=tmp_path)
    assert done.status == 64, done.stderr
    assert done.stderr.startswith("tilecrew: ") and done.stderr.count("\n") == 1
    assert words in done.stderr, done.stderr
    assert not (tmp_path / "out").exists() and not done.stdout


def test_a_machine_without_a_device_is_told_what_to_install(tilecrew, photos, tmp_path, folder, private):
    done = tilecrew("run", "--ops", "invert", photos, tmp_path / "out",
                    env=dict(private, OCL_ICD_VENDORS="/nonexistent"))
    assert done.status == 70 and "pocl-opencl-icd" in done.stderr and done.stderr.count("\n") <= 2, done.stderr
    assert not leftovers(folder)


def test_a_large_folder_that_is_done_is_counted_whole(tilecrew, tmp_path):
    make_image(tmp_path / "a.png", 8, 8)
    (tmp_path / "in").mkdir()
    for number in range(5000):
        os.link(tmp_path / "a.png", tmp_path / f"in/{number}.png")
    command = "run", "--ops", "invert", tmp_path / "in", tmp_path / "out"
    assert tilecrew(*command).status == 0
    done = tilecrew(*command)
    assert done.status == 0 and "nothing to do" in done.stdout
    assert "5000 images were done before" in done.stderr


def test_a_missing_redis_server_is_named_with_its_package(tilecrew, tmp_path):
    make_image(tmp_path / "in/a.png", 4, 3)
    done = tilecrew("run", "--ops", "invert", tmp_path / "in", tmp_path / "out", env={"PATH": "/nonexistent"})
    assert done.status == 71
    assert "redis-server" in done.stderr and "apt install" in done.stderr


def test_any_file_name_works_and_none_breaks_a_line(tilecrew, tmp_path):
    names = [b"new\nline.png", b"esc\x1b[31m.png", b"latin\xe9.png", "größe ü.png".encode(), b"-dash.png", b"a,b:c.png"]
    make_image(tmp_path / "a.png", 40, 30)
    (tmp_path / "in").mkdir()
    for name in names:
        shutil.copy(os.fsencode(tmp_path / "a.png"), os.fsencode(tmp_path / "in") + b"/" + name)
    done = tilecrew("run", "--ops", "invert", "in", "out", cwd=tmp_path)
    assert done.status == 0, done.stderr
    assert sorted(name for name in os.listdir(os.fsencode(tmp_path / "out")) if name != b".tilecrew") == sorted(names)
    for name in names:
        pathlib.Path(os.fsdecode(os.fsencode(tmp_path / "in") + b"/" + name)).write_text("bad")
    done = tilecrew("run", "--ops", "invert", "in", "out", cwd=tmp_path)
    assert done.status == 1 and done.stderr.count("\n") == len(names), done.stderr
    assert "in/new\\x0aline.png: not a JPEG" in done.stderr and "\x1b" not in done.stderr
    done = tilecrew("run", "--ops", "invert", "--json", "in", "out", cwd=tmp_path)
    paths = {failure["path"] for failure in json.loads(done.stdout)["failures"]}
    assert len(paths) == len(names) and "in/new\nline.png" in paths and "in/latin\ufffd.png" in paths


# --- outputs that cannot take it


@contextlib.contextmanager
def small_disk(path, options):
    path.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", path], check=False).returncode != 0:
        pytest.skip("cannot mount a tmpfs")
    try:
        yield path
    finally:
        subprocess.run(["umount", path], check=True)


@pytest.mark.skipif(not IS_ROOT, reason="needs root, for a small disk")
def test_a_full_disk_stops_the_run_with_one_reason(tilecrew, many, tmp_path):
    with small_disk(tmp_path / "disk", "size=1m") as disk:
        done = tilecrew("run", "--ops", "gaussian", many, disk / "out")
        assert done.status == 1
        assert "No space left" in done.stderr and str(disk) in done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
        assert not half_written(disk)
        for name in images_in(disk / "out"):
            read_image(disk / "out" / name)


@pytest.mark.skipif(not IS_ROOT, reason="needs root, for a read-only disk")
def test_a_read_only_output_is_refused_at_once(tilecrew, many, tmp_path):
    with small_disk(tmp_path / "disk", "size=1m,ro") as disk:
        done = tilecrew("run", "--ops", "gaussian", many, disk / "out")
        assert done.status == 1
        assert "Read-only" in done.stderr and str(disk) in done.stderr and done.stderr.count("\n") == 1


# --- what it says


def test_json_sums_up_for_programs(tilecrew, photos, tmp_path):
    (photos / "bad.jpg").write_text("text")
    done = tilecrew("run", "--ops", "gaussian", "--json", photos, tmp_path / "out")
    assert done.status == 1
    said = json.loads(done.stdout)
    assert said["images_done"] == 5 and said["images_failed"] == 1 and said["images_done_before"] == 0
    assert said["other_files"] == 1 and said["output"] == str(tmp_path / "out")
    assert said["pipeline"] == "gaussian:sigma=1.5" and said["megapixels"] > 0 and said["seconds"] > 0
    assert [failure["path"] for failure in said["failures"]] == [f"{photos}/bad.jpg"]
    assert said["failures"][0]["reason"] == "not a JPEG or PNG file"


def test_quiet_says_nothing_but_what_failed(tilecrew, photos, tmp_path):
    done = tilecrew("run", "--ops", "invert", "--quiet", photos, tmp_path / "out")
    assert (done.status, done.stdout, done.stderr) == (0, "", "")


def on_a_terminal(command, environment, columns=100):
    master, slave = pty.openpty()
    process = subprocess.Popen(command, env=environment, stdin=slave, stdout=slave, stderr=slave,
                               preexec_fn=lambda: os.system(f"stty cols {columns} <&0 >/dev/null 2>&1"))
    os.close(slave)
    said = b""
    with contextlib.suppress(OSError):
        while piece := os.read(master, 65536):
            said += piece
    os.close(master)
    return process.wait(), said.decode()


def test_a_terminal_gets_one_bar_that_fits_and_is_cleared(environment, many, tmp_path):
    from conftest import BIN
    command = [BIN / "tilecrew", "run", "--ops", "gaussian", many, tmp_path / "out"]
    status, said = on_a_terminal(command, dict(environment, TERM="xterm", NO_COLOR="1"), 60)
    assert status == 0
    bars = [part for part in said.replace("\r\n", "\r").split("\r") if " MP" in part and "%" in part]
    assert bars and all(len(bar.replace("\x1b[K", "")) < 60 for bar in bars)
    assert "\x1b[3" not in said  # NO_COLOR
    assert said.rstrip().splitlines()[-1].split("\x1b[K")[-1].startswith("120 images")
