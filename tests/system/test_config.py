"""The programs and their configuration."""

import pytest
from conftest import ROOT

PROGRAMS = {
    "tilecrew": ("config", "--check"),
    "tilecrew-worker": ("--check-config",),
    "tilecrew-monitor": ("--check-config",),
}

TALKERS = {**PROGRAMS, "tilecrew": ("status",)}


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_mistake_is_shown_with_its_place_and_the_nearest_name(tilecrew, folder, program):
    (folder / "bad.yaml").write_text("worker:\n  lanes: 2\n  lanse: 3\n")
    done = tilecrew(*PROGRAMS[program], "--config", "bad.yaml", program=program)
    assert done.status == 78
    assert done.stderr == f"{program}: bad.yaml:3:3: unknown key 'worker.lanse'; did you mean 'lanes'?\n"


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_file_that_is_asked_for_has_to_be_there(tilecrew, program):
    done = tilecrew(*PROGRAMS[program], "--config", "absent.yaml", program=program)
    assert done.status == 78
    assert "configuration file 'absent.yaml' cannot be read: No such file or directory" in done.stderr


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_shipped_file_is_valid(tilecrew, program):
    done = tilecrew(*PROGRAMS[program], "--config", ROOT / "config/tilecrew.yaml", program=program)
    assert done.status == 0, done.stderr


@pytest.mark.parametrize("program", TALKERS)
def test_a_bad_value_on_the_command_line_names_the_option(tilecrew, program):
    done = tilecrew(*TALKERS[program], "--redis", "http://somewhere", program=program)
    assert done.status == 64
    assert "option '--redis' must be redis://" in done.stderr


@pytest.mark.parametrize("program", TALKERS)
def test_a_misspelt_option_names_the_right_one(tilecrew, program):
    done = tilecrew(*TALKERS[program], "--reddis=x", program=program)
    assert done.status == 64
    assert "unknown option '--reddis'; did you mean '--redis'?" in done.stderr


def test_the_printed_configuration_is_the_shipped_one(tilecrew):
    assert tilecrew("config").stdout == (ROOT / "config/tilecrew.yaml").read_text()


def test_a_password_file_open_to_everyone_is_refused(tilecrew, folder):
    (folder / "password").write_text("secret\n")
    (folder / "password").chmod(0o644)
    (folder / "tilecrew.yaml").write_text("redis:\n  password_file: password\n")
    done = tilecrew("status")
    assert done.status == 78
    assert "'redis.password_file' 'password' is open to everyone (mode 0644)" in done.stderr
    assert "chmod" in done.stderr


def test_a_folder_is_no_configuration_file(tilecrew, folder):
    done = tilecrew("status", "--config", folder)
    assert done.status == 78
    assert f"'{folder}' cannot be read: Is a directory" in done.stderr
