"""What the page's file holds: plain text, packed numbers, policy; and nothing that it must not."""

from __future__ import annotations

import base64
import hashlib
import html as html_module
import json
import re
import zlib
from dataclasses import replace
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from moodal import page
from moodal.core.errors import OutputError
from moodal.core.mood import Mood, Word
from moodal.core.scheme import scheme
from moodal.page import build, pack, story
from moods import make_mood
from page_moods import STATES, text_mood

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>{{script}}&amp;\u2028\"'"


def element(page_text: str, name: str) -> str:
    found = re.search(rf'<script[^>]*id="{name}">(.*?)</script>', page_text, re.S)
    assert found is not None
    return found[1]


def data(page_text: str) -> dict:  # type: ignore[type-arg]
    return json.loads(element(page_text, "data"))  # type: ignore[no-any-return]


class Visible(HTMLParser):
    """The words a reader sees without script."""

    def __init__(self) -> None:
        super().__init__()
        self.skip, self.words, self.tags, self.attributes = 0, [], [], []  # type: ignore[var-annotated]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, k, v or "") for k, v in attrs]
        self.skip += tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self.skip -= tag in ("script", "style")

    def handle_data(self, text: str) -> None:
        if not self.skip:
            self.words.append(text)


def read(page_text: str) -> Visible:
    visible = Visible()
    visible.feed(page_text)
    return visible


@pytest.mark.parametrize("state", STATES)
def test_every_state_renders_the_same_twice(state: str) -> None:
    first = page.render(STATES[state]())
    assert first == page.render(STATES[state]())
    assert "{{" not in first.split('id="data"')[0]


@pytest.mark.parametrize("state", STATES)
def test_forbidden_words(state: str) -> None:
    visible = " ".join(read(page.render(STATES[state]())).words).replace(build.words.ABOUT, "")
    scripts = " ".join(re.findall(r'"[^"\n]*"|`[^`]*`', build.script())).replace(build.words.ABOUT, "")
    for text in (visible, scripts):
        for word in ("feels", "detected", "confidence", "true emotion", "no emotion", "abnormal", "mood of"):
            assert word not in text.lower(), word
        assert "!" not in visible
        assert not re.search("[\U0001f300-\U0001faff\u2600-\u26ff]", text)


@pytest.mark.parametrize("state", [s for s in STATES if s != "calibrated"])
def test_without_calibration_nothing_is_per_cent_or_a_probability(state: str) -> None:
    visible = " ".join(read(page.render(STATES[state]())).words)
    assert "%" not in visible
    assert "probab" not in visible
    assert "9 of 10" not in visible
    assert "not calibrated" in visible


def test_calibrated_bundles_state_their_coverage() -> None:
    mood = make_mood(calibrated=True)
    fusion = {
        **mood.provenance["fusion"],
        "calibration": {"level": 0.9, "observed": 0.88, "on": "120 people it had not seen"},
    }
    visible = " ".join(read(page.render(replace(mood, provenance={**mood.provenance, "fusion": fusion}))).words)
    assert "90\u00a0% sets held 88\u00a0% of the time on 120 people it had not seen" in visible


def hostile_mood() -> Mood:
    mood = make_mood(recording=HOSTILE, persons=1)
    said = tuple(Word(i * 0.4, i * 0.4 + 0.3, HOSTILE, "p1") for i in range(3))
    return replace(
        mood,
        words=said,
        warnings=(HOSTILE,),
        provenance={
            **mood.provenance,
            "recording": {"name": HOSTILE, "sha256": HOSTILE},
            "settings": {"only": [HOSTILE]},
        },
        models=({"name": HOSTILE, "version": HOSTILE, "licence": HOSTILE, "commercial": False},),
    )


def test_hostile_text_stays_text() -> None:
    text = page.render(hostile_mood(), media=build._url(Path("../" + HOSTILE.replace("/", ""))))
    visible, plain = read(text), read(page.render(make_mood(persons=1)))
    assert visible.tags.count("script") == plain.tags.count("script") == 5
    assert "img" not in visible.tags
    assert not [a for a in visible.attributes if a[1].startswith("on")]
    assert data(text)["recording"] == HOSTILE
    assert data(text)["words"]["x"] == [HOSTILE] * 3
    assert "\u2028" not in element(text, "data")
    assert html_module.escape(HOSTILE) in text
    assert "alert(1)</script>" not in text


def test_subject_names_are_escaped_too() -> None:
    mood = make_mood(persons=1)
    subject = replace(mood.subjects["p1"], id=HOSTILE)
    gaps = tuple(replace(g, subject=HOSTILE) for g in mood.gaps)
    text = page.render(replace(mood, subjects={HOSTILE: subject}, gaps=gaps, words=(), tracks={}))
    assert read(text).tags.count("script") == 5
    assert "img" not in read(text).tags


def test_policy_names_no_outside_origin_and_hashes_what_is_there() -> None:
    text = page.render(make_mood())
    policy = html_module.unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1])  # type: ignore[index]
    assert policy.startswith("default-src 'none'; ")
    assert not re.search(r"https?:|unsafe|\*", policy)
    assert "base-uri 'none'" in policy
    script = re.findall(r"<script>(.*?)</script>", text, re.S)
    style = re.findall(r"<style>(.*?)</style>", text, re.S)
    assert len(script) == len(style) == 1
    for body in (script[0], style[0]):
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert not [a for a in read(text).attributes if a[1] == "style"]


def test_nothing_comes_from_the_network() -> None:
    text = page.render(make_mood())
    urls = set(re.findall(r"https?://[^\s\"'<>)]+", text))
    assert urls <= {"http://www.w3.org/2000/svg"}  # a namespace, never fetched
    assert not re.search(
        r"@import|url\(|innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|fetch\(|XMLHttp", text
    )
    assert not [a for a in read(text).attributes if a[1] == "src"]


def test_scripts_are_short_and_all_of_them_are_shipped() -> None:
    files = {
        f.name.removesuffix(".js"): f.read_text(encoding="utf-8")
        for f in (resources.files("moodal.page") / "js").iterdir()
    }
    assert set(files) == set(build.SCRIPTS)
    assert all(len(body.splitlines()) < 400 for body in files.values())
    assert all("</script" not in body and "<!--" not in body for body in files.values())


@pytest.mark.parametrize("state", STATES)
def test_page_agrees_with_the_mood(state: str) -> None:
    mood = STATES[state]()
    held = data(page.render(mood))
    assert [s["id"] for s in held["subjects"]] == list(mood.subjects)
    for row, subject in zip(held["subjects"], mood.subjects.values(), strict=True):
        assert row["told_s"] + row["cannot_s"] == pytest.approx(mood.duration_s, abs=1e-3)
        assert sum(b - a for a, b, _ in row["fused"]) / 1000 == pytest.approx(
            row["cannot_s"], abs=0.002 * len(row["fused"]) + 1e-3
        )
        assert row["told_s"] == pytest.approx(story.sums(mood, subject).told, abs=1e-3)
    assert len(held["gaps"]["r"]) == len(mood.gaps)
    assert held["words"]["x"] == [w.text for w in mood.words]


def unpacked(text: str, row: dict, columns: int) -> np.ndarray:  # type: ignore[type-arg]
    raw = np.frombuffer(zlib.decompress(base64.b64decode(element(text, "grid"))), np.uint8)
    block = raw[row["at"] : row["at"] + columns * row["n"]].reshape(columns, row["n"])
    return np.cumsum(block, axis=1, dtype=np.uint8)


def test_packed_numbers_are_the_moods_to_two_decimals() -> None:
    mood = make_mood()
    text = page.render(mood)
    labels = pack.classes_shown(mood)
    order = [scheme("ekman8").classes.index(c) for c in labels]
    for row, subject in zip(data(text)["subjects"], mood.subjects.values(), strict=True):
        columns = unpacked(text, row, 1 + 6 + 8 + 1 + 3 + 3)
        told = subject.told
        assert np.array_equal(columns[0].astype(bool), told)
        for i in range(3):
            assert np.allclose((columns[1 + i][told].astype(float) - 128) / 100, subject.valence[told, i], atol=0.0051)
            assert np.allclose((columns[4 + i][told].astype(float) - 128) / 100, subject.arousal[told, i], atol=0.0051)
        assert not columns[1][~told].any()
        assert np.allclose(columns[7:15, told].T / 100, subject.classes["ekman8"][told][:, order], atol=0.0051)
        bits = columns[15][:, None] >> np.arange(8) & 1
        assert np.array_equal(bits.astype(bool), subject.label_set["ekman8"][:, order])
        assert np.allclose(columns[16][told] / 100, subject.support["face"][told], atol=0.0051)


def test_long_recordings_show_the_least_sure_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    mood = make_mood(duration_s=30.05, persons=1)
    monkeypatch.setattr(pack, "MAX_CELLS", 100)
    text = page.render(mood)
    row, subject = data(text)["subjects"][0], mood.subjects["p1"]
    factor = round(data(text)["step"] / mood.step_s)
    assert factor == 4
    columns = unpacked(text, row, 22)
    for j in range(row["n"]):
        cells = slice(j * factor, (j + 1) * factor)
        told = subject.told[cells]
        assert bool(columns[0][j]) == bool(told.all())
        if told.all():
            assert int(columns[15][j]).bit_count() == subject.label_set["ekman8"][cells].sum(1).max()
            assert (int(columns[2][j]) - 128) / 100 == pytest.approx(subject.valence[cells, 1].min(), abs=0.0051)
            assert (int(columns[3][j]) - 128) / 100 == pytest.approx(subject.valence[cells, 2].max(), abs=0.0051)


def test_two_hours_stay_under_three_megabytes() -> None:
    said = tuple("so we went down to the river and sat there until it was dark." for _ in range(1400))
    mood = make_mood(duration_s=7200, persons=1, sentences=said)
    assert len(mood.times) == 72_000
    assert len(page.render(mood).encode()) < 3_000_000


def test_no_script_readers_get_sentence_segments_gaps_and_provenance() -> None:
    mood = make_mood()
    visible = " ".join(read(page.render(mood)).words)
    for text in ("Person\u00a01", "Every stretch of like state", "Every gap, and why", "face covered", "late-v0",
                 "Apache-2.0", "commercial use allowed", "diagnosis", "It is not what a person feels."):  # fmt: skip
        assert text in visible
    rows = re.findall(r"<tr>", page.render(mood))
    summary = mood.summary()
    fused = sum(len(story.fused_gaps(mood, s)) for s in mood.subjects.values())
    assert len(rows) == 2 + sum(len(s["segments"]) for s in summary["subjects"]) + len(mood.gaps) + fused


def test_links_of_the_sentence_move_the_cursor() -> None:
    text = page.render(make_mood(duration_s=300, calibrated=True))
    links = re.findall(r'href="#t=([\d.]+)&amp;p=(p\d)"', text)
    assert links
    assert all(0 <= float(t) <= 300 for t, _ in links)


def test_provenance_is_machine_readable() -> None:
    mood = make_mood()
    held = json.loads(element(page.render(mood), "provenance"))
    assert held["recording"]["sha256"] == mood.provenance["recording"]["sha256"]
    assert held["settings_sha256"] == mood.provenance["settings_sha256"]
    summary = json.loads(element(page.render(replace(mood, timing={"load_s": 1.0})), "summary"))
    assert "timing" not in summary
    assert summary["subjects"][0]["segments"] == json.loads(json.dumps(mood.summary()["subjects"][0]["segments"]))


def test_the_footer_names_modalities_only_where_some_were_left_out() -> None:
    def settings(*only: str) -> str:
        mood = make_mood()
        told = {**mood.provenance, "settings": {"only": list(only), "schemes": ["ekman8"]}}
        return page.render(replace(mood, provenance=told)).split('class="provenance"')[1].split("</p>")[0]

    assert "settings: schemes ekman8" in settings("face", "voice", "words", "body", "brain")
    assert "settings: only face; schemes ekman8" in settings("face")


def test_text_page_has_no_seconds() -> None:
    visible = " ".join(read(page.render(text_mood())).words)
    assert "3\u00a0sentences" in visible
    assert not re.search(r"\d:\d\d", visible)


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("../talk.mp4", "../talk.mp4"),
        ("a b#c?.mp4", "./a%20b%23c%3F.mp4"),
        ("http:x", "./http%3Ax"),
        ("../ü%.mp4", "../%C3%BC%25.mp4"),
    ],
)
def test_recording_is_a_relative_path_whatever_its_name(path: str, url: str) -> None:
    assert build._url(Path(path)) == url


def test_write_is_whole_and_names_the_folder_when_it_cannot(tmp_path: Path) -> None:
    page.write(make_mood(), tmp_path, media=Path("../talk.mp4"))
    assert [p.name for p in tmp_path.iterdir()] == ["index.html"]
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert text == page.render(make_mood(), media="../talk.mp4")
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(OutputError):
        page.write(make_mood(), blocked, media=None)
