"""Readers of splits: a CSV with a column ``split``, folders of CSVs (torcheeg's among them), EmoBox, audformat."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from moodal.core.errors import InputError, MissingExtra

from .split import Split, SplitFold, Stale, fold_of
from .table import PARTS, Table, part_of, read_csv, read_jsonl, token_of

__all__ = ["read_split"]

_TABLES = (".csv", ".tsv")
#: Folders below the one named that are looked into.
_DEPTH = 4


def read_split(path: Path, index: Path | None = None) -> Split:
    """The split that lies at a path, by its layout; ``index`` is the table of all clips that it was made from.

    Raises
    ------
    InputError : nothing there, or nothing that is a split.
    """
    if not path.exists():
        raise InputError("no such file or folder", where=str(path), fix="Name a split table, or a folder of them.")
    told = Stale(_table(index), whole=True) if index is not None else None
    if path.is_dir():
        if (path / "db.yaml").is_file():
            return _audformat(path, told)
        if any(token_of(p.stem) for p in _below(path, ".jsonl")):
            return _emobox(path, told)
        return _folder(path, told)
    if path.name == "db.yaml":
        return _audformat(path.parent, told)
    if path.suffix.lower() in (".jsonl", ".json"):
        table = read_jsonl(path)
        if "split" in table.names:
            return _one_table(path, table, told)
        return _emobox(path.parent, told)
    table = read_csv(path)
    if "split" not in table.names:
        if token_of(path.stem):
            return _folder(path.parent, told)
        raise InputError(
            f"has no column split (it has: {', '.join(list(table.columns)[:8])})",
            where=str(path),
            fix="Add one that says train, validation or test, or name the folder with a table for each part.",
        )
    return _one_table(path, table, told)


def _table(path: Path) -> Table:
    if not path.is_file():
        raise InputError("no such file", where=str(path), fix="--index takes the table of all clips.")
    return read_jsonl(path) if path.suffix.lower() in (".json", ".jsonl") else read_csv(path)


def _below(folder: Path, *suffixes: str) -> list[Path]:
    found = [p for p in folder.rglob("*") if p.suffix.lower() in suffixes and p.is_file()]
    return sorted(p for p in found if len(p.relative_to(folder).parts) <= _DEPTH)


def _one_table(path: Path, table: Table, told: Stale | None) -> Split:
    column = table.names["split"]
    rows: dict[str, list[int]] = {p: [] for p in PARTS}
    unused = 0
    for i, cell in enumerate(table.columns[column]):
        if not cell.strip():
            unused += 1
            continue
        part = part_of(cell)
        if part is None:
            raise InputError(
                f"row {i + 1}: {column} is {cell!r}",
                where=str(path),
                fix="Say train, validation or test (or leave it empty).",
            )
        rows[part].append(i)
    rows = {p: r for p, r in rows.items() if r}
    _two_parts(path, rows)

    def folds() -> Iterator[SplitFold]:
        numbers = {p: [[i + 1 for i in r]] for p, r in rows.items()}
        yield fold_of("", {p: [table.take(r)] for p, r in rows.items()}, numbers)

    notes = (f"{unused} rows are in no part",) if unused else ()
    return Split(path, "table with a column split", folds, notes, told, (path.parent,))


def _two_parts(path: Path, parts: Any) -> None:
    if len(parts) < 2:
        raise InputError(
            f"holds {'only a ' + next(iter(parts)) + ' part' if parts else 'no part of a split'}",
            where=str(path),
            fix="It takes two of train, validation and test at least.",
        )


# --------------------------------------------------------------------------- folders of CSVs, torcheeg's among them


def _folder(path: Path, told: Stale | None) -> Split:
    by_fold: dict[str, dict[str, list[Path]]] = {}
    rest: list[Path] = []
    for file in _below(path, *_TABLES):
        found = token_of(file.relative_to(path).with_suffix("").as_posix())
        if found is None:
            rest.append(file)
        else:
            by_fold.setdefault(found[1], {}).setdefault(found[0], []).append(file)
    whole = {name: parts for name, parts in sorted(by_fold.items(), key=lambda i: _natural(i[0])) if len(parts) > 1}
    if not whole:
        raise InputError(
            f"holds no split ({len(rest) + sum(map(len, by_fold.values()))} tables, none in pairs of train and test)",
            where=str(path),
            fix="Known: EmoBox, audformat, torcheeg's split folders, train/dev/test tables, a CSV with a column split.",
        )
    notes = [f"{name or 'a fold'} has only a {next(iter(parts))} part: left out"
             for name, parts in by_fold.items() if len(parts) < 2]  # fmt: skip
    first = read_csv(next(iter(next(iter(whole.values())).values()))[0])
    torcheeg = {"subject", "trial"} <= set(first.names) and bool({"clip", "record"} & set(first.names))

    def folds() -> Iterator[SplitFold]:
        for name, parts in whole.items():
            tables = {p: [read_csv(f) for f in files] for p, files in parts.items()}
            yield fold_of(name, tables, within=_per_subject(name, tables), apart=True)

    stale = told or _sibling(path, rest, first, torcheeg)
    layout = "torcheeg split folder" if torcheeg else "folder of tables"
    return Split(path, layout, folds, tuple(notes), stale, (path, path.parent), even=torcheeg)


def _natural(name: str) -> list[Any]:
    return [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in re.split(r"(\d+)", name)]


def _per_subject(name: str, tables: dict[str, list[Table]]) -> bool:
    """torcheeg's experiments for each subject: the fold is named after one, and holds no one else."""
    people = {s for ts in tables.values() for t in ts for s in t.role("subject")}
    return "subject" in name.casefold() and len(people) == 1


def _sibling(path: Path, rest: Sequence[Path], first: Table, torcheeg: bool) -> Stale | None:
    """The table of clips that the folder was made from: in it, or (torcheeg's ``info.csv``) in a folder beside it."""
    groups: dict[str, list[Path]] = {}
    for file in rest:
        if file.stem.casefold() in ("index", "info", "metadata", "clips", "all"):
            groups.setdefault("", []).append(file)
    if torcheeg and not groups:
        for depth in ("", "*/", "*/*/", "*/*/*/"):
            for file in sorted(path.parent.glob(f"{depth}info.csv")):
                if path not in file.parents:
                    groups.setdefault(file.relative_to(path.parent).parts[0], []).append(file)
    key = next((r for r in ("clip", "recording") if r in first.names), None)
    if key is None:
        return None
    wanted, found = set(first.role(key)), []
    for files in groups.values():
        tables = [t for t in map(read_csv, files) if key in t.names]
        if tables:
            shared = [c for c in tables[0].columns if all(c in t.columns for t in tables)]
            joined = Table.of(tables[0].path, {c: [v for t in tables for v in t.columns[c]] for c in shared})
            found.append((len(wanted & set(joined.role(key))), joined))
    if not found:
        return None
    matched, table = max(found, key=lambda f: f[0])
    # Of several data sets side by side, none of which knows half of these clips, none is ours.
    if len(found) > 1 and matched < len(wanted) / 2:
        return None
    return Stale(table, whole=torcheeg)


# --------------------------------------------------------------------------- EmoBox


#: Where names of files tell who speaks, by EmoBox's name of the set (facts from the sets' own descriptions).
_SPEAKERS: dict[str, str] = {
    "ravdess": r"-(\d\d)$",
    "emodb": r"^(?:emodb-)?(\d\d)[ab]\d\d",
    "cremad": r"^(?:cremad-)?(1\d\d\d)_",
    "iemocap": r"^(?:iemocap-)?(Ses\d\d)\w+_([FM])\d\d\d$",
    "savee": r"(DC|JE|JK|KL)_?[a-z]+\d\d$",
    "tess": r"(OAF|YAF)_",
    "cafe": r"^(?:cafe-)?(\d\d)-",
}


def _speakers(table: Table) -> list[str]:
    sets = table.columns.get("dataset", [""] * len(table))
    out = []
    for key, file, name in zip(table.role("clip"), table.role("recording"), sets, strict=True):
        pattern = _SPEAKERS.get(name.casefold().replace("-", "").replace("_", ""))
        found = pattern and (re.search(pattern, key) or re.search(pattern, Path(file).stem))
        out.append("".join(found.groups()) if found else "")
    return out


def _emobox(path: Path, told: Stale | None) -> Split:
    by_fold: dict[str, dict[str, list[Path]]] = {}
    for file in _below(path, ".jsonl"):
        found = token_of(file.stem)
        if found:
            # data/<set>/fold_k/<set>_train_fold_k.jsonl: the set and the fold are what is left of the name.
            key = f"{file.parent.relative_to(path).as_posix()}/{found[1]}".removeprefix("./")
            by_fold.setdefault(key, {}).setdefault(found[0], []).append(file)
    whole = {n: p for n, p in sorted(by_fold.items(), key=lambda i: _natural(i[0])) if len(p) > 1}
    if not whole:
        raise InputError(
            "holds no EmoBox fold",
            where=str(path),
            fix="Named fold_k/SET_train_fold_k.jsonl and SET_test_fold_k.jsonl.",
        )
    made = [n for n, p in whole.items() if "validation" not in p]
    notes = (
        [f"{len(made)} of {len(whole)} folds have no validation part: EmoBox's loader draws one from train"]
        if made
        else []
    )

    def folds() -> Iterator[SplitFold]:
        for name, parts in whole.items():
            yield fold_of(_short(name), {p: [read_jsonl(f) for f in fs] for p, fs in parts.items()}, subjects=_speakers)

    first = next(iter(whole.values()))["train" if "train" in next(iter(whole.values())) else "test"][0]
    sets = sorted({f.parent.parent for p in whole.values() for fs in p.values() for f in fs})
    indices = [d / f"{d.name}.jsonl" for d in sets if (d / f"{d.name}.jsonl").is_file()]
    stale = told
    if stale is None and indices and len(indices) == len(sets):
        tables = [read_jsonl(p) for p in indices]
        keys = [k for k in ("key", "wav") if all(k in t.columns for t in tables)]
        if keys:
            joined = {k: [v for t in tables for v in t.columns[k]] for k in keys}
            stale = Stale(Table.of(indices[0], joined), whole=False)
    roots = tuple(dict.fromkeys([*first.parents][:4]))
    return Split(path, "EmoBox", folds, tuple(notes), stale, roots)


def _short(name: str) -> str:
    """``fold_1/ravdess_fold_1`` says the same twice."""
    return name.rsplit("/", 1)[-1]


# --------------------------------------------------------------------------- audformat


def _audformat(path: Path, told: Stale | None) -> Split:
    header = _header(path / "db.yaml")
    types = {name: str((s or {}).get("type", name)) for name, s in (header.get("splits") or {}).items()}
    by_family: dict[str, dict[str, list[Table]]] = {}
    facts: list[Table] = []
    for name, spec in (header.get("tables") or {}).items():
        table = _audformat_table(path, str(name))
        split = (spec or {}).get("split_id")
        found = token_of(str(name))
        part = part_of(types.get(split, str(split))) if split else (found[0] if found else None)
        if part is None:
            facts.append(table)
        else:
            by_family.setdefault(found[1] if found else str(split and ""), {}).setdefault(part, []).append(table)
    whole = {n: p for n, p in by_family.items() if len(p) > 1}
    if not whole and by_family:
        merged: dict[str, list[Table]] = {}
        for parts in by_family.values():
            for part, tables in parts.items():
                merged.setdefault(part, []).extend(tables)
        whole = {"": merged}
    for parts in whole.values():
        _two_parts(path / "db.yaml", parts)
    if not whole:
        raise InputError(
            "no table of this database belongs to a split",
            where=str(path / "db.yaml"),
            fix="Give tables a split_id, or names that end in train, dev and test.",
        )

    def folds() -> Iterator[SplitFold]:
        for name, parts in whole.items():
            yield fold_of(name, {p: [_told_more(t, facts) for t in ts] for p, ts in parts.items()})

    return Split(path, "audformat", folds, (), told, (path,))


def _header(path: Path) -> dict[str, Any]:
    try:
        import yaml
    except ImportError as error:
        raise MissingExtra("PyYAML", "lab", "reading an audformat database") from error
    try:
        told = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError("is not a readable audformat header", where=str(path)) from error
    if not isinstance(told, dict) or not isinstance(told.get("tables"), dict):
        raise InputError("names no tables", where=str(path), fix="An audformat header has a section tables.")
    return told


def _audformat_table(path: Path, name: str) -> Table:
    file = path / f"db.{name}"
    if (csv := file.with_name(f"{file.name}.csv")).is_file():
        return read_csv(csv)
    parquet = file.with_name(f"{file.name}.parquet")
    if not parquet.is_file():
        why = "is a pickle, which is never opened" if file.with_name(f"{file.name}.pkl").is_file() else "is not there"
        raise InputError(f"table {name} {why}", where=str(path), fix="Save it with storage_format='csv' or 'parquet'.")
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(parquet)
    except (pa.ArrowException, OSError) as error:
        raise InputError("is not a readable table", where=str(parquet)) from error
    columns = {}
    for field in table.schema:
        values = table[field.name]
        if pa.types.is_duration(field.type):
            unit = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}[field.type.unit]
            columns[field.name] = [
                "" if v is None else f"{v * unit:.9g}" for v in pc.cast(values, pa.int64()).to_pylist()
            ]
        else:
            columns[field.name] = ["" if v is None else str(v) for v in values.to_pylist()]
    if not len(table):
        raise InputError("has no rows", where=str(parquet))
    return Table.of(parquet, columns)


def _told_more(table: Table, facts: Sequence[Table]) -> Table:
    """The table with who speaks (and so on) from tables of the whole database, by file."""
    columns = dict(table.columns)
    for other in facts:
        if "recording" not in other.names:
            continue
        for role in ("subject", "session", "dialogue", "stimulus", "text"):
            if role in other.names and other.names[role] not in columns:
                by_file = dict(zip(other.role("recording"), other.role(role), strict=True))
                columns[other.names[role]] = [by_file.get(f, "") for f in table.role("recording")]
    return Table.of(table.path, columns)
