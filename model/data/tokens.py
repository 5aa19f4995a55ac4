"""Any Hugging Face tokenizer from a local path, with the two tokens that interleaved sequences need."""

import hashlib
import itertools
import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import tokenizers

from schemas.settings import SettingsError

IMAGE = "<image>"
END_OF_CHUNK = "<|endofchunk|>"
_NO_TEXT = "\ue000gap "  # begins with a character of private use
#: Tokenizers that cut or rewrite texts otherwise mostly differ in this.
_SAMPLE_TEXT = "The cat's 1234 hats, e.g. São Paulo’s;\n\n  DON'T re-use it…\t面白い猫 Ещё 🙂 don’t ﬁx_it(x)"


class Tokens:
    """Encodes text, and knows the ids of the special tokens.

    Text never becomes a special token: a page that writes `<image>` gets the pieces of those characters. `base_size` is
    the size of the vocabulary before the two were added; `size` the size after.
    """

    def __init__(
        self, tokenizer: tokenizers.Tokenizer, bos: str | None = None, eos: str | None = None, source: str = ""
    ) -> None:
        """`source` is the path that it was read from."""
        # A copy: what is added here must not reach the caller's tokenizer.
        self._tokenizer = tokenizers.Tokenizer.from_str(_without_gaps(tokenizer))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.base_size = self._tokenizer.get_vocab_size()
        added = [tokenizers.AddedToken(name, special=True, normalized=False) for name in (IMAGE, END_OF_CHUNK)]
        self._tokenizer.add_special_tokens(added)
        self._tokenizer.encode_special_tokens = True
        self.size = self._tokenizer.get_vocab_size()
        self.image_id, self.end_of_chunk_id = self._id(IMAGE), self._id(END_OF_CHUNK)
        self.bos_id = None if bos is None else self._id(bos)
        self.eos_id = None if eos is None else self._id(eos)
        #: What fills a row. It is never predicted nor attended to, so any id would do.
        self.pad_id = self.end_of_chunk_id if self.eos_id is None else self.eos_id
        self._names = (bos, eos)
        self.source = source
        special = (self.image_id, self.end_of_chunk_id, self.bos_id, self.eos_id)
        self.special_ids = frozenset(token for token in special if token is not None)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (self._tokenizer.to_str(), self.base_size, *self._names, self.source)

    @cached_property
    def fingerprint(self) -> str:
        """Equal for tokenizers that give texts the same ids: of the ids of all names and of a text. Their files may
        differ, as those of versions of the library do."""
        names = sorted(self._tokenizer.get_vocab().items())
        known = [names, self.bos_id, self.eos_id, self.encode(_SAMPLE_TEXT)]
        return hashlib.sha256(json.dumps(known).encode()).hexdigest()[:16]

    def encode(self, text: str) -> list[int]:
        """Ids of the text alone: nothing is put before or after it."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids if self.special_ids.isdisjoint(ids) else self._without_special(text)

    def _without_special(self, text: str) -> list[int]:
        """Of a text that writes the name of a special token, where that is a piece like any other (Unigram): it is cut
        within the name."""
        cuts = sorted({at + 1 for token in self.special_ids for at in _places(self.name_of(token), text)})
        parts = [text[start:end] for start, end in itertools.pairwise([0, *cuts, len(text)])]
        pieces = [self._tokenizer.encode(part, add_special_tokens=False).ids for part in parts]
        return [piece for ids in pieces for piece in ids if piece not in self.special_ids]

    def encode_after(self, before: str, text: str) -> list[int]:
        """Ids of a text as they follow those of `before` where both are one text.

        Some tokenizers (Llama 2, Mistral) put a space before whatever they are given: alone, " dog" is two pieces.
        """
        known, whole = self.encode(before), self.encode(before + text)
        return whole[len(known) :] if whole[: len(known)] == known and len(whole) > len(known) else self.encode(text)

    def decode(self, ids: list[int]) -> str:
        """The text of ids, special tokens written out."""
        return str(self._tokenizer.decode(ids, skip_special_tokens=False))

    def tokenizer(self) -> tokenizers.Tokenizer:
        """A copy, with the new tokens, which finds special tokens in texts as it does elsewhere."""
        return tokenizers.Tokenizer.from_str(self._tokenizer.to_str())

    def name_of(self, token: int) -> str:
        """A token as it is written. Raises `KeyError` for an id that is none."""
        if (found := self._tokenizer.id_to_token(token)) is None:
            raise KeyError(token)
        return str(found)

    def _id(self, name: str) -> int:
        found: int | None = self._tokenizer.token_to_id(name)
        if found is None:
            raise SettingsError(f"the tokenizer has no token {name!r}")
        return found


def _without_gaps(tokenizer: tokenizers.Tokenizer) -> str:
    """The tokenizer as JSON. Where its ids have gaps, names that no text has stand in them: the library gives a new
    token the number of those there are for an id, which may be that of another."""
    text: str = tokenizer.to_str()
    known = tokenizer.get_vocab(with_added_tokens=False)
    gaps = set(range(max(known.values(), default=-1) + 1)) - set(known.values())
    if not gaps:
        return text
    written = json.loads(text)
    written["model"]["vocab"] |= {f"{_NO_TEXT}{gap}": gap for gap in sorted(gaps)}
    return json.dumps(written)


def byte_tokens() -> Tokens:
    """A token for each byte of UTF-8, and an end of text: needs no file, and suits no model."""
    letters = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: number for number, letter in enumerate([*letters, "<|endoftext|>"])}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    return Tokens(tokenizer, eos="<|endoftext|>")


def load_tokens(path: str) -> Tokens:
    """The tokenizer of a local model folder, or of a `tokenizer.json`. Nothing is downloaded.

    BOS and EOS are those that `tokenizer_config.json` or `special_tokens_map.json` beside it name, if any. A folder of
    an older, slow tokenizer has no `tokenizer.json`; transformers converts it, if it is installed. Raises
    `SettingsError`.
    """
    if not path:
        raise SettingsError("no tokenizer is named: set tokenizer to a model folder or a tokenizer.json")
    place = Path(path)
    file = place / "tokenizer.json" if place.is_dir() else place
    if not file.exists():
        return _converted(place)
    try:
        tokenizer = tokenizers.Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises bare Exception
        raise SettingsError(f"{file} is no tokenizer: {error}") from None
    names = _special_names(file.parent)
    return Tokens(tokenizer, names.get("bos_token"), names.get("eos_token"), path)


def _special_names(folder: Path) -> dict[str, str]:
    names: dict[str, str] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        if (folder / name).exists():
            for role, token in _json_object(folder / name).items():
                content = token.get("content") if isinstance(token, dict) else token
                if role in ("bos_token", "eos_token") and isinstance(content, str):
                    names[role] = content
    return names


def _json_object(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise SettingsError(f"{file} is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise SettingsError(f"{file} is no JSON object")
    return found


def _converted(place: Path) -> Tokens:
    if not place.is_dir():
        raise SettingsError(f"no tokenizer at {place}: name a model folder or a tokenizer.json")
    try:
        from transformers import AutoTokenizer
    except ImportError:
        raise SettingsError(f"{place} has no tokenizer.json; pip install transformers to read older ones") from None
    try:
        slow = AutoTokenizer.from_pretrained(str(place), local_files_only=True)
    except Exception as error:  # whatever is wrong with the files: the library raises what it meets
        why = str(error).strip().partition("\n")[0].rstrip(": ")
        raise SettingsError(f"no tokenizer at {place}: name a model folder or a tokenizer.json ({why[:200]})") from None
    if not hasattr(slow, "backend_tokenizer"):
        raise SettingsError(f"{place}: transformers cannot make a fast tokenizer of it")
    return Tokens(slow.backend_tokenizer, slow.bos_token, slow.eos_token, str(place))


def _places(name: str, text: str) -> Iterator[int]:
    """Where a name begins in a text."""
    at = text.find(name) if name else -1
    while at >= 0:
        yield at
        at = text.find(name, at + 1)


def _rebuilt(text: str, base_size: int, bos: str | None, eos: str | None, source: str) -> Tokens:
    tokens = Tokens(tokenizers.Tokenizer.from_str(text), bos, eos, source)
    tokens.base_size = base_size
    return tokens
