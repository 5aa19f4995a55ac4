"""Whether anything of Ray answers at an address: its own clients wait for minutes, and fill the screen meanwhile."""

import os
import socket
from pathlib import Path

from schemas.settings import SettingsError

_PATIENCE_S = 10.0
#: What opens a connection of HTTP/2, which gRPC speaks, with a frame of settings; the other side answers with its own.
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
_HEADERS_FRAME, _SETTINGS_FRAME = 1, 4
#: How HPACK (RFC 7541) writes the statuses of its table that are not 200, which gRPC answers whatever is asked.
_OTHER_STATUSES = range(0x89, 0x8F)
_TABLE_SIZE = 0x20  # before them may stand new sizes of its other table: bytes from here to 0x3f, and what follows


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
            is_ray = _speaks_grpc(connection, place)
    except (OSError, OverflowError) as error:
        raise SettingsError(f"no Ray answers at {address}: {error}; ray status shows a cluster's address") from None
    if not is_ray:
        raise SettingsError(f"what answers at {address} is not Ray: ray status shows a cluster's address")


def _speaks_grpc(connection: socket.socket, place: str) -> bool:
    """Whether it is a server of HTTP/2, and not of web pages. In doubt it is. Raises `OSError` before any answer."""
    kind, _ = _frame(connection)
    if kind != _SETTINGS_FRAME:
        return False
    try:
        connection.sendall(_question(place))
        while kind != _HEADERS_FRAME:
            kind, payload = _frame(connection)
            if kind < 0:
                return True
    except OSError:
        return True
    start = 0
    while start < len(payload) and _TABLE_SIZE <= payload[start] < 0x40:
        is_long = payload[start] == 0x3F
        start += 1
        while is_long and start < len(payload):
            is_long = payload[start] >= 0x80
            start += 1
    return start >= len(payload) or payload[start] not in _OTHER_STATUSES


def _frame(connection: socket.socket) -> tuple[int, bytes]:
    """The type and the payload of the next frame; -1 where the other side ends."""
    head = _read(connection, 9)
    if len(head) < 9:
        return (head[3] if len(head) > 3 else -1), b""
    return head[3], _read(connection, int.from_bytes(head[:3], "big"))


def _read(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (some := connection.recv(size - len(data))):
        data += some
    return data


def _question(place: str) -> bytes:
    """A call of gRPC, which no server need know."""

    def text(value: str) -> bytes:
        return bytes((len(value),)) + value.encode()

    headers = b"\x83\x86\x04" + text("/ray.rpc.NodeInfoGcsService/CheckAlive") + b"\x01" + text(place[:100])
    headers += b"\x0f\x10" + text("application/grpc") + b"\x00" + text("te") + text("trailers")
    stream = (1).to_bytes(4, "big")
    asked = len(headers).to_bytes(3, "big") + bytes((_HEADERS_FRAME, 0x04)) + stream + headers
    return asked + (5).to_bytes(3, "big") + bytes((0, 0x01)) + stream + bytes(5)
