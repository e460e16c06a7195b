"""Pickles of the 2018 prototype: data frames as pandas 0.23 wrote them.

A pickle is a program, and loading it with `pickle` runs it: it may call anything. So nothing here loads a pickle. The
file is only listed by `pickletools.genops`, which runs nothing, and the list is followed by a machine of our own that
knows the few instructions such a data frame needs. Where the file asks for something to be called, the machine writes
down what was asked for; it has no way to call, import or look up anything. (A subclass of `pickle.Unpickler` would
still execute calls and attribute assignments on whatever stands in for pandas and numpy, and lets a file claim memory
by a large memo index.) Whatever is not on the short lists below is refused, and what was written down is read only
along the one path on which a data frame keeps its columns and blocks.
"""

import math
import pickletools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repsense.channels import ACCELERATION, ANGULAR_RATE, MAGNETIC_FIELD, Channel
from repsense.errors import RecordingError
from repsense.recordings.recording import Recording, activity_label, as_samples, check_recording

__all__ = ["PROTOTYPE_RATE_HZ", "read_legacy_pickle"]

PROTOTYPE_RATE_HZ = 2.0
"""The prototype recorded no times; its firmware refreshed what it sent every 0.5 s."""

_MAX_BYTES = 8_000_000
"""A day of samples at 2 Hz is 13 MB, the longest file of the prototype 42 kB."""
_MAX_INSTRUCTIONS = 2_000_000
_MAX_TEXT = 1_000
"""Characters of a name or an activity; comparing long texts again and again would take for ever."""
_MAX_QUOTED = 80
"""Characters of a file's text that an error quotes."""

_COLUMNS: dict[str, tuple[Channel, float]] = {
    f"{sensor}-{axis}-axis": (channel, si_per_unit)
    for sensor, channels, si_per_unit in (
        ("acc", ACCELERATION, 0.1 * 9.80665),  # 0.1 g
        ("gyro", ANGULAR_RATE, math.pi / 180),  # degrees per second
        ("mag", MAGNETIC_FIELD, 10.0),  # 100 mG
    )
    for channel, axis in zip(channels, "xyz", strict=True)
}
"""From the prototype's column to the channel, and SI units per unit."""
_ACTIVITY = "activity"
_NAME = re.compile(r"session(?P<session>[^_]+)_(?:merged|sample_(?P<activity>.+)_\d+)")

_DATA_FRAME = "pandas.core.frame DataFrame"
_BLOCK_MANAGER = "pandas.core.internals BlockManager"
_NEW_INDEX = "pandas.core.indexes.base _new_Index"
_INDEX = "pandas.core.indexes.base Index"
_RANGE_INDEX = "pandas.core.indexes.range RangeIndex"
_RECONSTRUCT = "numpy.core.multiarray _reconstruct"
_ARRAY = "numpy ndarray"
_DTYPE = "numpy dtype"
_SLICE = "builtins slice"
_NAMES = frozenset(
    {
        _DATA_FRAME,
        _BLOCK_MANAGER,
        _NEW_INDEX,
        _INDEX,
        _RANGE_INDEX,
        _RECONSTRUCT,
        _ARRAY,
        _DTYPE,
        _SLICE,
    }
)
"""What a data frame's pickle speaks of. To the machine these are names and no more."""

_OBJECT_DTYPE = "O8"
_FLOAT_DTYPES = ("f8", "f4")


def read_legacy_pickle(path: Path, *, sample_rate_hz: float = PROTOTYPE_RATE_HZ) -> list[Recording]:
    """Read a pickled data frame of the prototype without executing anything of it.

    Args:
        path: A file called `session<n>_merged.pckl` or `session<n>_sample_<activity>_<m>.pckl`; another name gives no
            session. A new recording begins where the column "activity" changes.
        sample_rate_hz: The rate, which the file does not say.

    Raises:
        RecordingError: If the file cannot be read, is not such a data frame or asks for anything that such a data frame
            does not need; it says for what.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        msg = f"cannot read {path}: {error}"
        raise RecordingError(msg) from error
    if len(data) > _MAX_BYTES:
        msg = f"{path} is larger than {_MAX_BYTES // 1_000_000} MB: too large for a pickle of the prototype"
        raise RecordingError(msg)
    try:
        columns = _columns(_Machine().run(data))
        return list(_recordings(path, columns, sample_rate_hz))
    except _RefusedError as error:
        msg = f"{path} is not read: {error}"
        raise RecordingError(msg) from error


class _RefusedError(Exception):
    """What is wrong with a pickle; the caller adds the path."""


@dataclass(frozen=True, slots=True)
class _Name:
    """Something that the file names and would have looked up."""

    text: str


@dataclass(slots=True, eq=False)
class _Request:
    """A call that the file asks for and that does not happen.

    Attributes:
        name: What was to be called.
        arguments: With what.
        state: What the result was then to be set to; None if nothing.
    """

    name: str
    arguments: tuple[Any, ...]
    state: Any = None


class _Machine:
    """Follows the instructions of a pickle; values are numbers, texts, bytes, lists, dicts, names and requests."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._marks: list[int] = []
        """How high the stack was at each mark."""
        self._memo: dict[int, Any] = {}
        self._steps: dict[str, Callable[[Any], None]] = {
            "PROTO": self._nothing,
            "FRAME": self._nothing,
            "STOP": self._nothing,
            "MARK": self._mark,
            "NONE": self._none,
            "NEWTRUE": self._true,
            "NEWFALSE": self._false,
            "TUPLE": self._tuple,
            "APPEND": self._append,
            "APPENDS": self._appends,
            "SETITEM": self._set_item,
            "SETITEMS": self._set_items,
            "MEMOIZE": self._memoize,
            "BINPUT": self._put,
            "LONG_BINPUT": self._put,
            "BINGET": self._get,
            "LONG_BINGET": self._get,
            "GLOBAL": self._global,
            "STACK_GLOBAL": self._stack_global,
            "REDUCE": self._request,
            "NEWOBJ": self._request,
            "BUILD": self._build,
        }

    def run(self, data: bytes) -> Any:  # noqa: ANN401 - what a pickle holds is what we want to know
        """Return what the file would have built, with requests in place of objects.

        Raises:
            _RefusedError: If the file is damaged or asks for what is not on the lists.
        """
        n_instructions = 0
        try:
            for opcode, argument, _ in pickletools.genops(data):
                n_instructions += 1
                if n_instructions > _MAX_INSTRUCTIONS:
                    msg = f"it has more than {_MAX_INSTRUCTIONS} instructions"
                    raise _RefusedError(msg)
                self._step(opcode.name, argument)
        except IndexError as error:
            msg = "it is damaged: it takes what is not there"
            raise _RefusedError(msg) from error
        except ValueError as error:  # from genops: what is not an instruction, or is cut off
            msg = f"it is no pickle, or a damaged one ({str(error)[:_MAX_QUOTED]})"
            raise _RefusedError(msg) from error
        if self._marks or len(self._stack) != 1:
            msg = "it is damaged: it leaves more or less than one thing"
            raise _RefusedError(msg)
        return self._stack[0]

    def _step(self, opcode: str, argument: Any) -> None:  # noqa: ANN401 - as the opcode wills
        if isinstance(argument, str) and len(argument) > _MAX_TEXT:
            msg = f"it has a text of {len(argument)} characters"
            raise _RefusedError(msg)
        if opcode in _LITERALS:
            self._stack.append(argument)
        elif opcode in _EMPTY:
            self._stack.append(_EMPTY[opcode]())
        elif opcode in _TUPLES:
            self._stack.append(tuple(self._take(_TUPLES[opcode])))
        elif opcode in self._steps:
            self._steps[opcode](argument)
        else:
            msg = f"it uses the instruction {opcode}, which no data frame of the prototype needs"
            raise _RefusedError(msg)

    def _take(self, n_values: int) -> list[Any]:
        if len(self._stack) < n_values:
            raise IndexError
        taken = self._stack[len(self._stack) - n_values :]
        del self._stack[len(self._stack) - n_values :]
        return taken

    def _take_to_mark(self) -> list[Any]:
        return self._take(max(len(self._stack) - self._marks.pop(), 0))

    def _nothing(self, _: object) -> None:
        """PROTO and FRAME say how the rest is written, STOP that it is over: genops sees to that."""

    def _mark(self, _: object) -> None:
        self._marks.append(len(self._stack))

    def _none(self, _: object) -> None:
        self._stack.append(None)

    def _true(self, _: object) -> None:
        self._stack.append(True)

    def _false(self, _: object) -> None:
        self._stack.append(False)

    def _tuple(self, _: object) -> None:
        self._stack.append(tuple(self._take_to_mark()))

    def _append(self, _: object) -> None:
        self._extend(self._take(1))

    def _appends(self, _: object) -> None:
        self._extend(self._take_to_mark())

    def _extend(self, values: list[Any]) -> None:
        if not isinstance(self._stack[-1], list):
            msg = "it appends to what is no list"
            raise _RefusedError(msg)
        self._stack[-1].extend(values)

    def _set_item(self, _: object) -> None:
        self._update(self._take(2))

    def _set_items(self, _: object) -> None:
        self._update(self._take_to_mark())

    def _update(self, values: list[Any]) -> None:
        keys = values[::2]
        # Keys that are nested tuples could take for ever to hash.
        if not isinstance(self._stack[-1], dict) or not all(isinstance(key, str) for key in keys):
            msg = "it sets items of what is no dict, or with keys that are no text"
            raise _RefusedError(msg)
        self._stack[-1].update(zip(keys, values[1::2], strict=True))

    def _memoize(self, _: object) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def _put(self, index: int) -> None:
        self._memo[index] = self._stack[-1]

    def _get(self, index: int) -> None:
        if index not in self._memo:
            msg = f"it is damaged: it takes number {index} from its memo, which is not there"
            raise _RefusedError(msg)
        self._stack.append(self._memo[index])

    def _stack_global(self, _: object) -> None:
        module, name = self._take(2)
        if not isinstance(module, str) or not isinstance(name, str):
            msg = "it asks for something whose name is no text"
            raise _RefusedError(msg)
        self._global(f"{module} {name}")

    def _global(self, text: str) -> None:
        if text not in _NAMES:
            name = text.replace(" ", ".", 1)[:_MAX_QUOTED]
            msg = f"it asks for {name!r}, which no data frame of the prototype needs: do not trust where it came from"
            raise _RefusedError(msg)
        self._stack.append(_Name(text))

    def _request(self, _: object) -> None:
        name, arguments = self._take(2)
        if not isinstance(name, _Name) or not isinstance(arguments, tuple):
            msg = "it calls something that is no name from the list"
            raise _RefusedError(msg)
        self._stack.append(_Request(name.text, arguments))

    def _build(self, _: object) -> None:
        (state,) = self._take(1)
        target = self._stack[-1]
        if not isinstance(target, _Request) or target.state is not None:
            msg = "it sets the state of something that is no new object"
            raise _RefusedError(msg)
        target.state = state


_LITERALS = frozenset(
    {
        "BININT",
        "BININT1",
        "BININT2",
        "LONG1",
        "BINFLOAT",
        "SHORT_BINUNICODE",
        "BINUNICODE",
        "SHORT_BINBYTES",
        "BINBYTES",
    }
)
_EMPTY: dict[str, Callable[[], Any]] = {"EMPTY_TUPLE": tuple, "EMPTY_LIST": list, "EMPTY_DICT": dict}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def _columns(frame: object) -> dict[str, NDArray[Any]]:
    """A data frame's columns by name, each (n_rows,) float64 or, if they are texts, object."""
    state = _state(frame, _DATA_FRAME, dict)
    manager = _state(state.get("_data"), _BLOCK_MANAGER, tuple)
    # Since pandas 0.14.1 the fourth part has everything, the first three are for readers before that.
    n_parts = 4
    described = manager[-1].get("0.14.1") if len(manager) == n_parts and isinstance(manager[-1], dict) else None
    axes = described.get("axes") if isinstance(described, dict) else None
    blocks = described.get("blocks") if isinstance(described, dict) else None
    if not isinstance(axes, list) or not axes or not isinstance(blocks, list):
        msg = "its data frame is not as pandas wrote them"
        raise _RefusedError(msg)
    names = _index(axes[0])
    columns: dict[str, NDArray[Any]] = {}
    for block in blocks:
        if not isinstance(block, dict):
            msg = "a block of its data frame is none"
            raise _RefusedError(msg)
        values = _array(block.get("values"))
        places = _places(block.get("mgr_locs"), len(names))
        if values.ndim != 2 or len(values) != len(places):  # noqa: PLR2004 - columns, rows
            msg = "a block of its data frame has another number of columns than places for them"
            raise _RefusedError(msg)
        columns |= {names[place]: column for place, column in zip(places, values, strict=True)}
    if len(columns) != len(names) or len({len(column) for column in columns.values()}) != 1:
        msg = "its data frame has columns without values, twice or of different lengths"
        raise _RefusedError(msg)
    return columns


def _state(value: object, name: str, kind: type[Any]) -> Any:  # noqa: ANN401 - of the kind that was asked for
    if not isinstance(value, _Request) or value.name != name or not isinstance(value.state, kind):
        msg = f"it holds no {name.rsplit(maxsplit=1)[-1]} where a data frame has one"
        raise _RefusedError(msg)
    return value.state


def _index(value: object) -> list[str]:
    """The texts of a pandas Index."""
    if (
        isinstance(value, _Request)
        and value.name == _NEW_INDEX
        and len(value.arguments) == 2  # noqa: PLR2004 - the class, and a dict
        and value.arguments[0] == _Name(_INDEX)
        and isinstance(value.arguments[1], dict)
    ):
        names = _array(value.arguments[1].get("data")).ravel().tolist()
        if all(isinstance(name, str) for name in names):
            return names
    msg = "its columns have no names"
    raise _RefusedError(msg)


def _places(value: object, n_columns: int) -> range:
    """The columns that a block's slice means."""
    if isinstance(value, _Request) and value.name == _SLICE and all(type(part) is int for part in value.arguments):
        bounds = value.arguments
        if len(bounds) == 3 and 0 <= bounds[0] <= bounds[1] <= n_columns and bounds[2] > 0:  # noqa: PLR2004
            return range(*bounds)
    msg = "a block of its data frame does not say which columns it holds"
    raise _RefusedError(msg)


def _array(value: object) -> NDArray[Any]:
    """The array that `numpy.ndarray.__setstate__` would make of (version, shape, dtype, is_fortran, data).

    Its size is that of the data that the file holds, whatever the file says.
    """
    state = _state(value, _RECONSTRUCT, tuple)
    n_parts, max_dimensions = 5, 2
    if len(state) != n_parts:
        msg = "it holds an array without shape or data"
        raise _RefusedError(msg)
    _, shape, dtype, is_fortran, data = state
    if (
        not isinstance(shape, tuple)
        or not 1 <= len(shape) <= max_dimensions
        or not all(type(size) is int and size >= 0 for size in shape)
    ):
        msg = "it holds an array whose shape is none of one or two dimensions"
        raise _RefusedError(msg)
    code = dtype.arguments[0] if isinstance(dtype, _Request) and dtype.name == _DTYPE and dtype.arguments else None
    # With object arrays comes a list of texts and numbers; numpy never sees what else could stand in it.
    if code == _OBJECT_DTYPE and isinstance(data, list):
        n_values = len(data)
    elif code in _FLOAT_DTYPES and isinstance(data, bytes):
        n_values = len(data) // int(code[1])
        if n_values * int(code[1]) != len(data):
            msg = "it holds an array that ends within a number"
            raise _RefusedError(msg)
    else:
        msg = "it holds an array that is neither of numbers nor of objects"
        raise _RefusedError(msg)
    if math.prod(shape) != n_values:
        msg = f"it holds an array that is said to have {' x '.join(map(_short, shape))} values and has {n_values}"
        raise _RefusedError(msg)
    if code == _OBJECT_DTYPE:
        if not all(isinstance(item, str) or type(item) in (int, float) for item in data):
            msg = "it holds an array of objects that are neither texts nor numbers"
            raise _RefusedError(msg)
        values = np.empty(n_values, dtype=np.object_)
        values[:] = data
    else:
        byte_order = ">" if isinstance(dtype.state, tuple) and ">" in dtype.state[1:2] else "<"
        values = np.frombuffer(data, dtype=f"{byte_order}{code}")
    return values.reshape(shape, order="F" if is_fortran is True else "C")


def _short(size: int) -> str:
    return str(size) if size < 10**12 else "more than 10^12"


def _recordings(path: Path, columns: dict[str, NDArray[Any]], sample_rate_hz: float) -> Iterator[Recording]:
    for name in columns:
        if name not in _COLUMNS and name != _ACTIVITY:
            msg = f"it has a column {name[:_MAX_QUOTED]!r}; RepSense knows {', '.join(_COLUMNS)} and {_ACTIVITY}"
            raise _RefusedError(msg)
    present = [name for name in _COLUMNS if name in columns]
    if not present:
        msg = f"it has none of the columns {', '.join(_COLUMNS)}"
        raise _RefusedError(msg)
    try:
        values = np.column_stack([columns[name].astype(np.float64) * _COLUMNS[name][1] for name in present])
    except (ValueError, OverflowError) as error:
        msg = f"it has something in a column that is no number ({str(error)[:_MAX_QUOTED]})"
        raise _RefusedError(msg) from error
    if not len(values):
        msg = "it has no samples"
        raise _RefusedError(msg)
    named = _NAME.match(path.name)
    activities = columns[_ACTIVITY].tolist() if _ACTIVITY in columns else [named and named["activity"]] * len(values)
    changes = [row for row in range(1, len(values)) if activities[row] != activities[row - 1]]
    for start, stop in pairwise([0, *changes, len(values)]):
        try:
            recording = Recording(
                as_samples(values[start:stop]),
                tuple(_COLUMNS[name][0] for name in present),
                sample_rate_hz,
                label=activity_label(str(activities[start] or "")),
                session=named["session"] if named else None,
            )
            check_recording(recording)
        except RecordingError as error:
            msg = str(error)
            raise _RefusedError(msg) from error
        yield recording
