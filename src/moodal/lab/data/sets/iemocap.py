"""IEMOCAP: ten actors in five sessions of two, scripted and improvised, rated by several people."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from moodal.core.errors import InputError
from moodal.lab.data.dataset import Dataset
from moodal.lab.data.index import Index
from moodal.lab.data.labels import Labels
from moodal.lab.data.media import content_of
from moodal.lab.data.spec import SetSpec, find, lacking
from moodal.lab.data.told import checked, mapped, plain
from moodal.lab.data.twin import Truth, tone, write

__all__ = ["CODES", "EKMAN8", "GROUPS", "SPEC", "generate", "read"]

SPEC = SetSpec(
    name="iemocap",
    title="IEMOCAP",
    modalities=("audio", "text", "video"),
    labels=("emotion", "ekman8", "votes", "dimensions"),
    licence="by signed release form of the University of Southern California: research only",
    commercial="no",
    where="ask for it at https://sail.usc.edu/iemocap/ (a signed form; answers take days).",
    layout="Session1 … Session5, each with dialog/EmoEvaluation/*.txt, dialog/transcriptions/*.txt, "
    "sentences/wav/DIALOG/UTTERANCE.wav",
    source="Busso et al. 2008, Language Resources and Evaluation 42; layout: the README of the release",
)

#: Codes of the files' majority label.
CODES = {
    "neu": "neutral", "hap": "happiness", "exc": "excited", "sad": "sadness", "ang": "anger", "fru": "frustration",
    "sur": "surprise", "fea": "fear", "dis": "disgust", "oth": "other", "xxx": "no agreement",
}  # fmt: skip
EKMAN8 = {c: c for c in ("neutral", "happiness", "sadness", "anger", "surprise", "fear", "disgust")}
#: What ``classes`` may be: the class that each kept label goes to. ``4`` is the usual benchmark, ``6`` that of
#: emotion recognition in conversations.
GROUPS: dict[str, dict[str, str]] = {
    "all": {c: c for c in CODES.values()},
    "4": {"neutral": "neutral", "happiness": "happiness", "excited": "happiness", "anger": "anger",
          "sadness": "sadness"},
    "5": {c: c for c in ("neutral", "happiness", "excited", "anger", "sadness")},
    "6": {c: c for c in ("happiness", "sadness", "neutral", "anger", "excited", "frustration")},
}  # fmt: skip
#: Categories of single raters; the files write "Neutral state" and "Neutral".
_RATED = ("neutral", "happiness", "sadness", "anger", "surprise", "fear", "disgust", "frustration", "excited", "other")
_DIMENSIONS = ("valence", "arousal", "dominance")

_LINE = re.compile(r"\[(?P<start>[\d.]+) - (?P<end>[\d.]+)\]\t(?P<clip>\S+)\t(?P<code>\S+)\t\[(?P<vad>[^\]]*)\]\s*")
_CLIP = re.compile(r"(?P<dialogue>Ses(?P<session>0[1-5])[FM]_(?P<scene>(?:impro|script)\d\d\w*))_(?P<sex>[FM])\w+")
_SAID = re.compile(r"(?P<clip>\S+) \[[\d.]+-[\d.]+\]: (?P<text>.*)")

Row = dict[str, str]


def read(root: Path | str | None = None, classes: str = "all") -> Dataset:
    """The rated utterances in the order of their dialogues; ``root`` is the folder that holds ``Session1`` ….

    ``classes``: ``all``, or ``4``, ``5``, ``6`` as benchmarks choose them (`GROUPS`); other rows are left out. Labels:
    ``emotion`` (majority), ``votes`` (shares of the outside raters), ``dimensions`` (means of 1 to 5). ``stimulus`` is
    the script, which recurs in every session; ``style`` says improvised or scripted. ``start_s`` and ``end_s`` are
    seconds in the utterance's own file where that is there; ``dialog_start_s`` and ``dialog_end_s`` in the dialogue.

    Raises
    ------
    InputError : a part is not there, or a line that has another label, times or values than its form allows.
    """
    checked("classes", classes, tuple(GROUPS), SPEC.name)
    path, _ = find(SPEC, root)
    sessions = [path / f"Session{k}" for k in range(1, 6)]
    for session in sessions:
        for part in (session, session / "dialog" / "EmoEvaluation", session / "dialog" / "transcriptions"):
            if not part.is_dir():
                raise lacking(SPEC, str(part.relative_to(path)), path)
    told: list[Row] = []
    unread = 0
    for session in sessions:
        texts, lost = _transcripts(session)
        unread += lost
        for file in sorted((session / "dialog" / "EmoEvaluation").glob("Ses*.txt")):
            told += _turns(file, session, texts)
    kept = [row for row in told if row["emotion"] in GROUPS[classes]]
    if not kept:
        raise InputError(f"has no utterance of the classes {classes!r}", where=str(path), fix="Check the folder.")
    notices = [f"{unread} lines of transcripts are of another form and were left out"] if unread else []
    if lost := sum(not row["recording"] for row in kept):
        notices.append(f"{lost} of {len(kept)} utterances have no sound here")
    return Dataset(_index(kept, classes, notices), {})


def _index(kept: Sequence[Row], classes: str, notices: Sequence[str]) -> Index:
    group = GROUPS[classes]
    emotions = [row["emotion"] for row in kept]
    names = tuple(dict.fromkeys(group.values()))
    votes = np.array([[float(v) for v in row["votes"].split()] for row in kept])
    vad = np.array([[float(v) for v in row["vad"].split()] for row in kept])
    columns = {c: [row[c] for row in kept] for c in kept[0] if c not in ("emotion", "votes", "vad")}
    return Index.build(
        SPEC.name, columns,
        {
            "emotion": Labels.of_classes([group[e] for e in emotions], names, source=emotions),
            "ekman8": mapped(emotions, EKMAN8 | ({"excited": "happiness"} if classes == "4" else {})),
            "votes": Labels("distribution", _RATED, votes, source=tuple(row["votes"] for row in kept)),
            "dimensions": Labels("continuous", _DIMENSIONS, vad, units="1 to 5",
                                 source=tuple(row["vad"] for row in kept)),
        },
        terms=SPEC.licence, notices=notices,
    )  # fmt: skip


def _text(file: Path) -> list[str]:
    # The release is Latin-1 at heart: every byte is a character, so that damage shows in the form of a line.
    try:
        return file.read_bytes().decode("latin-1").splitlines()
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(file), fix="Get it again.") from error


def _transcripts(session: Path) -> tuple[dict[str, str], int]:
    """What was said, by utterance, and how many lines are of another form."""
    said: dict[str, str] = {}
    lost = 0
    for file in sorted((session / "dialog" / "transcriptions").glob("Ses*.txt")):
        for line in _text(file):
            match = _SAID.fullmatch(line.strip())
            if match:
                said[match["clip"]] = plain(match["text"])
            lost += match is None and bool(line.strip())
    return said, lost


def _blocks(file: Path) -> Iterator[tuple[int, re.Match[str], list[str]]]:
    """Each rated turn: its line's number from 1, the line, and the raters' lines that follow it."""
    lines = _text(file)
    heads = [(i, m) for i, line in enumerate(lines) if (m := _LINE.fullmatch(line))]
    for i, line in enumerate(lines):
        if line.startswith("[") and not _LINE.fullmatch(line):
            raise InputError(f"line {i + 1} is not [START - END], name, label, [v, a, d]", where=str(file))
    for k, (i, match) in enumerate(heads):
        yield i + 1, match, lines[i + 1 : heads[k + 1][0] if k + 1 < len(heads) else None]
    if not heads:
        raise InputError("has no rated turn", where=str(file), fix="Get the file again.")


def _turns(file: Path, session: Path, texts: Mapping[str, str]) -> list[Row]:
    told: list[Row] = []
    for line, match, raters in _blocks(file):
        name = _CLIP.fullmatch(match["clip"])
        if match["code"] not in CODES or name is None:
            what = f"labelled {match['code']!r}" if name else f"called {match['clip']!r}"
            raise InputError(f"line {line} is {what}", where=str(file), fix=f"Known labels: {', '.join(CODES)}.")
        try:
            start, end = float(match["start"]), float(match["end"])
            vad = [float(v) for v in match["vad"].split(",")]
        except ValueError:
            vad = []
        if len(vad) != 3:
            raise InputError(f"line {line} has times or ratings that are no numbers", where=str(file))
        wav = session / "sentences" / "wav" / name["dialogue"] / f"{match['clip']}.wav"
        there = wav.is_file()
        scene = re.sub(r"(?<=\d)[a-z]+$", "", name["scene"])
        told.append({
            "clip": match["clip"], "recording": str(wav) if there else "",
            "content": content_of(str(wav)) if there else "", "subject": f"Ses{name['session']}_{name['sex']}",
            "session": session.name, "dialogue": name["dialogue"], "text": texts.get(match["clip"], ""),
            "stimulus": scene if scene.startswith("script") else "",
            "style": "scripted" if scene.startswith("script") else "improvised",
            "sex": "female" if name["sex"] == "F" else "male", "language": "en",
            "start_s": f"{0 if there else start:.4f}", "end_s": f"{end - start if there else end:.4f}",
            "dialog_start_s": f"{start:.4f}", "dialog_end_s": f"{end:.4f}",
            "emotion": CODES[match["code"]], "vad": " ".join(f"{v:g}" for v in vad), "votes": _votes(raters),
        })  # fmt: skip
    told.sort(key=lambda row: (float(row["dialog_start_s"]), row["clip"]))
    for turn, row in enumerate(told):
        row["turn"] = str(turn)
    return told


def _votes(raters: Sequence[str]) -> str:
    """Shares by category; a rater who names several gives each an equal part. Self-reports (C-F, C-M) do not count."""
    shares = np.zeros(len(_RATED))
    for line in raters:
        who, _, told = line.partition(":")
        if not who.startswith("C-E"):
            continue
        named = [t.strip().lower().removesuffix(" state") for t in told.split("(")[0].split(";")]
        named = [t if t in _RATED else "other" for t in named if t]
        for t in named:
            shares[_RATED.index(t)] += 1 / len(named)
    with np.errstate(invalid="ignore"):
        return " ".join(f"{v:.12g}" for v in shares / shares.sum())


def generate(root: Path, seed: int = 0) -> Truth:
    """Five sessions, an improvised and a scripted dialogue each, four turns a dialogue."""
    rng = np.random.default_rng(seed)
    codes = [c for c in CODES if c != "xxx"]
    clips, subjects, emotions, votes, dimensions = [], [], [], [], []
    for session in range(1, 6):
        home = root / f"Session{session}"
        for dialogue in (f"Ses0{session}F_impro01", f"Ses0{session}M_script01_1"):
            rated = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""]
            said = []
            for turn in range(4):
                sex = "FM"[turn % 2]
                code = (
                    codes[int(rng.integers(len(codes)))] if turn else ("neu", "hap", "ang", "sad", "exc")[session - 1]
                )
                clip = f"{dialogue}_{sex}{turn // 2:03d}"
                start, end = 6.0 + 3 * turn, 8.5 + 3 * turn
                vad = np.round(rng.uniform(1, 5, 3), 4)
                word = CODES[code].capitalize() if code != "neu" else "Neutral state"
                rated += [
                    f"[{start:.4f} - {end:.4f}]\t{clip}\t{code}\t[{', '.join(f'{v:.4f}' for v in vad)}]",
                    f"C-E2:\t{word};\t()", f"C-E3:\t{word};\t()", "C-E4:\tAnger; Frustration;\t()",
                    f"C-{sex}1:\tOther;\t(curious)", "A-E3:\tval 3; act 2; dom  2;\t()", "",
                ]  # fmt: skip
                said.append(f"{clip} [{start:08.4f}-{end:08.4f}]: That is {CODES[code]}.")
                share = np.zeros(len(_RATED))
                share[_RATED.index(CODES[code])] += 2 / 3
                for other in ("anger", "frustration"):
                    share[_RATED.index(other)] += 1 / 6
                clips.append(clip)
                subjects.append(f"Ses0{session}_{sex}")
                emotions.append(CODES[code])
                votes.append(tuple(share.tolist()))
                dimensions.append(tuple(vad.tolist()))
                write(home / "sentences" / "wav" / dialogue / f"{clip}.wav", tone(1000 * seed + len(clips)))
            write(home / "dialog" / "EmoEvaluation" / f"{dialogue}.txt", "\n".join(rated))
            write(home / "dialog" / "transcriptions" / f"{dialogue}.txt", "\n".join([*said, "M: [laughs]"]))

    def spoil(where: Path) -> str:
        file = where / "Session1" / "dialog" / "EmoEvaluation" / "Ses01F_impro01.txt"
        write(file, file.read_text(encoding="latin-1").replace("\tneu\t", "\tjoy\t", 1))
        return "line 3 is labelled 'joy'"

    labels: dict[str, Sequence[Any]] = {"emotion": emotions, "ekman8": [EKMAN8.get(e, "") for e in emotions]}
    labels |= {"votes": votes, "dimensions": dimensions}
    return Truth(
        clips, subjects, [""] * len(clips), labels,
        parts=["Session4", "Session2/dialog/EmoEvaluation", "Session2/dialog/transcriptions"],
        tables=["Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"], spoil=spoil,
    )  # fmt: skip
