"""Manners towards one host: how fast, how many at a time, when to hold off, and what its policy files say.

Pace is kept in seconds since 1970, so that it holds over restarts, by a clock that nobody sets (`crawlers/clock.py`).
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec

from crawlers.clock import now
from crawlers.exchange import Exchange
from crawlers.fetch import Fetcher, Unfetched, retry_after
from crawlers.fetch_settings import FetchSettings
from crawlers.http import REDIRECTS
from crawlers.licences import fetch_licence
from crawlers.origins import origin
from crawlers.pace_settings import PaceSettings
from crawlers.site_policy import (
    AI,
    MAX_POLICY_BYTES,
    ROBOTS,
    TDMREP,
    PolicyFile,
    SitePolicy,
    has_policy,
    is_part,
    may_have_policy,
    read_rules,
    read_tdmrep,
    unpacked,
)
from schemas.drops import Drop
from schemas.urls import resolve

_LONGEST_REST_S, _LONG_S = 30.0, 5.0
_LONGEST_DETAIL = 200  # characters
#: After so many failures in a row a host is left alone for a while.
PARKED_AFTER = 2
_PARKED = 12  # times the first wait
_FAILURES = ("connect", "dns", "slow", "bad_response")  # of a visit, for which its host waits
_SILENCE = ("connect", "slow", "dns")  # why robots.txt did not come from a host that has said nothing


class Host(msgspec.Struct):
    """What is remembered of a host. Times are in seconds since 1970."""

    name: str  # host, and port if it is not the scheme's own
    ready_at: float = 0.0
    in_flight: int = 0
    failures: int = 0  # in a row
    requests: int = 0
    policies: dict[str, SitePolicy] = {}  # by scheme
    silent: set[str] = set()  # schemes at which nobody answers, while the other may
    address: str | None = None  # by which its pace is kept, too; "": by none, None: not known yet
    took_s: float = 0.0  # its last response
    has_place: bool = False  # it waits until its address may be asked

    @property
    def has_answered(self) -> bool:
        return any(policy.robots is not None for policy in self.policies.values())

    @property
    def is_prompt(self) -> bool:
        """Whether it has answered, and nothing speaks for its keeping us waiting."""
        return self.has_answered and not self.failures and self.took_s < _LONG_S

    def policy(self, scheme: str, settings: PaceSettings, at: float) -> SitePolicy | None:
        """The policy that holds; None if it is to be fetched (again)."""
        policy = self.policies.get(scheme)
        if policy is None or policy.robots is None:
            return None
        # One of the future was fetched before the clock was set back: nobody knows how long ago.
        return policy if 0 <= at - policy.fetched_at < settings.policy_age_s else None

    def learned(self, scheme: str, policy: SitePolicy, settings: PaceSettings) -> None:
        """Keep the policy of an origin. One whose robots.txt failed too often is given up; the other scheme stays."""
        if policy.robots is None:
            failures = self.policies[scheme].failures + 1 if scheme in self.policies else 1
            is_silent = policy.silent and not self.has_answered
            policy = msgspec.structs.replace(policy, failures=failures)
            if failures >= (settings.max_silent if is_silent and settings.max_silent else settings.max_failures):
                detail = ", ".join(filter(None, (f"{failures} times in a row", policy.refusal_detail)))
                policy = SitePolicy("", fetched_at=now(), refusal="robots_unavailable", refusal_detail=detail)
            else:  # who is given up is not waited for
                self.failed(settings, policy.after_s)
        if policy.robots is not None:
            self.answered()
        self.policies = {**self.policies, scheme: policy}

    def delay_s(self, settings: PaceSettings) -> float:
        return max([settings.delay_s, *(policy.delay_s for policy in self.policies.values())])

    def started(self, settings: PaceSettings) -> None:
        """Count a request that begins now."""
        self.requests += 1
        self.ready_at = max(self.ready_at, now() + self.delay_s(settings))

    def ended(self, settings: PaceSettings, sent_at: float) -> None:
        """Let a host rest after a response. Only now is it known when its request was really sent."""
        self.took_s, delay_s = max(0.0, now() - sent_at), self.delay_s(settings)
        if delay_s:
            rest_s = min(_LONGEST_REST_S, self.took_s / settings.concurrency_per_host * settings.rest_factor)
            self.ready_at = max(self.ready_at, sent_at + delay_s, now() + rest_s)

    def answered(self) -> None:
        self.failures = 0

    def told(self, settings: PaceSettings, exchange: Exchange | None, failure: Drop | None) -> None:
        """Take what a request came to for a sign of how the host is to be treated."""
        if exchange is not None and exchange.status in (429, 503):
            self.failed(settings, retry_after(exchange))
        elif exchange is None and isinstance(failure, Unfetched) and failure.reason in _FAILURES:
            self.failed(settings)
        elif failure is not None and failure.reason == "proxy":
            self.rest(settings.backoff_s)
        else:
            self.answered()

    def failed(self, settings: PaceSettings, after_s: float = 0.0) -> None:
        """Hold off after an answer that asks for it, or none at all."""
        self.failures += 1
        times = 2 ** min(self.failures - 1, 20)
        wait = settings.backoff_s * (max(times, _PARKED) if self.failures >= PARKED_AFTER else times)
        wait = min(settings.max_backoff_s, wait)
        self.ready_at = max(self.ready_at, now() + max(after_s, wait * random.uniform(1.0, 1.25)))

    def rest(self, seconds: float) -> None:
        """Hold off for something that is not the host's fault."""
        self.ready_at = max(self.ready_at, now() + seconds)

    def over_budget(self, settings: PaceSettings) -> bool:
        return 0 < settings.max_requests_per_host <= self.requests

    def is_down(self, settings: PaceSettings) -> bool:
        return self.failures >= settings.max_failures


#: Waits for the turn of a request to a host that is not the one in hand, where a redirect of a policy file leads.
Turn = Callable[[str], Awaitable[None]]


async def learn_policy(
    fetcher: Fetcher, url: str, settings: FetchSettings, turn: Turn, seen: Callable[[Exchange], None]
) -> SitePolicy:
    """Fetch the policy files of the origin of `url` and the licences that its robots.txt names, one after the other;
    `seen` gets every exchange.

    `SitePolicy.robots` is None where the server failed; `SitePolicy.refusal` names what no later try would mend.
    Raises `Unfetched("proxy")` where a proxy takes no connection.
    """
    base = origin(url)
    robots: str | None
    try:
        file = await policy_file(fetcher, base + ROBOTS, settings, turn, seen) or PolicyFile()
        robots = read_rules(file.body, file.is_cut)
    except Unfetched as failure:
        if failure.passing and failure.reason == "proxy":  # of which the host knows nothing
            raise
        if not failure.passing:
            return SitePolicy("", fetched_at=now(), refusal=failure.reason, refusal_detail=failure.detail)
        unreached, silent = failure.reason == "connect", failure.reason in _SILENCE
        return SitePolicy(
            None,
            fetched_at=now(),
            after_s=failure.after_s,
            unreached=unreached,
            silent=silent,
            refusal_detail=f"{failure.reason}: {failure.detail}"[:_LONGEST_DETAIL],
        )
    files: dict[str, PolicyFile] = {}
    for path in (AI, TDMREP):
        try:
            files[path] = await policy_file(fetcher, base + path, settings, turn, seen) or PolicyFile()
        except Drop as failure:
            if isinstance(failure, Unfetched) and failure.passing and failure.reason == "proxy":
                raise
            if failure.reason in ("truncated_body", "bad_encoding"):  # something was said
                return SitePolicy(None, fetched_at=now())
            files[path] = PolicyFile()
    policy = await asyncio.to_thread(_policy, robots, files[AI], files[TDMREP])
    addresses = filter(None, (resolve(base + "/", address) for address in policy.licence_addresses))
    fetch = partial(licence_file, fetcher, settings=settings, turn=turn, seen=seen)
    licences = [await fetch_licence(fetch, address) for address in addresses]
    return msgspec.structs.replace(policy, licences=tuple(licences)) if licences else policy


def _policy(robots: str, ai: PolicyFile, tdmrep: PolicyFile) -> SitePolicy:
    tdm = read_tdmrep(tdmrep.body, tdmrep.is_cut)
    return SitePolicy(robots, read_rules(ai.body, ai.is_cut), tdm, now()).read()


async def licence_file(
    fetcher: Fetcher, url: str, settings: FetchSettings, turn: Turn, seen: Callable[[Exchange], None]
) -> bytes | None:
    """The same of a document that says something only as a whole."""
    file = await policy_file(fetcher, url, settings, turn, seen)
    return None if file is None or file.is_cut else file.body


async def policy_file(
    fetcher: Fetcher, url: str, settings: FetchSettings, turn: Turn, seen: Callable[[Exchange], None]
) -> PolicyFile | None:
    """A policy file; None where the server says that there is none. Raises `Unfetched` where it fails."""
    for _ in range(settings.max_redirects + 1):
        await turn(url)
        exchange = await fetcher.get(url, lambda status, headers: MAX_POLICY_BYTES, "text/plain, */*;q=0.1", cut=True)
        seen(exchange)
        if exchange.status in REDIRECTS and "location" in exchange.headers:
            url = resolve(url, exchange.headers["location"])
            if not url:
                return None
            continue
        if has_policy(exchange.status):
            if is_part(exchange.status, exchange.headers):
                raise Unfetched("truncated_body", f"{exchange.status}, a part of it", passing=True)
            try:
                encoding = exchange.headers.get("content-encoding", "")
                return unpacked(exchange.body, "", encoding, exchange.truncated == "length")
            except Drop as drop:  # what cannot be read may forbid everything
                raise Unfetched(drop.reason, drop.detail, passing=True) from None
        if may_have_policy(exchange.status):
            raise Unfetched("http_status", str(exchange.status), passing=True, after_s=retry_after(exchange))
        return None
    return None  # RFC 9309: more than five redirects count as absent
