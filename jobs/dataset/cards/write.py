"""The cards are written when a dataset is, and again when it has changed: by what it is, not by who changed it.

`card.json` remembers of which `dataset.json` they were made and what was written: a rerun with nothing to do reads two
small files, an interrupted one finishes, what somebody wrote in place of a card stays, and one that was deleted comes
back with the next change only.
"""

import hashlib
import logging

import msgspec

from jobs.dataset.cards.croissant import croissant
from jobs.dataset.cards.facts import CardFacts, Publisher, card_facts
from jobs.dataset.cards.readme import readme
from jobs.dataset.index import Index, QueryError, StorageError
from schemas.dataset import DATASET, read_dataset
from schemas.shards import promised
from schemas.storage import Store

CARD = "card.json"
CROISSANT, README = "croissant.json", "README.md"
logger = logging.getLogger(__name__)


class Card(msgspec.Struct, frozen=True):
    """`card.json`."""

    publisher: Publisher = Publisher()
    made_of: str = ""  # SHA-256 of dataset.json
    files: dict[str, tuple[str, ...]] = {}  # by name, SHA-256 of what was written; while it is, of old and new


def read_card(store: Store) -> Card:
    """Raises `DamagedShard`."""
    try:
        return promised(CARD, store.read(CARD), Card)
    except FileNotFoundError:
        return Card()


def refresh_cards(store: Store) -> None:
    """At the end of a build: what a finished dataset says of itself is true. Raises `OSError` and `DamagedShard`."""
    card = read_card(store)
    if card.made_of == _digest(store.read(DATASET)):
        return
    try:
        left = write_cards(store, card.publisher)[1]
    except StorageError:  # a rerun writes what is missing
        raise
    except QueryError as error:  # of a layout that nobody foresaw: the dataset is complete all the same
        logger.warning("no card was written: %s", error)
        return
    for name in left:
        logger.warning("%s is not weft's any more and stays as it is; weft card --overwrite replaces it", name)


def write_cards(store: Store, publisher: Publisher, overwrite: bool = False) -> tuple[CardFacts, list[str]]:
    """Both cards of a finished dataset; returns what they say, and the names of files that somebody changed, which
    are left alone. Raises `FileNotFoundError` for one that is not finished, `OSError`, `DamagedShard`, `QueryError`."""
    dataset, made_of, before = read_dataset(store), _digest(store.read(DATASET)), read_card(store).files
    with Index(store) as index:
        facts = card_facts(index, dataset, publisher)
    made = {
        CROISSANT: msgspec.json.format(msgspec.json.encode(croissant(facts)), indent=1) + b"\n",
        README: readme(facts).encode("utf-8", "replace"),
    }
    digests = {name: _digest(data) for name, data in made.items()}
    known = {name: (*before.get(name, ()), digest) for name, digest in digests.items()}
    left = [] if overwrite else [name for name in made if _is_foreign(store, name, known[name])]
    _put(store, Card(publisher, "", known))  # a kill from here on leaves nothing that would not be recognised
    for name, data in made.items():
        if name not in left:
            store.put(name, data)
    files = {name: (digest,) if name not in left else before.get(name, ()) for name, digest in digests.items()}
    _put(store, Card(publisher, made_of, files))
    return facts, left


def _is_foreign(store: Store, name: str, known: tuple[str, ...]) -> bool:
    """Whether something lies there that weft did not write."""
    try:
        return _digest(store.read(name)) not in known
    except FileNotFoundError:
        return False


def _put(store: Store, card: Card) -> None:
    store.put(CARD, msgspec.json.format(msgspec.json.encode(card), indent=1))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
