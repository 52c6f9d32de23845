"""The pickles inside published scenes, read and written without pickle's or anyone's own unpickling (method §12).

Unpickling runs whatever a file asks for, so every name that such a pickle may load stands for an inert stand-in here
that only records what it is given, and any other name refuses the file. PyGLM is not needed.
"""

from __future__ import annotations

import math
import pickle
import pickletools
import struct
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import numpy as np

MAX_PICKLE_STEPS = 400_000  # a view takes about 60


class RefusedNameError(ValueError):
    """A pickle that tries to load what no scene needs; the message names it."""


class ObjectArray:
    """What a pickled numpy array of objects is read as: its `items`, in one list."""

    __slots__ = ("items",)

    def __init__(self) -> None:
        self.items: list[Any] = []

    def __setstate__(self, state: Any) -> None:
        try:
            _, shape, dtype, _, items = state
            fits = isinstance(items, list) and isinstance(shape, tuple) and math.prod(shape) == len(items)
        except (TypeError, ValueError):
            fits = False
        if not fits or not isinstance(dtype, _Dtype) or dtype.code not in ("O", "O8"):
            raise ValueError("it holds an array of another kind than a list of views")
        self.items = items


class _Dtype:
    """What a pickled numpy dtype is read as: its code, e.g. `f8`."""

    __slots__ = ("code",)

    def __init__(self, code: Any, *_: Any) -> None:
        self.code = code

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) < 2 or state[1] not in ("<", "|", "="):
            raise ValueError("it holds numbers of a byte order that is not read")


class Matrix:
    """What a pickled PyGLM matrix is read as: its columns, float64 [4, 4], or None."""

    __slots__ = ("columns",)

    def __new__(cls, *values: Any) -> Matrix:
        matrix = super().__new__(cls)
        matrix.columns = None
        if values:
            matrix.__setstate__(values)
        return matrix

    def __setstate__(self, state: Any) -> None:
        try:
            if isinstance(state, bytes):
                state = np.frombuffer(state, "<f4" if len(state) == 64 else "<f8").tolist()
            columns = [state[i : i + 4] for i in range(0, 16, 4)] if len(state) == 16 else state
            if [len(column) for column in columns] != [4] * 4:
                raise ValueError
            self.columns = np.array([[float(value) for value in column] for column in columns])
        except (TypeError, ValueError):
            raise ValueError("it holds a matrix that is not 4x4") from None


class _Function:
    """A stand-in for a function; nothing in a pickle can change it."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise ValueError("it tries to change a function")


def _scalar(dtype: Any, content: Any) -> float:
    if not isinstance(dtype, _Dtype) or dtype.code not in ("f8", "f4", "i8", "i4") or not isinstance(content, bytes):
        raise ValueError("it holds a number of a type that is not read")
    return np.frombuffer(content, f"<{dtype.code}")[0].item()


_ALLOWED: Mapping[tuple[str, str], Any] = {
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _Function(lambda *_: ObjectArray()) for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _Function(_scalar) for core in ("core", "_core")},
    ("numpy", "ndarray"): _Function(lambda *_: ObjectArray()),
    ("numpy", "dtype"): _Function(_Dtype),
    **{
        (module, name): Matrix
        for module in ("glm", "pyglm.glm")
        for name in ("mat4", "mat4x4", "fmat4x4", "dmat4", "dmat4x4")
    },
}


class _RestrictedUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise RefusedNameError(f"it tries to load {module}.{name}")
        return _ALLOWED[module, name]


def read_pickle(stream: BinaryIO) -> Any:
    """What the pickle at the stream's position holds: plain Python values, `ObjectArray` and `Matrix`.

    Raises:
        RefusedNameError: it tries to load anything else; nothing was run.
        ValueError: it is damaged, or far larger than a scene's.
    """
    start = stream.tell()
    try:
        for step, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            memo_index = argument if "PUT" in opcode.name and isinstance(argument, int) else 0
            if step > MAX_PICKLE_STEPS or memo_index > MAX_PICKLE_STEPS:  # a memo is as large as its largest index
                raise ValueError("it is larger than a scene can be")
        stream.seek(start)
        return _RestrictedUnpickler(stream).load()
    except RefusedNameError:
        raise
    except (pickle.UnpicklingError, ValueError, TypeError, AttributeError, KeyError, IndexError, EOFError) as error:
        raise ValueError(f"its data cannot be read ({error})") from None
    except (ImportError, MemoryError, OverflowError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(f"its data cannot be read ({type(error).__name__})") from None


def write_pickle(entries: list[dict[str, Any]]) -> bytes:
    """The pickle (protocol 3) of an array of objects, as numpy before version 2 and PyGLM write it.

    Values may be nested tuples, lists and dictionaries of None, bool, int, float, str, bytes and [4, 4] arrays; those
    become `glm.mat4x4`.
    """

    def name(module: str, attribute: str) -> bytes:
        return pickle.GLOBAL + f"{module}\n{attribute}\n".encode()

    def several(values: Any, end: bytes) -> bytes:
        return pickle.MARK + b"".join(value_of(value) for value in values) + end

    def value_of(value: Any) -> bytes:
        if isinstance(value, bool) or value is None:
            return {True: pickle.NEWTRUE, False: pickle.NEWFALSE, None: pickle.NONE}[value]
        if isinstance(value, int):
            return pickle.BININT + struct.pack("<i", value)
        if isinstance(value, float):
            return pickle.BINFLOAT + struct.pack(">d", value)
        if isinstance(value, str):
            return pickle.BINUNICODE + struct.pack("<I", len(value.encode())) + value.encode()
        if isinstance(value, bytes):
            return pickle.BINBYTES + struct.pack("<I", len(value)) + value
        if isinstance(value, tuple):
            return several(value, pickle.TUPLE)
        if isinstance(value, list):
            return pickle.EMPTY_LIST + several(value, pickle.APPENDS)
        if isinstance(value, dict):
            return pickle.EMPTY_DICT + several((x for pair in value.items() for x in pair), pickle.SETITEMS)
        columns = tuple(tuple(column) for column in np.asarray(value, np.float32).T.tolist())
        return name("glm", "mat4x4") + pickle.EMPTY_TUPLE + pickle.NEWOBJ + value_of(columns) + pickle.BUILD

    dtype = name("numpy", "dtype") + value_of(("O8", False, True)) + pickle.REDUCE
    dtype += value_of((3, "|", None, None, None, -1, -1, 63)) + pickle.BUILD
    array = name("numpy.core.multiarray", "_reconstruct")
    array += pickle.MARK + name("numpy", "ndarray") + value_of((0,)) + value_of(b"b") + pickle.TUPLE + pickle.REDUCE
    state = pickle.MARK + value_of(1) + value_of((len(entries),)) + dtype + value_of(False) + value_of(entries)
    return pickle.PROTO + b"\x03" + array + state + pickle.TUPLE + pickle.BUILD + pickle.STOP
