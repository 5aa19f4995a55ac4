import asyncio
import socket

import aiodns
import pytest

from crawlers.addresses import BlockedAddress, GuardedResolver
from crawlers.names import Names


class Server:
    """Answers after `takes_s`, and remembers what it was asked."""

    def __init__(self, takes_s: float = 0.0, ttl: float = 300.0, error: int = 0) -> None:
        self.takes_s, self.ttl, self.error = takes_s, ttl, error
        self.asked: list[str] = []

    async def __call__(self, host: str) -> tuple[list[str], float]:
        self.asked.append(host)
        await asyncio.sleep(self.takes_s)
        if self.error:
            raise aiodns.error.DNSError(self.error, "no")
        return ["9.9.9.9", "10.0.0.1"] if host.startswith("inside") else ["9.9.9.9", "2620:fe::9"], self.ttl


def test_many_names_are_looked_up_side_by_side_and_more_in_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of them is answered before as many have been asked for as may be."""
    monkeypatch.setattr("crawlers.names._PATIENCE_S", 3600.0)
    running, most = 0, 0

    async def run() -> None:
        enough = asyncio.Event()

        async def look_up(host: str) -> tuple[list[str], float]:
            nonlocal running, most
            running += 1
            most = max(most, running)
            if running == 256:
                enough.set()
            await enough.wait()
            await asyncio.sleep(0.01)
            running -= 1
            return ["9.9.9.9"], 300.0

        names = Names(look_up)
        async with asyncio.timeout(60):
            await asyncio.gather(*(names.addresses(f"n{n}.example") for n in range(600)))

    asyncio.run(run())
    assert (most, running) == (256, 0)


def test_names_that_nobody_answers_for_stop_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawlers.names._PATIENCE_S", 0.05)

    async def look_up(host: str) -> tuple[list[str], float]:
        await asyncio.sleep(3600 if host.startswith("hung") else 0)
        return ["9.9.9.9"], 300.0

    async def run() -> None:
        names = Names(look_up)
        hung = [asyncio.create_task(names.addresses(f"hung{n}.example")) for n in range(600)]
        async with asyncio.timeout(20):
            assert await names.addresses("a.example") == ("9.9.9.9",)
        await names.close()
        await asyncio.gather(*hung, return_exceptions=True)

    asyncio.run(run())


def test_a_name_is_looked_up_once_while_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    at = [1000.0]
    monkeypatch.setattr("crawlers.names.now", lambda: at[0])
    server = Server(takes_s=0.01, ttl=100.0)

    async def run() -> None:
        names = Names(server)
        await asyncio.gather(*(names.addresses("a.example") for _ in range(10)))
        at[0] += 99
        assert await names.addresses("a.example") == ("9.9.9.9", "2620:fe::9")
        assert len(server.asked) == 1
        at[0] += 2
        await names.addresses("a.example")
        assert len(server.asked) == 2

    asyncio.run(run())


@pytest.mark.parametrize(
    ("code", "error", "kept_s"),
    [(aiodns.error.ARES_ENOTFOUND, socket.EAI_NONAME, 500), (aiodns.error.ARES_ETIMEOUT, socket.EAI_AGAIN, 5)],
)
def test_failures_are_remembered_too(code: int, error: int, kept_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    at, server = [1000.0], Server(error=code)
    monkeypatch.setattr("crawlers.names.now", lambda: at[0])

    async def run() -> None:
        names = Names(server)
        for _ in range(2):
            with pytest.raises(socket.gaierror) as caught:
                await names.addresses("a.example")
            assert caught.value.errno == error
            at[0] += kept_s
        assert len(server.asked) == 1

    asyncio.run(run())


def test_who_gives_up_takes_nothing_from_the_others() -> None:
    async def run() -> None:
        names = Names(Server(takes_s=0.1))
        first = asyncio.create_task(names.addresses("a.example"))
        second = asyncio.create_task(names.addresses("a.example"))
        await asyncio.sleep(0.01)
        first.cancel()
        assert (await second)[0] == "9.9.9.9"

    asyncio.run(run())


def test_every_address_is_judged_and_the_family_is_that_asked_for() -> None:
    async def run() -> None:
        resolver = GuardedResolver(names=Names(Server()))
        found = await resolver.resolve("a.example", 443, socket.AF_UNSPEC)
        assert [(one["host"], one["port"]) for one in found] == [("9.9.9.9", 443), ("2620:fe::9", 443)]
        assert [one["host"] for one in await resolver.resolve("a.example", 443, socket.AF_INET6)] == ["2620:fe::9"]
        with pytest.raises(BlockedAddress):
            await resolver.resolve("inside.example", 443, socket.AF_INET6)
        assert await resolver.paced_address("a.example") == "9.9.9.9"
        assert await GuardedResolver(["a.example"], {"b.example": "127.0.0.1:80"}).paced_address("b.example") == ""

    asyncio.run(run())
