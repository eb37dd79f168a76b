"""`nestling help` shows the reference, and README's table of topics is complete."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli.commands import run
from app.core.files.paths import reference_dir
from app.core.guide_pages import read_guide
from tests.patience import PATIENCE_SECONDS

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
PAGES = {page.topic: page for page in read_guide()}
REFERENCE = sorted(path.stem for path in reference_dir().glob("*.md"))


def helped(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run(["help", *arguments], lambda _: 0)
    out, err = capsys.readouterr()
    return code, out, err


def test_every_topic_is_listed_with_its_title(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = helped(capsys)
    assert code == 0
    listed = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert listed == {topic: page.title for topic, page in PAGES.items()}
    assert {"first-run", "datasets"} <= listed.keys()


@pytest.mark.parametrize("topic", PAGES)
def test_a_topic_is_shown_whole(topic: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = helped(capsys, topic)
    assert code == 0
    assert out == PAGES[topic].markdown


def test_a_topic_is_english_whatever_the_systems_language() -> None:
    """In a process of its own: the C library remembers the words that it has once translated."""
    german = os.environ | {"LANG": "de_DE.UTF-8", "LANGUAGE": "de", "PYTHONUTF8": "1"}
    command = [sys.executable, "-m", "app", "help", "datasets"]
    done = subprocess.run(
        command, env=german, capture_output=True, check=True, timeout=PATIENCE_SECONDS,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.stdout.decode() == (reference_dir() / "datasets.md").read_text(encoding="utf-8")


def test_an_unknown_topic_is_named_with_those_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, _, err = helped(capsys, "kittens")
    assert code == 2
    assert "no topic 'kittens'" in " ".join(err.split())
    assert "datasets" in err


def test_readme_names_every_topic_and_links_only_to_what_is_there() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links
    for link in links:
        assert (Path(__file__).parents[2] / link).exists(), link
    assert {Path(link).stem for link in links if "/reference/" in link} == set(REFERENCE)


@pytest.mark.parametrize("topic", REFERENCE)
def test_links_between_topics_lead_somewhere(topic: str) -> None:
    text = (reference_dir() / f"{topic}.md").read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (reference_dir() / link).exists(), link


def test_readme_is_read_in_one_sitting() -> None:
    assert len(README.splitlines()) <= 200
