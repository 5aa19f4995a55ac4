"""Whether anything of Ray answers at an address: its own clients wait for minutes, and fill the screen meanwhile."""

import os
import socket
from pathlib import Path

from schemas.settings import SettingsError

_PATIENCE_S = 10.0
#: What opens a connection of HTTP/2, which gRPC speaks, with a frame of settings; the other side answers with its own.
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
_SETTINGS_FRAME = 4


def check_address(address: str) -> None:
    """Raises `SettingsError` where nobody listens at `host:port` or `ray://host:port`, or where it is not Ray.

    Other words are left to Ray. `auto` is what Ray noted of the cluster that was last started here, dead or not.
    """
    note = Path(os.environ.get("RAY_TMPDIR") or "/tmp") / "ray" / "ray_current_cluster"
    if address == "auto" and note.is_file():
        address = note.read_text().strip()
    scheme, _, place = address.rpartition("://")
    host, colon, port = place.rpartition(":")
    if not colon or not port.isdecimal() or scheme not in ("", "ray"):
        return
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _PATIENCE_S) as connection:
            if "RAY_USE_TLS" in os.environ:
                return
            connection.sendall(_GREETING)
            answer = connection.recv(9)
    except (OSError, OverflowError) as error:
        raise SettingsError(f"no Ray answers at {address}: {error}; ray status shows a cluster's address") from None
    if len(answer) < 4 or answer[3] != _SETTINGS_FRAME:
        raise SettingsError(f"what answers at {address} is not Ray: ray status shows a cluster's address")
