"""One static table a kind: name → module, so that listing imports nothing.

A test holds the tables against the files. Other packages add parts through entry points in the
groups ``moodal.readers``, ``moodal.extractors``, ``moodal.writers``, ``moodal.bundles``, ``moodal.sets``,
``moodal.models``, ``moodal.learners`` (name → module path).
"""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from .bundle import Bundle
from .errors import ModelError, UsageError

__all__ = ["KINDS", "bundle_folders", "bundles", "damaged", "find_bundle", "load", "module_of", "names"]

KINDS: dict[str, dict[str, str]] = {
    "readers": {
        "transcript": "moodal.media.transcript",
        "session": "moodal.media.session",
        "e4": "moodal.media.e4",
        "bids": "moodal.media.bids",
        "edf": "moodal.media.edf",
        "xdf": "moodal.media.xdf",
        "wfdb": "moodal.media.wfdb",
        "muse": "moodal.media.muse",
        "table": "moodal.media.table",
        "still": "moodal.media.still",
        "av": "moodal.media.av",
    },
    "extractors": {
        "face": "moodal.extract.face",
        "voice": "moodal.extract.voice",
        "words": "moodal.extract.words",
        "heart": "moodal.extract.body.heart",
        "ecg": "moodal.extract.body.ecg",
        "ppg": "moodal.extract.body.ppg",
        "skin": "moodal.extract.body.skin",
        "resp": "moodal.extract.body.resp",
        "emg": "moodal.extract.body.emg",
        "temp": "moodal.extract.body.temp",
        "acc": "moodal.extract.body.acc",
        "brain": "moodal.extract.brain",
    },
    "writers": {
        "csv": "moodal.formats.csv",
        "json": "moodal.formats.json",
        "eaf": "moodal.formats.eaf",
        "srt": "moodal.formats.srt",
        "vtt": "moodal.formats.vtt",
        "fex": "moodal.formats.fex",
        "neurokit": "moodal.formats.neurokit",
        "audformat": "moodal.formats.audformat",
    },
    "fusions": {
        "late-v0": "moodal.fuse.late",
        "late-av": "moodal.fuse.late",
        "late-all": "moodal.fuse.late",
    },
    "experts": {
        "face": "moodal.extract.face.expert",
        "eeg_ecg": "moodal.extract.brain.expert",
        "wristband": "moodal.extract.body.expert",
        "voice": "moodal.extract.voice.expert",
        "words": "moodal.extract.words.expert",
    },
    "sets": {
        "eegmat": "moodal.lab.data.sets.eegmat",
        "stress-predict": "moodal.lab.data.sets.stress_predict",
        "wesad": "moodal.lab.data.sets.wesad",
        "case": "moodal.lab.data.sets.case",
        "k-emocon": "moodal.lab.data.sets.k_emocon",
        "ceap-360vr": "moodal.lab.data.sets.ceap360",
        "deap": "moodal.lab.data.sets.deap",
        "dreamer": "moodal.lab.data.sets.dreamer",
        "amigos": "moodal.lab.data.sets.amigos",
        "seed": "moodal.lab.data.sets.seed",
        "seed-iv": "moodal.lab.data.sets.seed_iv",
        "seed-v": "moodal.lab.data.sets.seed_v",
        "seed-vii": "moodal.lab.data.sets.seed_vii",
        "faced": "moodal.lab.data.sets.faced",
        "mahnob": "moodal.lab.data.sets.mahnob",
        "hmc": "moodal.lab.data.sets.hmc",
        "sleep-edf": "moodal.lab.data.sets.sleep_edf",
        "fbm": "moodal.lab.data.sets.fbm",
        "ascertain": "moodal.lab.data.sets.ascertain",
        "goemotions": "moodal.lab.data.sets.goemotions",
        "emobank": "moodal.lab.data.sets.emobank",
        "xed": "moodal.lab.data.sets.xed",
        "isear": "moodal.lab.data.sets.isear",
        "ferplus": "moodal.lab.data.sets.ferplus",
        "apd": "moodal.lab.data.sets.apd",
        "table": "moodal.lab.data.sets.table",
        "meld": "moodal.lab.data.sets.meld",
        "emorynlp": "moodal.lab.data.sets.emorynlp",
        "iemocap": "moodal.lab.data.sets.iemocap",
        "mosi": "moodal.lab.data.sets.mosi",
        "mosei": "moodal.lab.data.sets.mosei",
        "sims": "moodal.lab.data.sets.sims",
        "simsv2": "moodal.lab.data.sets.simsv2",
        "ravdess": "moodal.lab.data.sets.ravdess",
        "crema": "moodal.lab.data.sets.crema",
        "emodb": "moodal.lab.data.sets.emodb",
        "nemo": "moodal.lab.data.sets.nemo",
        "tess": "moodal.lab.data.sets.tess",
        "msp": "moodal.lab.data.sets.msp",
    },
    "models": {
        "early": "moodal.lab.models.early",
        "gated": "moodal.lab.models.gated",
        "late": "moodal.lab.models.late",
        "lsgmer": "moodal.lab.models.lsgmer",
        "mult": "moodal.lab.models.mult",
    },
    # Models that read raw signals, with training of their own.
    "learners": {
        "physioomni": "moodal.lab.train.physioomni",
        "eeg-net": "moodal.lab.train.eeg",
        "physiosync": "moodal.lab.train.physiosync",
    },
}

#: Bundles that ship with moodal lie here, each a file or a folder named after it.
_BUNDLES = Path(__file__).parent.parent / "bundles"


@cache
def _table(kind: str) -> dict[str, str]:
    plugged = {point.name: point.value for point in entry_points(group=f"moodal.{kind}")}
    return {**plugged, **KINDS[kind]}


def names(kind: str) -> tuple[str, ...]:
    """Registered names of a kind, ours first."""
    return tuple(dict.fromkeys((*KINDS[kind], *_table(kind))))


@cache
def bundle_folders() -> tuple[Path, ...]:
    """Folders that hold bundles: ours, then those of other distributions, which name a package whose folder holds
    theirs (entry points in the group ``moodal.bundles``)."""
    return (_BUNDLES, *(_folder(point.value) for point in entry_points(group="moodal.bundles")))


def bundles() -> dict[str, Bundle]:
    """Every bundle that is installed, by name; only manifests are read. One that cannot be read is in `damaged`."""
    return _opened(bundle_folders())[0]


def damaged() -> dict[str, ModelError]:
    """Installed bundles that cannot be read, by the stem of their file, and why: they must not stop what runs without
    them."""
    return _opened(bundle_folders())[1]


@cache
def _opened(folders: tuple[Path, ...]) -> tuple[dict[str, Bundle], dict[str, ModelError]]:
    found: dict[str, Bundle] = {}
    faults: dict[str, ModelError] = {}
    for folder in folders:
        for path in sorted(folder.iterdir()):
            if path.suffix != ".bundle" and not (path / "manifest.json").is_file():
                continue
            try:
                bundle = Bundle.open(path)
            except ModelError as error:
                faults[path.name.removesuffix(".bundle")] = error
            else:
                found.setdefault(bundle.name, bundle)
    return found, faults


def find_bundle(name: str, where: str = "--bundle") -> Bundle:
    """An installed bundle by its name, or the one at a path (a ``.bundle`` file, or a folder of its members).

    Raises
    ------
    UsageError : there is none; the nearest name is told.
    ModelError : it cannot be read.
    """
    known = bundles()
    if name in known:
        return known[name]
    if name in damaged():
        raise damaged()[name]
    path = Path(name)
    if path.suffix == ".bundle" or (path / "manifest.json").is_file():
        return Bundle.open(path)
    near = get_close_matches(name, known, 1, 0.5)
    hint = f"Did you mean {near[0]}? " if near else ""
    raise UsageError(f"unknown bundle {name!r}", where=where, fix=f"{hint}Installed: {', '.join(known)}.")


def _folder(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModelError("names bundles that are not there", where=package, fix="Install it again.")
    return Path(spec.submodule_search_locations[0])


def module_of(kind: str, name: str) -> str:
    """The path of a registered part's module, not loaded; empty where nothing has that name."""
    return _table(kind).get(name, "")


def load(kind: str, name: str) -> ModuleType:
    """The module of a registered part.

    Raises
    ------
    UsageError : nothing of that name.
    """
    table = _table(kind)
    if name not in table:
        raise UsageError(f"unknown {kind[:-1]} {name!r}", fix=f"Known: {', '.join(names(kind))}.")
    return import_module(table[name])
