"""Unpack TensorFlow's protobuf messages from its wheel: `tensorflow_messages.py WHEEL FOLDER`.

The client of TensorFlow Serving needs `tensorflow/core/**/*_pb2.py`, and what these import: 1 MB of Python. The rest of
the wheel is 1.3 GB that nothing but training runs. The messages are the same for every system and processor.
"""

import ast
import sys
import zipfile
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

_WANTED = "tensorflow/core/*_pb2.py"


def main(wheel: str, folder: str) -> None:
    """Unpack into a folder that Python searches."""
    with zipfile.ZipFile(wheel) as archive:
        members = set(archive.namelist())
        pending = [member for member in members if fnmatch(member, _WANTED)]
        if not pending:
            sys.exit(f"{wheel} has no {_WANTED}")
        unpacked: set[str] = set()
        while pending:
            member = pending.pop()
            if member in unpacked:
                continue
            unpacked.add(member)
            archive.extract(member, folder)
            for module in _imported_messages(archive.read(member)):
                if module not in members:
                    sys.exit(f"{member} imports {module}, which {Path(wheel).name} does not have")
                pending.append(module)
    print(f"{len(unpacked)} modules of messages")


def _imported_messages(source: bytes) -> Iterator[str]:
    """Name the files of TensorFlow that generated code imports.

    It does so by `from package import name_pb2`, or by `from package.name_pb2 import *`.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "tensorflow":
            path = node.module.replace(".", "/")
            yield from (f"{path}.py" if path.endswith("_pb2") else f"{path}/{name.name}.py" for name in node.names)


if __name__ == "__main__":
    main(*sys.argv[1:])
