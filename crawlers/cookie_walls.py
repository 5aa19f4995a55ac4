"""Sites that show a page only to who brings back a cookie: they redirect until it comes, to the same address at last.

A jar holds what one host set within one visit, and goes with it: nobody is recognised from one visit to the next.
"""

import re
from collections.abc import Awaitable, Callable

from crawlers.exchange import Exchange
from crawlers.http import REDIRECTS
from crawlers.origins import origin
from schemas.urls import resolve

_PAIR = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,256})=([\x21-\x3a\x3c-\x7e]{0,4096})\s*(?:;|\Z)")
_MOST_COOKIES = 50

#: Gets an address with a `Cookie` header, in its turn and if nothing forbids it.
GetWith = Callable[[str, str], Awaitable[Exchange]]


async def behind_wall(first: Exchange, get: GetWith, most: int) -> list[Exchange]:
    """What came in between and at last the answer for the address of `first`, which was a redirect that set a cookie.

    Empty where the way leads to another host or does not come back within `most` requests: then it is a redirect like
    any other. Raises what `get` raises.
    """
    jar: dict[str, str] = {}
    last, passed = first, list[Exchange]()
    while last.status in REDIRECTS and len(passed) < most:
        _keep(jar, last)
        target = resolve(last.url, last.headers.get("location", ""))
        if not jar or not target or origin(target) != origin(first.url):
            return []
        last = await get(target, "; ".join(f"{name}={value}" for name, value in jar.items()))
        passed.append(last)
    return passed if last.url == first.url and last.status == 200 else []


def _keep(jar: dict[str, str], exchange: Exchange) -> None:
    for line in exchange.headers.get("set-cookie", "").split("\n"):
        if (pair := _PAIR.match(line.strip())) and (pair[1] in jar or len(jar) < _MOST_COOKIES):
            jar[pair[1]] = pair[2]
