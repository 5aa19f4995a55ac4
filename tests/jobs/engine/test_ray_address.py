"""An address of a cluster that is gone, or of something else, is told at once."""

import socket
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray

from jobs.engine.engine import EngineSettings, open_engine
from jobs.engine.on_ray import RayEngine
from jobs.engine.ray_address import check_address
from schemas.settings import SettingsError
from tests.ports import free_port


def answering(answer: bytes) -> Iterator[int]:
    """The port of a server that says the same to everybody, once."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with server, server.accept()[0] as connection:
            connection.recv(100)
            connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    yield server.getsockname()[1]
    thread.join(10)


@pytest.mark.parametrize("form", ["127.0.0.1:{}", "ray://127.0.0.1:{}"])
def test_an_address_where_nobody_listens(form: str) -> None:
    with (
        pytest.raises(SettingsError, match=r"no Ray answers at .*Connection refused"),
        open_engine(EngineSettings(address=form.format(free_port()))),
    ):
        pytest.fail("there is no such cluster")


def test_the_note_of_a_cluster_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray/ray_current_cluster").write_text(f"127.0.0.1:{free_port()}")
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    with pytest.raises(SettingsError, match="no Ray answers"):
        check_address("auto")


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-x\r\n", b""])
def test_what_answers_and_is_not_ray(answer: bytes) -> None:
    for port in answering(answer):
        with pytest.raises(SettingsError, match="is not Ray"):
            check_address(f"127.0.0.1:{port}")


def test_a_server_of_http_2_is_left_to_ray() -> None:
    for port in answering(bytes((0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 0))):
        check_address(f"127.0.0.1:{port}")


SETTINGS = bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))


def headers(block: bytes) -> bytes:
    """Those of an answer, as a frame."""
    return len(block).to_bytes(3, "big") + bytes((1, 4, 0, 0, 0, 1)) + block


@pytest.mark.parametrize("block", [b"\x8d", b"\x8d\x0f\x0d\x010", b"\x3f\xe1\x1f\x8c", b"\x20\x8e"])
def test_a_server_of_web_pages_by_http_2_is_not_ray(block: bytes) -> None:
    for port in answering(SETTINGS + SETTINGS + headers(block)):
        with pytest.raises(SettingsError, match="is not Ray"):
            check_address(f"127.0.0.1:{port}")


@pytest.mark.parametrize("block", [b"\x88", b"\x3f\xe1\x1f\x88", b"", b"\x3f"])
def test_a_server_that_may_speak_grpc_is_left_to_ray(block: bytes) -> None:
    for port in answering(SETTINGS + headers(block)):
        check_address(f"127.0.0.1:{port}")


@pytest.mark.parametrize("address", ["", "local", "head", "http://127.0.0.1:8265"])
def test_other_words_are_left_to_ray(address: str) -> None:
    check_address(address)


def test_ray_that_does_not_start_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from jobs.engine import on_ray

    def fails(**options: object) -> None:
        raise OSError("no room in /dev/shm\nand a second line")

    monkeypatch.setattr(on_ray.ray, "init", fails)
    monkeypatch.setattr(on_ray.ray, "is_initialized", lambda: False)
    with (
        pytest.raises(SettingsError, match="Ray does not start on this machine: no room in /dev/shm; --engine inline"),
        open_engine(EngineSettings()),
    ):
        pytest.fail("it did not start")


def test_an_engine_that_outlives_its_ray_starts_no_other_one() -> None:
    """Whoever started Ray ends it while an actor is still named: `ray.kill` would start a Ray to look for it there."""
    actor = open_engine  # anything that can be named weakly
    engine = RayEngine(EngineSettings(), ())
    engine._workers.append(weakref.ref(actor))
    engine.close()
    assert not ray.is_initialized()
