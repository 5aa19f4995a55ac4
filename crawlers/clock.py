"""Time as a crawl reckons it: in seconds since 1970, so that it can be kept on disk, yet never turned back or forward.

The wall clock is read once; from then on the seconds of the monotonic clock are counted. Somebody who sets the clock
while a crawl runs changes no pace and no wait. Between two runs it may be set, too: see `Frontier`.
"""

import time

_BEGAN = time.time() - time.monotonic()


def now() -> float:
    return _BEGAN + time.monotonic()
