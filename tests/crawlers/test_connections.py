import asyncio
import errno
import resource
import socket

import pytest

from crawlers.connections import most_kept
from crawlers.fetch import Fetcher
from crawlers.fetch_settings import FetchSettings
from tests.crawlers.servers import Reply, WebServer
from tests.crawlers.test_fetch import cap, fetch


@pytest.mark.parametrize(
    ("soft", "hard", "raised", "kept"),
    [
        (1024, 1024, None, 128),
        (1024, 4096, 4096, 1664),
        (1024, resource.RLIM_INFINITY, 1 << 16, 8192),
        (256, 512, 512, 0),
    ],
)
def test_a_crawl_has_as_many_files_open_as_the_system_lets_it(
    soft: int, hard: int, raised: int | None, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hosts that are asked every now and then would else fill the 1,024 of a shell with idle connections."""
    now = [soft]
    monkeypatch.setattr(resource, "getrlimit", lambda which: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda which, limits: now.append(limits[0]))
    assert most_kept(512) == kept
    assert now[1:] == ([raised] if raised else [])


def test_no_more_connections_are_kept_than_there_is_room_for(web: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawlers.connections.most_kept", lambda limit: 1)
    web.routes["/"] = Reply(b"here")

    async def run() -> list[int]:
        hosts = {f"{name}.example": web.address for name in "abc"}
        async with Fetcher(FetchSettings(connect_to=hosts)) as fetcher:
            kept = []
            for host in hosts:
                await fetcher.get(f"http://{host}/", cap)
                assert fetcher._session is not None
                assert fetcher._session.connector is not None
                kept.append(len(fetcher._session.connector._conns))
            return kept

    assert asyncio.run(run()) == [1, 1, 1]


def test_that_no_more_files_may_be_opened_is_no_fault_of_a_host(
    web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> socket.socket:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("crawlers.addresses.GuardedResolver.make_socket", full)
    with pytest.raises(OSError, match="Too many open files"):
        fetch(web.url + "/")
