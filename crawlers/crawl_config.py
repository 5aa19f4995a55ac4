"""The settings of a crawl."""

from crawlers.fetch_settings import FetchSettings
from crawlers.pace_settings import PaceSettings
from crawlers.parsing import ParseSettings
from crawlers.range_settings import RangeSettings
from crawlers.ranking import PrioritySettings
from crawlers.render_config import RenderSettings
from crawlers.scope import ScopeSettings
from schemas.consent import ConsentSettings
from schemas.settings import Settings


class CrawlConfig(Settings, frozen=True):
    """What decides where a crawl goes and how it behaves there."""

    partitions: int = 0
    """Parts of the frontier, by registered domain; each is one worker with archives of its own. Other than before: its
    hosts are moved. 0: as before, in a new crawl one for each CPU."""
    max_warc_bytes: int = 1 << 30
    """An archive is closed once it has grown to this."""
    images: bool = True
    """Fetch the images of pages."""
    videos: bool = True
    """Fetch the videos that pages embed as files, and their subtitles."""
    sitemaps: bool = True
    """Read the sitemaps that robots.txt names, of hosts where the crawl takes pages."""
    max_in_flight: int = 128
    """Visits of one partition at a time, over all hosts."""
    fetch: FetchSettings = FetchSettings()
    pace: PaceSettings = PaceSettings()
    scope: ScopeSettings = ScopeSettings()
    priority: PrioritySettings = PrioritySettings()
    parse: ParseSettings = ParseSettings()
    render: RenderSettings = RenderSettings()
    consent: ConsentSettings = ConsentSettings()
    ranges: RangeSettings = RangeSettings()
