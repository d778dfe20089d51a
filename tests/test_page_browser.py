"""The page in a real browser, where there is one: it draws, says what it should, and runs nothing of anybody else's."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import test_page_scalp as heads
import test_page_signals as physiology
from moodal import page
from moodal.core.mood import Mood, Word
from moodal.core.track import Gap
from moods import make_mood
from page_moods import STATES, no_numbers
from test_page_story import worn

CHROMIUM = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: the page cannot be looked at")

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--run-all-compositor-stages-before-draw",
)  # fmt: skip
PLANT = "document.documentElement.dataset.planted='yes'"
PLANTED = f'<script>{PLANT}</script><img src=x onerror="{PLANT}">'


def dom(folder: Path, mood: Mood, fragment: str = "", *, media: Path | None = None, until: str = "drawn") -> str:
    """The page's elements after its script ran, the pattern ``until`` among them.

    On a busy machine the browser may stop before it drew a single frame: then it gets more time, and another try.
    """
    page.write(mood, folder, media=media)
    for attempt in range(8):
        text = dumped(folder / "index.html", fragment, budget_ms=4000 * (attempt + 1))
        if re.search(until, re.sub(r"<(script|style)\b.*?</\1>", " ", text, flags=re.DOTALL)):
            break
        time.sleep(attempt)
    return text


def dumped(file: Path, fragment: str = "", *, budget_ms: int = 4000) -> str:
    profile = f"--user-data-dir={file.parent / 'profile'}"
    command = [str(CHROMIUM), *FLAGS, f"--virtual-time-budget={budget_ms}", profile, "--dump-dom"]
    done = subprocess.run(
        [*command, file.as_uri() + fragment], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-500:]
    return done.stdout


def words(text: str) -> str:
    body = re.sub(r"<(script|style)\b.*?</\1>", " ", text, flags=re.S)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


@pytest.mark.parametrize(
    "state", ["two persons", "text", "still picture", "nothing told", "ten persons", "classes only"]
)
def test_every_kind_of_page_draws(state: str, tmp_path: Path) -> None:
    text = dom(tmp_path, STATES[state]())
    assert re.search(r'<html[^>]*class="[^"]*\bdrawn\b', text), "the script stopped before its end"
    assert "plain-only" not in text.split("<head>")[0]


def test_cursor_is_a_slider_that_speaks(tmp_path: Path) -> None:
    text = dom(tmp_path, make_mood(), "#t=8.3&span=10&p=p1", until=r'aria-valuetext="8\.3')
    slider = re.search(r'role="slider"[^>]*', text)
    assert slider is not None
    assert 'tabindex="0"' in slider[0]
    said = html.unescape(re.search(r'aria-valuetext="([^"]*)"', slider[0])[1])  # type: ignore[index]
    assert re.match(
        r"8\.3 seconds\. Person 1: .+\. Valence .+, from .+ to .+\. .*Rests on face, voice and words\.$", said
    )
    assert "0:08.3" in words(text)
    assert "10 s shown" in words(text)


def test_gaps_are_tab_stops_with_their_reason(tmp_path: Path) -> None:
    text = dom(tmp_path, make_mood(), "#t=5&span=all&p=p2", until='class="stop[^>]*face covered')
    labels = [html.unescape(x) for x in re.findall(r'class="stop[^"]*"[^>]*aria-label="([^"]*)"', text)]
    assert any("we cannot tell" in x and "face covered" in x for x in labels)
    assert any("voice: silence" in x for x in labels)


def test_planted_markup_in_words_names_and_files_does_not_run(tmp_path: Path) -> None:
    mood = make_mood(recording=f"{PLANTED}.mp4", persons=1)
    said = tuple(Word(i * 2.0, i * 2.0 + 0.3, PLANTED, "p1") for i in range(5))
    name = "%3Cscript%3Edocument.documentElement.dataset.planted='yes'%3C%2Fscript%3E"
    text = dom(tmp_path, replace(mood, words=said, warnings=(PLANTED,)), f"#t=2.1&p=p1&n.p1={name}")
    root = text.split("<head>")[0]
    assert "drawn" in root
    assert "data-planted" not in root
    assert "<script>document.documentElement.dataset" not in re.sub(r"<(script|style)\b.*?</\1>", " ", text, flags=re.S)
    assert words(text).count("dataset.planted") >= 5
    assert f"{PLANTED}.mp4" in html.unescape(words_raw(text))


def words_raw(text: str) -> str:
    """The heading as it stands in the file."""
    return re.search(r"<h1>(.*?)</h1>", text, re.S)[1]  # type: ignore[index]


def test_a_script_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    page.write(make_mood(), tmp_path, media=None)
    file = tmp_path / "index.html"
    file.write_text(file.read_text(encoding="utf-8").replace("<main>", f"<main>{PLANTED}"), encoding="utf-8")
    text = dumped(file)
    assert "drawn" in text.split("<head>")[0]
    assert "data-planted" not in text.split("<head>")[0]


def test_recording_that_is_not_there_can_be_chosen(tmp_path: Path) -> None:
    text = words(dom(tmp_path, make_mood(), media=Path("../talk.mp4")))
    assert "talk.mp4 is not beside this page. Put it there or choose it. Choose the file" in text


def test_edited_names_stand_in_the_sentence(tmp_path: Path) -> None:
    text = words(dom(tmp_path, make_mood(), "#t=1&p=p1&n.p2=Anna%20B."))
    assert "Anna B." in text
    assert "Person 2" not in text


def test_a_signal_is_not_called_poor_before_it_was_judged(tmp_path: Path) -> None:
    times = np.arange(5, 100.0)
    rows = {"hr": 70 + 0 * times, "rmssd": np.full(95, np.nan)}
    heart = physiology.track("body.heart", rows, times, Gap(0, 5, "warm_up"))
    shown = replace(no_numbers(worn([(0, 100, ("stress",))], "stress2", body=1.0)), tracks={"body.heart": heart})
    for at, said in (("0.5", "not judged"), ("20", "100 % of the time")):
        text = dom(tmp_path, shown, f"#t={at}", until="Signal good")
        assert re.search(rf"Signal good\s+{said}", words(text).replace("\u00a0", " "))


def test_maps_of_the_head_follow_the_cursor(tmp_path: Path) -> None:
    """Alpha at the back for ten seconds, in front afterwards; an electrode that does not tell in the last ten."""
    power = np.ones((30, 5, 19))
    power[:10, 2, 17:] = power[10:, 2, :2] = 12.0
    power[20:, :, 4] = np.nan
    shown = heads.mood(power)
    for at, said in ((4.5, "most at O1"), (14.5, "most at Fp1"), (24.5, "not told at the cursor")):
        text = dom(tmp_path, shown, f"#t={at}", until='class="headbar"')
        labels = re.findall(r'role="img" aria-label="(alpha[^"]*)"', text)
        assert len(labels) == 1, labels
        assert said in labels[0]
    assert "Fz does not tell here" in words(text)
