"""Fixtures of the fault harness, on top of those of the system tests.

    FAULTS=short|long   how much is done; short is part of `make check`
    FAULTS_SEED=N       every choice follows from it; printed at the start and in every report

A test takes `fleet` (Redis, workers, monitors, all its own), injects faults, tells `ledger` how many, and ends with
fleet.check(): conservation, one commit for each tile, the bytes of a quiet run."""

import importlib.util
import json
import os
import pathlib
import random
import sys
import time

import pytest

HERE = pathlib.Path(__file__).resolve().parent


def load_system_conftest():
    """tests/system/conftest.py under a name of its own, for this file is called conftest too."""
    sys.path.insert(0, str(HERE.parent / "system"))
    spec = importlib.util.spec_from_file_location("system_conftest", HERE.parent / "system/conftest.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["system_conftest"] = module
    spec.loader.exec_module(module)
    return module


system = load_system_conftest()
pytest_terminal_summary = system.pytest_terminal_summary
folder = system.folder

import harness  # noqa: E402  (it needs system_conftest)
import pictures  # noqa: E402

LONG = os.environ.get("FAULTS", "short") == "long"
SEED = int(os.environ.get("FAULTS_SEED", "1"))


def pytest_report_header():
    return f"faults: {'long' if LONG else 'short'} form, FAULTS_SEED={SEED}"


def pytest_configure(config):
    config.addinivalue_line("markers", "case(number, text): a row of the table in docs/reliability.md")


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(3600 if LONG else 300))


class Ledger:
    """What a case did: for the report."""

    def __init__(self):
        self.faults = 0
        self.runs = 0
        self.figures = {}

    def note(self, faults=0, runs=1):
        self.faults += faults
        self.runs += runs


@pytest.fixture
def ledger(request):
    book = Ledger()
    request.node.ledger = book
    yield book
    assert getattr(request.node, "outcome", None) != "passed" or book.faults > 0, "the jobs ended before any fault"


@pytest.fixture
def dice(request):
    """Random numbers of this test's own, the same each time for the same seed."""
    print(f"FAULTS_SEED={SEED}")
    return random.Random(f"{SEED}:{request.node.name}")


@pytest.fixture
def long():
    return LONG


@pytest.fixture
def fleet(folder, dice, ledger):
    with harness.Fleet(folder, dice, ledger) as crew:
        yield crew


@pytest.fixture(scope="session")
def few(tmp_path_factory):
    """Some pictures of all kinds, and what a quiet run makes of them."""
    return harness.Corpus(pictures.draw(tmp_path_factory.mktemp("few"), SEED, 24), tmp_path_factory.mktemp("quiet"))


@pytest.fixture(scope="session")
def many(tmp_path_factory):
    """Many small pictures."""
    count = int(os.environ.get("FAULTS_SOAK_IMAGES", "10000" if LONG else "300"))
    return harness.Corpus(pictures.draw(tmp_path_factory.mktemp("many"), SEED, count),
                          tmp_path_factory.mktemp("quiet-many"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    item.outcome = report.outcome if report.when == "call" else None
    mark = item.get_closest_marker("case")
    if mark is None or (report.when != "call" and report.passed):
        return
    number, text = mark.args
    book = getattr(item, "ledger", None) or Ledger()
    row = {"case": number, "text": text, "test": item.name, "outcome": report.outcome, "seed": SEED,
           "form": "long" if LONG else "short", "runs": book.runs, "faults": book.faults, "figures": book.figures,
           "seconds": round(report.duration, 1), "at": time.strftime("%Y-%m-%d"),
           "why": str(report.longrepr[-1]) if report.skipped and isinstance(report.longrepr, tuple) else
           (report.longreprtext.splitlines()[-1:] or [""])[0]}
    path = harness.BUILD / "faults"
    path.mkdir(parents=True, exist_ok=True)
    name = "".join(letter if letter.isalnum() else "-" for letter in item.nodeid.split("/")[-1])
    (path / f"{name}.json").write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")
