"""Files of the user's on their way to the nodes of a Ray cluster."""

import hashlib
import io
import time
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

_KEPT_S = 24 * 3600


class RayModules:
    """Python files and packages for tasks and actors of a job that cannot be given any more files.

    They lie in the store of Ray's head; a node fetches them once, when a worker first needs them. What belongs to no
    job Ray throws away after ten minutes unless it is asked to keep it: nodes that join later would not get it.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._package = _zipped(paths) if paths else b""
        self._uri = f"gcs://_ray_pkg_{hashlib.sha1(self._package).hexdigest()}.zip"
        self._kept_until = -float("inf")

    def options(self) -> dict[str, Any]:
        """For a task or an actor; nothing if there are no modules."""
        if not self._package:
            return {}
        import ray

        self.keep()
        # Those of the job, which this would replace, may hold weft itself.
        of_job = ray.get_runtime_context().runtime_env.get("py_modules", [])
        return {"runtime_env": {"py_modules": [self._uri, *of_job]}}

    def keep(self) -> None:
        """Send them if that was not done yet, and have them kept for another day if it was long ago."""
        if not self._package or time.monotonic() < self._kept_until - _KEPT_S / 2:
            return
        # Ray has no public way to send files once it was started.
        from ray._private.runtime_env.packaging import package_exists, pin_runtime_env_uri, upload_package_to_gcs

        pin_runtime_env_uri(self._uri, expiration_s=_KEPT_S)
        if not package_exists(self._uri):
            upload_package_to_gcs(self._uri, self._package)
        self._kept_until = time.monotonic() + _KEPT_S


def _zipped(paths: Sequence[Path]) -> bytes:
    """The same bytes for the same files, whenever they were written."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path in paths:
            for file in _files(path):
                entry = zipfile.ZipInfo(str(file.relative_to(path.parent)))
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    else:
        yield from (file for file in sorted(path.rglob("*")) if file.is_file() and "__pycache__" not in file.parts)
