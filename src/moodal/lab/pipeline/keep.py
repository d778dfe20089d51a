"""Fitted estimators as JSON and plain arrays. Nothing is unpickled: only classes of scikit-learn are made again.

An object is written as its class and its state; arrays go beside, by number. Reading makes an object of the named class
(which must live in ``sklearn``) and gives it that state back; no function is called that the file names, and only
compiled classes of a few rooms are made with arguments.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from moodal.core.errors import ModelError, UsageError

__all__ = ["read", "write"]

Arrays = dict[str, npt.NDArray[Any]]

#: Rooms of scikit-learn whose compiled classes are made by arguments, not by `__new__` alone.
_MADE = ("sklearn.tree._tree", "sklearn.neighbors._kd_tree", "sklearn.neighbors._ball_tree", "sklearn._loss.")


def write(value: Any, arrays: Arrays) -> Any:
    """What JSON holds of a value; its arrays are put into ``arrays``.

    Raises
    ------
    UsageError : something that is neither plain nor scikit-learn's.
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if np.isfinite(value) else {"float": repr(value)}
    if isinstance(value, np.ndarray):
        if value.dtype == object:
            return {"objects": [write(v, arrays) for v in value.ravel().tolist()], "shape": list(value.shape)}
        key = f"a{len(arrays)}"
        arrays[key] = value
        return {"array": key}
    if isinstance(value, np.generic):
        key = f"a{len(arrays)}"
        arrays[key] = np.asarray(value)
        return {"scalar": key}
    if isinstance(value, np.dtype):
        return {"dtype": value.str}
    if isinstance(value, (np.random.RandomState, np.random.Generator)):
        return {"random": isinstance(value, np.random.Generator)}  # used while fitting alone
    if isinstance(value, dict):
        return {"dict": [[write(k, arrays), write(v, arrays)] for k, v in value.items()], "of": type(value).__name__}
    if isinstance(value, (list, tuple)):
        return {"tuple" if isinstance(value, tuple) else "list": [write(v, arrays) for v in value]}
    if isinstance(value, type) and value.__module__.startswith(("sklearn.", "numpy")):
        return {"class": f"{value.__module__}:{value.__qualname__}"}
    kind = type(value)
    if kind.__module__.split(".")[0] != "sklearn":
        raise UsageError(
            f"a {kind.__module__}.{kind.__qualname__} cannot be saved without a pickle", where="fit",
            fix="Use an estimator of scikit-learn.",
        )  # fmt: skip
    name = f"{kind.__module__}:{kind.__qualname__}"
    if kind.__module__.startswith(_MADE) or not hasattr(value, "__dict__"):
        reduced = value.__reduce__()
        maker, arguments, *rest = reduced
        made = [write(a, arrays) for a in arguments] if maker is kind else None
        return {"object": name, "made": made, "state": write(rest[0] if rest else None, arrays)}
    state = value.__dict__
    return {
        "object": name,
        "made": None,
        "state": write({k: v for k, v in state.items() if k != "random_state_"}, arrays),
    }


def read(told: Any, arrays: Arrays) -> Any:
    """The value that was written.

    Raises
    ------
    ModelError : it names a class that is not scikit-learn's, or is damaged.
    """
    if not isinstance(told, dict):
        return told
    if "float" in told:
        return float(told["float"])
    if "array" in told:
        return arrays[told["array"]]
    if "scalar" in told:
        return arrays[told["scalar"]][()]
    if "objects" in told:
        out = np.empty(len(told["objects"]), object)
        for k, v in enumerate(told["objects"]):
            out[k] = read(v, arrays)
        return out.reshape(told["shape"])
    if "dtype" in told:
        return np.dtype(told["dtype"])
    if "random" in told:
        return np.random.default_rng(0) if told["random"] else np.random.RandomState(0)
    if "dict" in told:
        return {read(k, arrays): read(v, arrays) for k, v in told["dict"]}
    if "list" in told:
        return [read(v, arrays) for v in told["list"]]
    if "tuple" in told:
        return tuple(read(v, arrays) for v in told["tuple"])
    if "class" in told:
        return _class(told["class"])
    if "object" not in told:
        raise ModelError("is damaged", where="pipeline.json", fix="Fit it again.")
    kind = _class(told["object"])
    if not kind.__module__.startswith("sklearn.") or (
        told["made"] is not None and not kind.__module__.startswith(_MADE)
    ):
        raise ModelError(f"makes a {told['object']}", where="pipeline.json", fix="Do not use it.")
    made = kind(*(read(a, arrays) for a in told["made"])) if told["made"] is not None else kind.__new__(kind)
    state = read(told["state"], arrays)
    if state is not None:
        if hasattr(made, "__dict__") and isinstance(state, dict):
            made.__dict__.update(state)
        else:
            made.__setstate__(state)
    return made


def _class(name: str) -> Any:
    module, _, kind = name.partition(":")
    if module.split(".")[0] not in ("sklearn", "numpy"):
        raise ModelError(f"names {name}, which is not scikit-learn's", where="pipeline.json", fix="Do not use it.")
    try:
        found: Any = import_module(module)
        for part in kind.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise ModelError(f"{name} is not in this scikit-learn", where="pipeline.json", fix="Fit it again.") from error
    if not isinstance(found, type):
        raise ModelError(f"names {name}, which is no class", where="pipeline.json", fix="Do not use it.")
    return found
