"""Where the images and videos come from that pages and lists name: settings of a build."""

import os

import msgspec

from crawlers.crawl_config import CrawlConfig
from crawlers.fetch_settings import FetchSettings
from crawlers.pace_settings import PaceSettings
from crawlers.scope import ScopeSettings
from schemas.consent import ConsentSettings
from schemas.settings import Settings

_MOST_SILENT = 2  # failures; of so many hosts that are long gone a build would wait minutes for each
_ANY = 1 << 20  # addresses come from pages that were judged; no trap is laid by naming a picture


class MediaSettings(Settings, frozen=True):
    """Where the images of pages come from."""

    from_web: bool = False
    """Fetch the images that the archives lack, into archives beside the dataset. Off, a build reaches no network."""
    from_build: str = ""
    """The output of another build: what that one fetched is read, and nothing is asked for. A path is taken from where
    the command runs."""
    partitions: int = 0
    """Into how many parts the hosts are hashed, by registered domain; each has one worker, which keeps their pace.
    0: one for each CPU of the first run."""
    max_hours: float = 0.0
    """So long a run fetches; what has not come by then is dropped as `not_in_time`, and can be fetched later. 0: until
    all is done."""
    max_warc_bytes: int = 1 << 30
    """An archive of what is fetched is closed once it has grown to this."""
    fetch: FetchSettings = FetchSettings()
    pace: PaceSettings = PaceSettings()

    def __post_init__(self) -> None:
        if self.from_build and "://" not in self.from_build:  # goes on from another folder, too
            msgspec.structs.force_setattr(self, "from_build", os.path.abspath(self.from_build))


def media_crawl(media: MediaSettings, consent: ConsentSettings, partitions: int) -> CrawlConfig:
    """The crawl that fetches what is wanted, and nothing that it leads to."""
    return CrawlConfig(
        partitions=partitions,
        max_warc_bytes=media.max_warc_bytes,
        sitemaps=False,
        fetch=media.fetch,
        pace=msgspec.structs.replace(media.pace, max_silent=media.pace.max_silent or _MOST_SILENT),
        consent=consent,
        scope=ScopeSettings(
            max_url_characters=_ANY, max_path_segments=_ANY, max_parameters=_ANY, max_repeated_segments=_ANY
        ),
    )
