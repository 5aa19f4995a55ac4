"""What is on a list of what nobody may keep is never shown, whether the build has come upon it or not."""

from collections.abc import Callable

from crawlers.archive_index import NotAtHand
from crawlers.captured import Media
from jobs.dataset.index import Index
from schemas.drops import Drop
from schemas.hash_lists import HashListSettings, refuse_listed
from schemas.settings import SettingsError
from schemas.urls import media_key

_REASON = "hash_listed"


class Listed:
    """What a build has dropped for its hash, and the lists by which it did, as far as they lie on this machine."""

    def __init__(self, index: Index, settings: HashListSettings, look: Callable[[bytes], object]) -> None:
        """`look` raises the `Drop` of a picture that a list knows by its look."""
        batches = index.batches("SELECT url FROM drops WHERE reason = ?", [_REASON])
        self._keys = {media_key(url) for batch in batches for url in batch.column("url").to_pylist()}
        self._settings, self._look = settings, look
        # Nothing is asked of a server that a dataset names: it may be anybody's.
        self._is_at_hand = not any("://" in path for path in (*settings.files, *settings.pdq))

    def refuse(self, asked: str, media: Media) -> None:
        """Raises `Drop` for what may not be shown, and `NotAtHand` where nobody can tell."""
        if media_key(asked) in self._keys or media_key(media.url) in self._keys:
            raise Drop(_REASON)
        if not self._settings:
            return
        try:
            if not self._is_at_hand:
                raise SettingsError("they lie on a server")
            refuse_listed(media.body, self._settings)
            if self._settings.pdq:
                self._look(media.body)
        except (SettingsError, OSError) as error:
            raise NotAtHand(f"its build had lists of what nobody may keep, which are not at hand: {error}") from None
