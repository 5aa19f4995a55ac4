"""How hosts are treated: settings."""

import math

import msgspec

from crawlers.host_patterns import longest_fitting
from schemas.settings import Settings


class HostPace(Settings, frozen=True):
    """What is different for some hosts; None: as for the others."""

    delay_s: float | None = None
    concurrency_per_host: int | None = None
    max_requests_per_host: int | None = None
    max_delay_s: float | None = None
    max_hours: float | None = None


class PaceSettings(Settings, frozen=True):
    """How a host is treated. A host is a name and port; robots.txt may ask for more delay, never for less."""

    delay_s: float = 1.0
    """Least time between two requests to a host, from the sending of one to that of the next."""
    rest_factor: float = 1.0
    """After a response a host rests for so many times as long as it took, 30 seconds at most; not where no delay is
    set, by us or by robots.txt."""
    address_delay_s: float = 0.1
    """Least time between two requests to one IP address, whatever hosts lie there. 0: hosts alone count."""
    max_delay_s: float = 300.0
    """A host whose robots.txt asks for a longer delay is not crawled."""
    hosts: dict[str, HostPace] = msgspec.field(default_factory=dict)
    """What is different for some: by host (`a.example`) or with all below it (`*.a.example`); the longest counts."""
    concurrency_per_host: int = 1
    """Requests to a host at a time."""
    max_requests_per_s: float = 0.0
    """Of the whole job, over all hosts; 0: no limit."""
    max_requests_per_host: int = 0
    """Budget of a host over the whole job, policy files included; 0: no limit."""
    max_hours: float = 0.0
    """So long after the beginning of a run a host may be asked; what it has not given by then is dropped as
    `not_in_time`. 0: no limit."""
    backoff_s: float = 5.0
    """Wait after a host answered 429 or 503, or did not answer; doubled each time in a row, with jitter. From the
    second time in a row on it is twelve times as long at least."""
    max_backoff_s: float = 3600.0
    """A longer `Retry-After` than this is obeyed all the same."""
    max_failures: int = 8
    """So many failures of a host in a row, and it is given up."""
    max_silent: int = 0
    """The same for a host that has never answered. 0: `max_failures` in a crawl; two where a build fetches media, of
    which many lie on hosts that are long gone."""
    policy_age_s: float = 86400.0
    """robots.txt and the other policy files are fetched anew after this; RFC 9309 asks for a day at most."""

    @property
    def first_limit_s(self) -> float:
        """When the time of a host may be over for the first time; infinite if never."""
        limits = [self.max_hours, *(host.max_hours for host in self.hosts.values())]
        return min((3600 * hours for hours in limits if hours), default=math.inf)

    def of(self, host: str) -> "PaceSettings":
        """Those that hold for a host, by its name and port."""
        name = host.rpartition(":")[0] if ":" in host and not host.endswith("]") else host
        pattern = longest_fitting(name, self.hosts)
        if pattern is None:
            return self
        special = msgspec.structs.asdict(self.hosts[pattern])
        return msgspec.structs.replace(self, **{name: value for name, value in special.items() if value is not None})
