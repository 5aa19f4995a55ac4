"""A file and a server that nothing may touch: bytes of the zoo name them."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.pipeline.videos import make_video

PRIVATE_VIDEO_SIZE = (176, 98)  # of no other video here
_PORT = "WEFT_ZOO_CANARY"


class Canary:
    """`touched()` says how often its server was connected to since it was last asked."""

    def __init__(self) -> None:
        self._count = 0

    def sing(self) -> None:
        self._count += 1

    def touched(self) -> int:
        count, self._count = self._count, 0
        return count


def canary_port() -> int:
    """Of the canary's server; a port that no one listens on where there is none."""
    return int(os.environ.get(_PORT, "9"))


@contextmanager
def canary(folder: Path) -> Iterator[Canary]:
    """In `folder`, which becomes the working directory: `private.mp4`, and a server that counts who connects."""
    (folder / "private.mp4").write_bytes(make_video(scenes=(30,), size=PRIVATE_VIDEO_SIZE))
    bird, before = Canary(), Path.cwd()
    with socket.create_server(("127.0.0.1", 0)) as server:
        os.environ[_PORT] = str(server.getsockname()[1])

        def listen() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                bird.sing()
                connection.close()

        threading.Thread(target=listen, daemon=True).start()
        os.chdir(folder)
        try:
            yield bird
        finally:
            os.chdir(before)
            server.shutdown(socket.SHUT_RDWR)
