"""The documents speak of what there is: files, functions, links and dependencies are as they say."""
import re

import pytest
from conftest import ROOT

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)]*)?\)")
FILE = re.compile(r"(?:[a-z_.-]+/)+[A-Za-z0-9_.-]*\.(?:c|h|cl|lua|sh|py|mk|yaml|md|svg|png)")
FUNCTION = re.compile(r"(?:base|board|bytes|chain|claims|clock|config|courier|device|error|follow|image|join|job_cache|lane|"
                      r"liveness|log|memory|operation|pace|pipeline|plan|planner|point|program|progress|queue|reserve|"
                      r"servers|session|settle|stream|store|submission|supervisor|sweep|text|tile|walk|window)_[a-z0-9_]+")


def name_of(path):
    return str(path.relative_to(ROOT))


def without_fences(text):
    return re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)


# Which rooms a room may include, as the diagram of docs/architecture.md shows it.
DEPENDENCIES = {
    "base": set(),
    "config": {"base"},
    "queue": {"base"},
    "image": {"base"},
    "compute": {"base"},
    "store": {"base", "queue"},
    "monitor": {"base", "config", "queue"},
    "producer": {"base", "config", "queue", "image", "compute", "store"},
    "worker": {"base", "config", "queue", "image", "compute", "store"},
}


@pytest.mark.parametrize("room", DEPENDENCIES)
def test_includes_point_one_way(room):
    for path in sorted((ROOT / room).glob("*.[ch]")):
        rooms = set(re.findall(r'^#include "([a-z]+)/', path.read_text(encoding="utf-8"), flags=re.M))
        assert rooms - {room} <= DEPENDENCIES[room], name_of(path)


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(document):
    text = document.read_text(encoding="utf-8")
    for target, _ in LINK.findall(text):
        if not re.match(r"[a-z]+:", target):
            assert (document.parent / target).exists(), f"{name_of(document)} links to {target}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_files_that_are_named_exist(document):
    for code in CODE.findall(without_fences(document.read_text(encoding="utf-8"))):
        if FILE.fullmatch(code) and "NAME" not in code and not code.startswith(("build/", "/", "~", "out/", ".")):
            assert (ROOT / code).exists(), f"{name_of(document)} names {code}"


def test_functions_that_the_architecture_names_exist():
    sources = "\n".join(path.read_text(encoding="utf-8") for room in ROOT.iterdir() if room.is_dir()
                        for path in [*room.glob("*.[ch]"), *room.glob("scripts/*.lua")]
                        if not room.name.startswith((".", "build")))
    words = set(re.findall(r"[A-Za-z_][A-Za-z0-9_]*", sources))
    for code in CODE.findall(without_fences((ROOT / "docs/architecture.md").read_text(encoding="utf-8"))):
        if FUNCTION.fullmatch(code):
            assert code in words, f"docs/architecture.md names {code}"
