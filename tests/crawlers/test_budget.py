import asyncio

import msgspec

from crawlers.budget import ByteBudget
from crawlers.fetch import Fetcher
from tests.crawlers.servers import Reply, WebServer, drip
from tests.crawlers.test_fetch import LOCAL, cap


def test_what_is_over_the_budget_waits_in_order_and_one_body_at_a_time_goes_beyond() -> None:
    async def run() -> list[str]:
        budget, order = ByteBudget(10), list[str]()

        async def read(name: str, blocks: int) -> None:
            with budget.share() as share:
                for _ in range(blocks):
                    await share.grow(4)
                    await asyncio.sleep(0)
                order.append(name)

        async with asyncio.timeout(10):  # each has a part of what the others wait for
            await asyncio.gather(read("a", 3), read("b", 3), read("c", 3))
        return order

    assert sorted(asyncio.run(run())) == ["a", "b", "c"]


def test_who_is_cancelled_while_it_waits_gives_all_back() -> None:
    async def run() -> None:
        budget = ByteBudget(10)
        with budget.share() as first, budget.share() as beyond:
            await first.grow(10)
            await beyond.grow(10)

            async def wait() -> None:
                with budget.share() as share:
                    await share.grow(1)

            waiting = asyncio.create_task(wait())
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        async with asyncio.timeout(10):
            with budget.share() as share:
                await share.grow(10)

    asyncio.run(run())


def test_bodies_that_trickle_keep_no_room_from_others(web: WebServer) -> None:
    """They do not say how long they are, and each may be as long as the budget."""
    web.routes |= {"/drip": Reply(pieces=drip), "/": Reply(b"here", length=None)}

    async def run() -> bytes:
        async with Fetcher(msgspec.structs.replace(LOCAL, max_bytes_in_flight=1000, deadline_s=60.0)) as fetcher:
            slow = [asyncio.create_task(fetcher.get(web.url + "/drip", cap)) for _ in range(4)]
            while len(web.paths()) < 4:
                await asyncio.sleep(0.01)
            async with asyncio.timeout(20):
                body = (await fetcher.get(web.url + "/", cap)).body
            for task in slow:
                task.cancel()
            await asyncio.gather(*slow, return_exceptions=True)
            return body

    assert asyncio.run(run()) == b"here"
