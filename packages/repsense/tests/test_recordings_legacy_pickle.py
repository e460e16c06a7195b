"""The prototype's pickles, and pickles that are up to no good."""

import contextlib
import functools
import io
import os
import pickle
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from repsense.channels import CHANNELS
from repsense.errors import RecordingError
from repsense.labels import Label
from repsense.recordings import TableColumns, read_file
from repsense.recordings.legacy_pickle import read_legacy_pickle

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT.parent / "shared" / "data" / "bodyweight"
AXES = [f"{sensor}-{axis}-axis" for sensor in ("acc", "gyro", "mag") for axis in "xyz"]


class Assembler:
    """Writes pickles instruction by instruction, good and bad ones."""

    def __init__(self) -> None:
        self.code = b"\x80\x04"

    def op(self, *parts: bytes) -> "Assembler":
        self.code += b"".join(parts)
        return self

    def text(self, text: str) -> "Assembler":
        encoded = text.encode()
        return self.op(pickle.BINUNICODE, struct.pack("<I", len(encoded)), encoded)

    def number(self, number: int) -> "Assembler":
        return self.op(pickle.BININT, struct.pack("<i", number))

    def data(self, data: bytes) -> "Assembler":
        return self.op(pickle.BINBYTES, struct.pack("<I", len(data)), data)

    def name(self, module: str, name: str) -> "Assembler":
        return self.text(module).text(name).op(pickle.STACK_GLOBAL)

    def array(self, shape: tuple[int, ...], code: str, data: Callable[["Assembler"], object]) -> "Assembler":
        self.name("numpy.core.multiarray", "_reconstruct")
        self.name("numpy", "ndarray").number(0).op(pickle.TUPLE1).data(b"b").op(pickle.TUPLE3, pickle.REDUCE)
        self.op(pickle.MARK).number(1).op(pickle.MARK)
        for size in shape:
            self.number(size)
        self.op(pickle.TUPLE).name("numpy", "dtype").text(code).number(0).number(1).op(pickle.TUPLE3, pickle.REDUCE)
        self.op(pickle.MARK).number(3).text("<").op(pickle.NONE * 3).number(-1).number(-1).number(0)
        self.op(pickle.TUPLE, pickle.BUILD, pickle.NEWFALSE)
        data(self)
        return self.op(pickle.TUPLE, pickle.BUILD)

    def texts(self, texts: list[str]) -> "Assembler":
        self.op(pickle.EMPTY_LIST, pickle.MARK)
        for text in texts:
            self.text(text)
        return self.op(pickle.APPENDS)

    def frame(
        self,
        columns: list[str],
        values: Callable[["Assembler"], object],
        activities: Callable[["Assembler"], object] | None = None,
    ) -> bytes:
        """A data frame as pandas 0.23 wrote it: first a block of texts, if any, then a block of numbers."""
        n_texts = 0 if activities is None else 1
        names = ["activity"][:n_texts] + columns
        self.name("pandas.core.frame", "DataFrame").op(pickle.EMPTY_TUPLE, pickle.NEWOBJ)
        self.op(pickle.EMPTY_DICT).text("_data")
        self.name("pandas.core.internals", "BlockManager").op(pickle.EMPTY_TUPLE, pickle.NEWOBJ)
        self.op(pickle.MARK, pickle.EMPTY_LIST * 3, pickle.EMPTY_DICT).text("0.14.1")
        self.op(pickle.EMPTY_DICT, pickle.MARK).text("axes").op(pickle.EMPTY_LIST)
        self.name("pandas.core.indexes.base", "_new_Index").name("pandas.core.indexes.base", "Index")
        self.op(pickle.EMPTY_DICT).text("data")
        self.array((len(names),), "O8", lambda a: a.texts(names)).op(pickle.SETITEM, pickle.TUPLE2, pickle.REDUCE)
        self.op(pickle.APPEND).text("blocks").op(pickle.EMPTY_LIST)
        for write, first, last in ((activities, 0, n_texts), (values, n_texts, len(names))):
            if write is None:
                continue
            self.op(pickle.EMPTY_DICT, pickle.MARK).text("values")
            write(self)
            self.text("mgr_locs").name("builtins", "slice").number(first).number(last).number(1)
            self.op(pickle.TUPLE3, pickle.REDUCE, pickle.SETITEMS, pickle.APPEND)
        return self.op(pickle.SETITEMS, pickle.SETITEM, pickle.TUPLE, pickle.BUILD, pickle.SETITEM, pickle.BUILD).end()

    def end(self) -> bytes:
        return self.code + pickle.STOP


def floats(values: np.ndarray, code: str = "f8") -> Callable[[Assembler], object]:
    data = values.astype(f"<{code}").tobytes()
    return lambda a: a.array(values.shape, code, lambda b: b.data(data))


def workout() -> bytes:
    values = np.arange(36.0).reshape(9, 4)
    activities = ["Squat", "Squat", "Lunge", "Squat"]
    return Assembler().frame(AXES, floats(values), lambda a: a.array((1, 4), "O8", lambda b: b.texts(activities)))


def read(folder: Path, content: bytes, name: str = "session7_merged.pckl") -> list[object]:
    (folder / name).write_bytes(content)
    return list(read_legacy_pickle(folder / name))


def test_a_data_frame_becomes_recordings_in_si_units(tmp_path: Path) -> None:
    (tmp_path / "session7_merged.pckl").write_bytes(workout())

    recordings = read_legacy_pickle(tmp_path / "session7_merged.pckl")

    assert [r.label for r in recordings] == [Label(exercise=name) for name in ("Squat", "Lunge", "Squat")]
    assert {(r.session, r.sample_rate_hz, r.channels) for r in recordings} == {("7", 2.0, CHANNELS)}
    # Sample 2 of nine columns of four: 2, 6, 10 in 0.1 g, 14, 18, 22 in degrees per second, 26, 30, 34 in 100 mG.
    expected = [1.96133, 5.88399, 9.80665, 0.2443461, 0.3141593, 0.3839724, 260, 300, 340]
    np.testing.assert_allclose(recordings[1].samples, [expected], rtol=1e-6)


def test_the_name_tells_the_activity_where_no_column_does(tmp_path: Path) -> None:
    content = Assembler().frame(AXES[:3], floats(np.ones((3, 5)), "f4"))
    (tmp_path / "session12_sample_Pushup_Incorrect_1.pckl").write_bytes(content)

    (recording,) = read_legacy_pickle(tmp_path / "session12_sample_Pushup_Incorrect_1.pckl", sample_rate_hz=4)

    assert (recording.session, recording.label) == ("12", Label(exercise="Pushup_Incorrect"))
    assert (recording.sample_rate_hz, recording.channels) == (4, CHANNELS[:3])


class Bait:
    """Opens a file when it is unpickled; that the ordinary unpickler falls for it shows that the bait works."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return open, (str(self.target), "w")


TRACE = Path(tempfile.gettempdir()) / f"repsense-pickle-{os.getpid()}"
"""What the hostile pickles would leave behind."""


@functools.cache
def hostile() -> dict[str, bytes]:
    """Pickles that try to run a command, to read or to exhaust; by what they try."""
    command = f"touch {TRACE}"

    def call(module: str, name: str, argument: str = command) -> bytes:
        return Assembler().name(module, name).text(argument).op(pickle.TUPLE1, pickle.REDUCE).end()

    def instructions(*parts: bytes) -> bytes:
        return Assembler().op(*parts).end()

    python = f"__import__('os').system({command!r})"
    inner = call("os", "system")
    laughs = Assembler().op(pickle.EMPTY_LIST, pickle.BINPUT, b"\0")
    for level in range(1, 100):
        got = pickle.BINGET + bytes([level - 1])
        laughs.op(pickle.MARK, got * 10, pickle.TUPLE, pickle.BINPUT, bytes([level]))
    laughed = Assembler().op(laughs.code[2:])
    line = command.encode() + b"\n"
    names = {
        "os.system": call("os", "system"),
        "posix.system": call("posix", "system"),
        "subprocess.Popen": call("subprocess", "Popen"),
        "subprocess.check_output": call("subprocess", "check_output"),
        "builtins.eval": call("builtins", "eval", python),
        "builtins.exec": call("builtins", "exec", python),
        "builtins.getattr": call("builtins", "getattr"),
        "builtins.open": call("builtins", "open"),
        "builtins.__import__": call("builtins", "__import__"),
        "dotted name": call("builtins", "slice.__class__.__subclasses__"),
        "dotted module": call("pandas.core.frame", "DataFrame.eval", python),
        "dotted through numpy": call("numpy", "ndarray.tofile"),
        "numpy.load": call("numpy", "load"),
        "numpy.core loader": call("numpy.core.multiarray", "fromfile"),
        "pandas.read_pickle": call("pandas", "read_pickle"),
        "pickle.loads": Assembler().name("pickle", "loads").data(inner).op(pickle.TUPLE1, pickle.REDUCE).end(),
        "_codecs.encode": call("_codecs", "encode"),
        "copyreg": call("copyreg", "_reconstructor"),
        "functools.partial": call("functools", "partial"),
        "operator.attrgetter": call("operator", "attrgetter"),
        "GLOBAL": instructions(pickle.GLOBAL, b"os\nsystem\n"),
        "GLOBAL with a space in its name": instructions(pickle.GLOBAL, b"os system\nx\n"),
        "GLOBAL with an allowed name split elsewhere": instructions(pickle.GLOBAL, b"numpy ndarray\n\n"),
        "INST": instructions(pickle.MARK, pickle.UNICODE, line, pickle.INST, b"os\nsystem\n"),
        "OBJ": Assembler().op(pickle.MARK).name("os", "system").text(command).op(pickle.OBJ).end(),
        "OBJ on an allowed name": Assembler().op(pickle.MARK).name("builtins", "slice").op(pickle.OBJ).end(),
        "NEWOBJ": Assembler().name("os", "system").op(pickle.EMPTY_TUPLE, pickle.NEWOBJ).end(),
        "NEWOBJ_EX": Assembler().name("numpy", "ndarray").op(b")}", pickle.NEWOBJ_EX).end(),
        "extension registry 1": instructions(pickle.EXT1, b"\1"),
        "extension registry 2": instructions(pickle.EXT2, b"\1\0"),
        "extension registry 4": instructions(pickle.EXT4, b"\1\0\0\0"),
        "persistent id": instructions(pickle.PERSID, line),
        "binary persistent id": Assembler().text(command).op(pickle.BINPERSID).end(),
        "out-of-band buffer": instructions(pickle.NEXT_BUFFER),
        "state of a name": Assembler().name("numpy", "ndarray").op(b"}").op(pickle.BUILD).end(),
        "state of a list": instructions(b"]}", pickle.BUILD),
        "state set twice": Assembler().name("numpy", "dtype").op(b")R}b}b").end(),
        "call of a text": Assembler().text("eval").op(b")", pickle.REDUCE).end(),
        "call of a call": Assembler().name("numpy", "dtype").op(b")R)R").end(),
        "call without a tuple": Assembler().name("numpy", "dtype").op(b"]R").end(),
        "append to a call": Assembler().name("numpy", "dtype").op(b")R)a").end(),
        "items of a call": Assembler().name("numpy", "dtype").op(b")R))s").end(),
        "name that is no text": instructions(b"]]", pickle.STACK_GLOBAL),
        "billion laughs": laughs.end(),
        "billion laughs as a key": Assembler().op(b"}", laughed.code[2:], b")s").end(),
        "billion laughs as a frame": Assembler().op(laughs.code[2:]).op(b")R").end(),
        "huge memo index": instructions(b"]", pickle.LONG_BINPUT, b"\xff\xff\xff\xff"),
        "memo without an entry": instructions(pickle.LONG_BINGET, b"\xff\xff\xff\xff"),
        "huge text": instructions(pickle.BINUNICODE, b"\xff\xff\xff\xff"),
        "huge 64-bit text": instructions(pickle.BINUNICODE8, b"\xff" * 8),
        "huge bytes": instructions(pickle.BINBYTES8, b"\xff\xff\xff\xff\xff\0\0\0"),
        "huge bytearray": instructions(pickle.BYTEARRAY8, b"\xff\xff\xff\xff\xff\0\0\0"),
        "huge number": instructions(pickle.LONG4, b"\xff\xff\xff\x7f"),
        "huge decimal": instructions(pickle.LONG, b"9" * 100_000 + b"L\n"),
        "huge frame": instructions(pickle.FRAME, b"\xff" * 8),
        "deep tuples": instructions(pickle.EMPTY_TUPLE, pickle.TUPLE1 * 1_000_000),
        "deep lists": instructions(pickle.EMPTY_LIST * 300_000, pickle.APPEND * 299_999),
        "deep marks": instructions(pickle.MARK * 300_000),
        "list within itself": instructions(b"]", pickle.MEMOIZE, pickle.BINGET, b"\0", pickle.APPEND),
        "too many instructions": instructions(pickle.NONE * 2_000_001),
        "takes what is not there": instructions(pickle.REDUCE),
        "pops a mark that is not there": instructions(pickle.TUPLE),
        "leaves two things": instructions(b"]]"),
        "leaves nothing": instructions(),
        "no end": Assembler().op(b"]").code,
        "nothing": b"",
        "no pickle": b"PAR1 is not a pickle",
        "text": b"session,activity\n1,Squat\n",
        "protocol of the future": b"\x80\xff]" + pickle.STOP,
        "odd number of items": instructions(b"}(]]]u"),
    }
    arrays = {
        "huge shape": lambda a: a.array((2**31 - 1, 2**31 - 1), "f8", lambda b: b.data(b"")),
        "shape larger than data": lambda a: a.array((9, 1000), "f8", lambda b: b.data(bytes(72))),
        "shape smaller than data": lambda a: a.array((9, 1), "f8", lambda b: b.data(bytes(144))),
        "negative shape": lambda a: a.array((-9, -1), "f8", lambda b: b.data(bytes(72))),
        "many dimensions": lambda a: a.array((1,) * 64, "f8", lambda b: b.data(bytes(8))),
        "half a number": lambda a: a.array((9, 1), "f8", lambda b: b.data(bytes(71))),
        "objects from bytes": lambda a: a.array((9, 1), "O8", lambda b: b.data(bytes(72))),
        "objects that are lists": lambda a: a.array((9, 1), "O8", lambda b: b.op(b"]", b"(", b"]" * 9, b"e")),
        "objects that are calls": lambda a: a.array(
            (9, 1), "O8", lambda b: b.op(b"](").op(b"").name("numpy", "dtype").op(b")R" + b"\x94" + b"h\0" * 8 + b"e")
        ),
        "another dtype": lambda a: a.array((9, 1), "V8", lambda b: b.data(bytes(72))),
        "dtype with fields": lambda a: a.array((9, 1), "f8,O8", lambda b: b.data(bytes(144))),
        "numbers that are none": floats(np.full((9, 1), np.nan)),
        "infinite numbers": floats(np.full((9, 1), np.inf)),
        "no array": lambda a: a.op(pickle.NONE),
        "texts for numbers": lambda a: a.array((9, 1), "O8", lambda b: b.texts(["x"] * 9)),
        "huge numbers for numbers": lambda a: a.array(
            (9, 1), "O8", lambda b: b.op(b"](", (pickle.LONG1 + b"\xff" + b"\x7f" * 255) * 9, b"e")
        ),
        "no samples": floats(np.empty((9, 0))),
        "fewer columns": floats(np.ones((8, 1))),
    }
    names |= {name: Assembler().frame(AXES, write) for name, write in arrays.items()}
    names |= {
        "unknown column": Assembler().frame(["pulse"], floats(np.ones((1, 3)))),
        "no channel": Assembler().frame([], floats(np.ones((0, 3)))),
        "column twice": Assembler().frame(["acc-x-axis"] * 2, floats(np.ones((2, 3)))),
        "activity as a call": Assembler().frame(
            AXES, floats(np.ones((9, 1))), lambda a: a.array((1, 1), "O8", lambda b: b.op(b"](").op(b"]e"))
        ),
        "activity too long": Assembler().frame(
            AXES, floats(np.ones((9, 1))), lambda a: a.array((1, 1), "O8", lambda b: b.texts(["x" * 100]))
        ),
        "long texts to compare again and again": Assembler().frame(
            AXES,
            floats(np.ones((9, 2))),
            lambda a: a.array((1, 2), "O8", lambda b: b.texts(["x" * 1_000_000] * 2)),
        ),
        "cut off": workout()[:-100],
        "call after a good frame": workout()[:-1] + call("os", "system")[2:],
    }
    return names


@pytest.mark.parametrize("attempt", sorted(hostile()))
def test_a_hostile_pickle_is_refused_and_nothing_happens(tmp_path: Path, attempt: str) -> None:
    with pytest.raises(RecordingError, match=r"is not read: \S+") as refusal:
        read(tmp_path, hostile()[attempt])

    assert not TRACE.exists()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["session7_merged.pckl"]
    assert len(str(refusal.value)) < 400
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("attempt", "reason"),
    [
        ("os.system", "asks for 'os.system'"),
        ("builtins.eval", "asks for 'builtins.eval'"),
        ("pickle.loads", "asks for 'pickle.loads'"),
        ("dotted name", "asks for 'builtins.slice.__class__"),
        ("extension registry 1", "uses the instruction EXT1"),
        ("persistent id", "uses the instruction PERSID"),
        ("OBJ on an allowed name", "uses the instruction OBJ"),
        ("huge shape", r"said to have 2147483647 x 2147483647 values and has 0"),
        ("numbers that are none", "sample 1 of channel ax is nan"),
        ("unknown column", "has a column 'pulse'"),
        ("no pickle", "is no pickle"),
        ("huge 64-bit text", "is no pickle, or a damaged one"),
        ("memo without an entry", "takes number 4294967295 from its memo"),
        ("long texts to compare again and again", "has a text of 1000000 characters"),
        ("too many instructions", "more than 2000000 instructions"),
    ],
)
def test_the_reason_is_said(tmp_path: Path, attempt: str, reason: str) -> None:
    with pytest.raises(RecordingError, match=reason):
        read(tmp_path, hostile()[attempt])


def test_the_bait_works_on_who_loads_it_and_not_here(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    content = pickle.dumps(Bait(trace))

    with pytest.raises(RecordingError, match=r"asks for 'io\.open'|asks for '_io\.open'|asks for 'builtins\.open'"):
        read(tmp_path, content)
    assert not trace.exists()

    pickle.load(io.BytesIO(content)).close()  # noqa: S301 - our own, to see that it would have
    assert trace.exists()


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="larger than 8 MB"):
        read(tmp_path, bytes(8_000_001))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="cannot read"):
        read_legacy_pickle(tmp_path / "session7_merged.pckl")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(st.binary(max_size=60), st.integers(0, 3000), st.integers(0, 3000))
@example(b"", 0, 0)
def test_a_good_file_with_anything_in_it_gives_recordings_or_the_error(
    tmp_path: Path, inserted: bytes, start: int, length: int
) -> None:
    content = workout()
    with contextlib.suppress(RecordingError):
        read(tmp_path, content[:start] + inserted + content[start + length :])


@pytest.mark.skipif(not DATA.is_dir(), reason="the prototype's recordings (../shared/data) are not here")
def test_the_prototypes_own_files_are_the_recordings_of_session_7() -> None:
    table = read_file(DATA / "recordings.csv.gz", sample_rate_hz=2.0, columns=TableColumns(session="session"))
    expected = {str(r.label): r for r in table if r.session == "7"}
    files = sorted((DATA / "legacy_pickles").iterdir())

    read_labels = []
    for file in files:
        for recording in read_file(file):
            reference = expected[str(recording.label)]
            assert recording.session == "7"
            assert recording.channels == reference.channels
            # The table was written with four digits after the point of accelerations, five of angular rates.
            assert (
                np.abs(recording.samples - reference.samples).max(axis=0) < [6e-5] * 3 + [6e-6] * 3 + [1e-6] * 3
            ).all()
            read_labels.append(str(recording.label))

    assert sorted(read_labels) == sorted([*expected, "Pushup_Incorrect", "Squat"])
