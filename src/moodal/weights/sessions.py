"""Networks ready to run, one thread each: a second thread does not pay for nets this small."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

from moodal.core.errors import ModelError

from .cache import path

__all__ = ["litert", "onnx", "onnx_graph"]

_stderr = Lock()


@contextmanager
def _quiet() -> Iterator[None]:
    """Standard error closed to native libraries that greet there while they load."""
    with _stderr:
        try:
            kept = os.dup(2)
        except OSError:  # a program without standard error has nothing to keep quiet
            yield
            return
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(sink)


def _fault(name: str, error: Exception) -> ModelError:
    if isinstance(error, ImportError):
        return ModelError(f"{name} needs a package that does not load ({error})", fix="Run: moodal doctor")
    return ModelError(f"{name} cannot be run ({str(error)[:200]})", fix=f"Run: moodal models pull {name}")


def litert(name: str) -> Any:
    """An allocated LiteRT interpreter of a model.

    Raises
    ------
    ModelError : not installed, damaged, or not runnable.
    """
    file = path(name)
    try:
        with _quiet():
            from ai_edge_litert.interpreter import Interpreter

            interpreter = Interpreter(model_path=str(file), num_threads=1)
            interpreter.allocate_tensors()
    except (ImportError, ValueError, RuntimeError) as error:
        raise _fault(name, error) from error
    return interpreter


def onnx(name: str) -> Any:
    """An ONNX Runtime session of a model, on the CPU.

    Raises
    ------
    ModelError : not installed, damaged, or not runnable.
    """
    file = path(name)
    try:
        return _session(str(file))
    except Exception as error:  # onnxruntime raises types of its own, none of them public
        raise _fault(name, error) from error


def onnx_graph(graph: bytes, where: str) -> Any:
    """An ONNX Runtime session of a graph in memory (a bundle's); ``where`` names it in errors.

    Raises
    ------
    ModelError : it is no graph that runs here.
    """
    try:
        return _session(graph)
    except Exception as error:  # as above
        raise ModelError(
            f"its graph cannot be run ({str(error)[:200]})", where=where, fix="Export it again."
        ) from error


def _session(graph: str | bytes) -> Any:
    with _quiet():
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
