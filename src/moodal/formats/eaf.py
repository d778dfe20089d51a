"""``--write eaf``: an ELAN document with tiers for each person, and the continuous numbers as a linked table.

Format: EAF 3.0, http://www.mpi.nl/tools/elan/EAFv3.0.xsd. Times are whole milliseconds. Annotations of one tier
never overlap, as ELAN demands of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from moodal.core.mood import Mood
from moodal.core.scheme import scheme
from moodal.core.track import GAP_REASONS

from .files import write_text
from .tables import write_table
from .writer import WriterSpec, media_path, one_line, person, stem

__all__ = ["SPEC"]

#: EAF wants a date; the file says nothing of when it was made, so that the same Mood gives the same bytes.
DATE = "1970-01-01T00:00:00+00:00"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
#: ELAN's own names of the media that it plays.
_MIME = {
    ".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime", ".mpg": "video/mpeg", ".mpeg": "video/mpeg",
    ".webm": "video/webm", ".mkv": "video/x-matroska", ".avi": "video/x-msvideo", ".wav": "audio/x-wav",
    ".mp3": "audio/mpeg", ".flac": "audio/flac", ".ogg": "audio/ogg", ".m4a": "audio/mp4", ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg", ".png": "image/png",
}  # fmt: skip
_CONSTRAINTS = {
    "Time_Subdivision": "Time subdivision of parent annotation's time interval, no time gaps allowed within this "
    "interval",
    "Symbolic_Subdivision": "Symbolic subdivision of a parent annotation. Annotations refering to the same parent "
    "are ordered",
    "Symbolic_Association": "1-1 association with a parent annotation",
    "Included_In": "Time alignable annotations within the parent annotation's time interval, gaps are allowed",
}

#: ``(start, end, text)`` in whole ms.
Row = tuple[int, int, str]


@dataclass(frozen=True)
class _Tier:
    name: str
    participant: str
    kind: str
    rows: list[Row]


def write(mood: Mood, folder: Path) -> list[str]:
    """``STEM.eaf`` and ``STEM.eaf.csv``, the numbers that it links to."""
    table = f"{stem(mood)}.eaf.csv"
    write_table(folder / table, _numbers(mood))
    root = _document(mood, _tiers(mood), media_path(mood, folder), table)
    ET.indent(root, " ")
    text = ET.tostring(root, encoding="unicode", short_empty_elements=True)
    write_text(folder / f"{stem(mood)}.eaf", f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n')
    return []


def _numbers(mood: Mood) -> dict[str, Any]:
    """``time_s`` and for each subject valence and arousal with their intervals, a row a cell of the grid."""
    columns: dict[str, Any] = {"time_s": mood.times}
    for subject in mood.subjects.values():
        for name, rows in (("valence", subject.valence), ("arousal", subject.arousal)):
            for i, suffix in enumerate(("", "_low", "_high")):
                columns[f"{_label(subject.id)}_{name}{suffix}"] = rows[:, i]
    return columns


def _label(subject: str) -> str:
    """``P1``, ``Voice``: the first part of a tier's name."""
    text = one_line(subject) or "Recording"
    return text[:1].upper() + text[1:]


def _tiers(mood: Mood) -> list[_Tier]:
    tiers = []
    for subject in mood.summary()["subjects"]:
        mine, who = subject["id"], person(mood, subject["id"])
        segments = subject["segments"]
        rows: dict[tuple[str, str], list[tuple[float, float, str]]] = {
            ("emotion", mood.scheme): [(s["start_s"], s["end_s"], "|".join(s["label_set"])) for s in segments],
            ("valence", "number"): [(s["start_s"], s["end_s"], _interval(s["valence"])) for s in segments],
            ("arousal", "number"): [(s["start_s"], s["end_s"], _interval(s["arousal"])) for s in segments],
            ("words", "words"): [(w.start, w.end, w.text) for w in mood.words if w.subject == mine],
            ("seen", "seen"): [(a, b, "in view") for a, b in subject["seen"]],
        }
        for modality in mood.modalities:
            gaps = mood.gaps_of(mine, modality)
            rows[f"gaps_{modality}", "gaps"] = [(g.start, g.end, g.reason) for g in gaps]
        tiers += [_Tier(f"{_label(mine)}_{name}", who, kind, _apart(r)) for (name, kind), r in rows.items()]
    known = set(mood.subjects)
    for modality in mood.modalities:
        rest = [(g.start, g.end, g.reason) for g in mood.gaps if g.subject not in known and g.modality == modality]
        if rest:
            tiers.append(_Tier(f"Recording_gaps_{modality}", "", "gaps", _apart(rest)))
    unheard = [(w.start, w.end, w.text) for w in mood.words if w.subject not in known]
    if unheard:
        tiers.append(_Tier("Recording_words", "", "words", _apart(unheard)))
    return tiers


def _interval(value: dict[str, Any]) -> str:
    if value["value"] is None:
        return ""
    return f"{value['value']:+.2f} [{value['low']:+.2f}, {value['high']:+.2f}]"


def _apart(rows: Iterable[tuple[float, float, str]]) -> list[Row]:
    """Rows in whole ms that do not overlap; one that another covers whole joins it, so that no text is lost."""
    found: list[Row] = []
    for start_s, end_s, text in sorted(rows, key=lambda r: (r[0], r[1])):
        clean = one_line(text)
        if not clean:
            continue
        start, end = round(start_s * 1000), round(end_s * 1000)
        if found and start < found[-1][1]:
            start = found[-1][1]
        if end > start:
            found.append((start, end, clean))
        elif found and not found[-1][2].endswith(clean):
            found[-1] = (*found[-1][:2], f"{found[-1][2]} {clean}")
        elif not found:
            found.append((start, start + 1, clean))
    return found


def _document(mood: Mood, tiers: Sequence[_Tier], media: str | None, table: str) -> ET.Element:
    root = ET.Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": f"moodal {mood.provenance.get('moodal', '')}".strip(),
            "DATE": DATE,
            "FORMAT": "3.0",
            "VERSION": "3.0",
            "xmlns:xsi": _XSI,
            "xsi:noNamespaceSchemaLocation": "http://www.mpi.nl/tools/elan/EAFv3.0.xsd",
        },
    )
    header = ET.SubElement(root, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
    recording = one_line(mood.recording)
    if {s.kind for s in mood.streams} & {"picture", "sound"}:
        url = one_line(media or recording)
        kind = _MIME.get(Path(recording).suffix.lower(), "unknown")
        ET.SubElement(
            header, "MEDIA_DESCRIPTOR", {"MEDIA_URL": _uri(url), "RELATIVE_MEDIA_URL": _uri(url), "MIME_TYPE": kind}
        )
    link = {"LINK_URL": _uri(table), "RELATIVE_LINK_URL": _uri(table), "MIME_TYPE": "text/csv"}
    ET.SubElement(header, "LINKED_FILE_DESCRIPTOR", link)
    count = sum(len(t.rows) for t in tiers)
    ET.SubElement(header, "PROPERTY", {"NAME": "lastUsedAnnotationId"}).text = str(count)
    about = "Displayed emotion, not what anybody feels."
    about += "" if mood.calibrated else " Label sets and intervals are not calibrated on people."
    ET.SubElement(header, "PROPERTY", {"NAME": "moodal"}).text = about
    slots = {t: i for i, t in enumerate(sorted({t for tier in tiers for row in tier.rows for t in row[:2]}), 1)}
    order = ET.SubElement(root, "TIME_ORDER")
    for time, number in slots.items():
        ET.SubElement(order, "TIME_SLOT", {"TIME_SLOT_ID": f"ts{number}", "TIME_VALUE": str(time)})
    vocabularies = _vocabularies(mood, tiers)
    entries = {(name, value): f"{name}_{i}" for name, values in vocabularies.items() for i, value in enumerate(values)}
    at = 0
    for tier in tiers:
        attributes = {"LINGUISTIC_TYPE_REF": tier.kind, "TIER_ID": tier.name}
        if tier.participant:
            attributes["PARTICIPANT"] = tier.participant
        element = ET.SubElement(root, "TIER", attributes)
        for start, end, text in tier.rows:
            at += 1
            told = {
                "ANNOTATION_ID": f"a{at}",
                "TIME_SLOT_REF1": f"ts{slots[start]}",
                "TIME_SLOT_REF2": f"ts{slots[end]}",
            }
            if (tier.kind, text) in entries:
                told["CVE_REF"] = entries[tier.kind, text]
            aligned = ET.SubElement(ET.SubElement(element, "ANNOTATION"), "ALIGNABLE_ANNOTATION", told)
            ET.SubElement(aligned, "ANNOTATION_VALUE").text = text
    for kind in (mood.scheme, "number", "words", "seen", "gaps"):
        attributes = {"GRAPHIC_REFERENCES": "false", "LINGUISTIC_TYPE_ID": kind, "TIME_ALIGNABLE": "true"}
        if kind in vocabularies:
            attributes["CONTROLLED_VOCABULARY_REF"] = kind
        ET.SubElement(root, "LINGUISTIC_TYPE", attributes)
    ET.SubElement(
        root,
        "LANGUAGE",
        {
            "LANG_DEF": "http://cdb.iso.org/lg/CDB-00138502-001",
            "LANG_ID": "eng",
            "LANG_LABEL": "English (eng)",
        },
    )
    for name, about in _CONSTRAINTS.items():
        ET.SubElement(root, "CONSTRAINT", {"DESCRIPTION": about, "STEREOTYPE": name})
    for name, values in vocabularies.items():
        vocabulary = ET.SubElement(root, "CONTROLLED_VOCABULARY", {"CV_ID": name})
        ET.SubElement(vocabulary, "DESCRIPTION", {"LANG_REF": "eng"}).text = (
            "reasons why something is missing" if name == "gaps" else scheme(name).source
        )
        for value in values:
            entry = ET.SubElement(vocabulary, "CV_ENTRY_ML", {"CVE_ID": entries[name, value]})
            described = {"LANG_REF": "eng", "DESCRIPTION": GAP_REASONS.get(value, "") if name == "gaps" else ""}
            ET.SubElement(entry, "CVE_VALUE", described).text = value
    return root


def _vocabularies(mood: Mood, tiers: Sequence[_Tier]) -> dict[str, list[str]]:
    """The scheme's classes and after them each set of several that occurs; the closed list of gap reasons."""
    sets = {text for t in tiers if t.kind == mood.scheme for _, _, text in t.rows}
    classes = list(scheme(mood.scheme).classes)
    found = {mood.scheme: [*classes, *sorted(sets - set(classes))], "gaps": list(GAP_REASONS)}
    return {name: values for name, values in found.items() if values}


def _uri(path: str) -> str:
    """A relative path as a URI that is read as a path whatever it holds."""
    from urllib.parse import quote

    text = quote(path, safe="/")
    return text if text.startswith((".", "/")) else f"./{text}"


SPEC = WriterSpec("eaf", "ELAN: tiers for each person, media linked", ("{stem}.eaf", "{stem}.eaf.csv"), write)
