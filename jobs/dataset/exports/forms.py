"""The forms of others that `weft export` knows, by name; each is imported when it is asked for."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobs.dataset.exports.run import Format

#: Name -> module and class.
FORMS = {
    "parquet": ("jobs.dataset.exports.parquet", "Parquet"),
    "mmc4": ("jobs.dataset.exports.mmc4", "Mmc4"),
    "energon": ("jobs.dataset.exports.energon", "Energon"),
    "lance": ("jobs.dataset.exports.lance", "Lance"),
}


def form_of(name: str) -> "Format":
    """Raises `ExportError` where the package that it needs is not installed."""
    from jobs.dataset.exports.run import ExportError

    module, kind = FORMS[name]
    try:
        made: Format = getattr(importlib.import_module(module), kind)()
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != name:
            raise
        raise ExportError(f"{name} needs its package: pip install -c constraints.txt -e '.[{name}]'") from None
    return made
