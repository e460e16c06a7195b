"""Take out of an image's packages what no service runs: `slim.py FOLDER`, the folder that pip installed into.

What goes is whole: optional parts, what is for compiling against a package, the packages' own tests, symbols for
debuggers. `check.py` then uses what is left as the services do, or the build ends: a new version that needs more than
this one is noticed by whoever raises the lock, and not by whoever starts the image.
"""

import shutil
import subprocess
import sys
from pathlib import Path

_LEFT_OUT = {
    "pyarrow": (
        # Arrow Flight is a server, S3 a file system: both load only when asked for, and nobody asks.
        "libarrow_flight.so.*",
        "libarrow_python_flight.so*",
        "_flight.*.so",
        "libarrow_s3.so.*",
        "_s3fs.*.so",
        # For those who compile against it; the library itself is named libarrow_python.so.<version without dots>.
        "include",
        "includes",
        "src",
        "*.pxi",
        "*.pxd",
        "*.pyx",
        "libarrow_python.so",
        "libarrow_python.so.*.*.*",
        # Its tests.
        "tests",
        "_pyarrow_cpp_tests.*.so",
        # Other file systems, other formats, encryption.
        "_hdfs.*.so",
        "_gcsfs.*.so",
        "_azurefs.*.so",
        "_orc.*.so",
        "_dataset_orc.*.so",
        "_substrait.*.so",
        "*parquet_encryption.*so*",
    ),
    "onnxruntime": (
        # The same runtime once more, for programs in C; Python has it in onnxruntime_pybind11_state.
        "capi/libonnxruntime.so*",
        # Tools that change models.
        "transformers",
        "quantization",
        "tools",
    ),
    "numpy": (
        # Some of the tests' helpers are imported from elsewhere, the tests are not.
        "**/tests/test_*.py",
        "**/tests/data",
        "typing/tests",
        "_core/_simd.*.so",
        "_core/_*_tests.*.so",
        # For those who compile, or check types.
        "_core/include",
        "_core/lib/*.a",
        "random/lib/*.a",
        "f2py",
        "**/*.pyi",
    ),
    "pandas": ("tests",),
    # For those who compile operations of their own: 13,000 files.
    "tensorflow": ("include", "xla_aot_runtime_src"),
}
_STRIPPED = ("pyarrow", "numpy", "numpy.libs")
"""Their libraries come with symbols for debuggers, a fifth of pyarrow's size; every other package's come without."""


def main(folder: str) -> None:
    """Remove it; say how much that was."""
    packages = Path(folder)
    before = _size(packages)
    for package, patterns in _LEFT_OUT.items():
        if not (packages / package).is_dir():
            continue
        for pattern in patterns:
            found = sorted((packages / package).glob(pattern))
            if not found:
                sys.exit(f"{package} has no {pattern} any more: see what it has now, and correct {Path(__file__).name}")
            for path in found:
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()
    libraries = [path for package in _STRIPPED for path in sorted((packages / package).rglob("*.so*"))]
    if libraries:
        subprocess.run(["strip", "--strip-unneeded", *map(str, libraries)], check=True)
    print(f"{before / 1e6:.0f} MB are now {_size(packages) / 1e6:.0f} MB")


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main(*sys.argv[1:])
