import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from crawlers.http import dechunk, decode_body
from schemas.drops import Drop
from tests.crawlers.warcs import chunked

CAP = 1 << 20
PAGE = b"<!DOCTYPE html><html><body>" + b"Some words of a page. " * 500 + b"</body></html>"
LENGTH = len(PAGE)
PLAIN = [
    PAGE,
    b"<html>",
    b"\n<html>",
    b"hello",
    b"{}",
    "<!doctype html><title>日本語のページ</title>".encode(),
    "\ufeff<!doctype html><title>é</title>".encode(),
]


def raw_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(data) + stream.flush()


ENCODERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("x-gzip", gzip.compress),
    "GZIP": ("GZIP", gzip.compress),
    "zlib": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate),
    "br": ("br", lambda data: brotli.compress(data, quality=1)),
    "zstd": ("zstd", zstandard.ZstdCompressor().compress),
    "zstd, size unknown": ("zstd", lambda data: zstandard.ZstdCompressor(write_content_size=False).compress(data)),
}
every_encoding = pytest.mark.parametrize(("name", "encode"), ENCODERS.values(), ids=list(ENCODERS))


@every_encoding
def test_an_encoding_is_undone(name: str, encode: Callable[[bytes], bytes]) -> None:
    assert encode(PAGE) != PAGE
    assert decode_body(encode(PAGE), "", name, CAP) == PAGE


@every_encoding
def test_an_encoding_below_chunks_is_undone(name: str, encode: Callable[[bytes], bytes]) -> None:
    assert decode_body(chunked(encode(PAGE), 50), "Chunked", name, CAP) == PAGE


@every_encoding
@pytest.mark.parametrize("body", PLAIN)
def test_a_body_that_the_crawler_had_already_decoded_is_kept(
    name: str, encode: Callable[[bytes], bytes], body: bytes
) -> None:
    assert decode_body(body, "", name, CAP) == body
    assert decode_body(body, "chunked", name, CAP) == body


@every_encoding
def test_a_bomb_is_too_large_and_takes_little_memory(name: str, encode: Callable[[bytes], bytes]) -> None:
    bomb = encode(bytes(64 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(Drop) as drop:
            decode_body(bomb, "", name, CAP)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert drop.value.reason == "too_large"
    assert drop.value.detail == f"over {CAP} bytes when decompressed"
    assert peak < 8 * CAP


@every_encoding
def test_the_cap_is_exact(name: str, encode: Callable[[bytes], bytes]) -> None:
    assert decode_body(encode(PAGE), "", name, LENGTH) == PAGE
    with pytest.raises(Drop) as drop:
        decode_body(encode(PAGE), "", name, LENGTH - 1)
    assert drop.value.reason == "too_large"


@pytest.mark.parametrize(
    ("name", "encode"),
    [pytest.param(*ENCODERS[key], id=key) for key in ("gzip", "zlib", "br", "zstd")],
)
def test_a_damaged_body_is_a_bad_encoding(name: str, encode: Callable[[bytes], bytes]) -> None:
    body = bytearray(encode(b"".join(b"%d words " % (i * i) for i in range(20_000))))
    middle = len(body) // 2
    body[middle : middle + 64] = b"\xff" * 64
    with pytest.raises(Drop) as drop:
        decode_body(bytes(body), "", name, CAP)
    assert drop.value.reason == "bad_encoding"
    assert drop.value.detail


@every_encoding
def test_a_body_cut_short_gives_what_came(name: str, encode: Callable[[bytes], bytes]) -> None:
    """As browsers do: archives cut long bodies, and the beginning of a page is a page."""
    words = b"".join(b"%d words " % (i * i) for i in range(20_000))
    whole = encode(words)
    begun = decode_body(whole[: len(whole) // 2], "", name, CAP)
    assert begun
    assert words.startswith(begun)


def test_encodings_are_undone_in_reverse_order() -> None:
    body = brotli.compress(gzip.compress(PAGE))
    assert decode_body(body, "", "gzip, br", CAP) == PAGE


def test_a_bomb_in_a_bomb_is_too_large() -> None:
    with pytest.raises(Drop) as drop:
        decode_body(gzip.compress(gzip.compress(bytes(64 << 20))), "", "gzip, gzip", CAP)
    assert drop.value.reason == "too_large"


def test_one_encoding_stated_twice_is_undone_once() -> None:
    assert decode_body(gzip.compress(PAGE), "", "gzip, gzip", CAP) == PAGE


@pytest.mark.parametrize("name", ["", "identity", "utf-8", "none", "compress, lies"])
def test_a_name_that_means_nothing_changes_nothing(name: str) -> None:
    assert decode_body(PAGE, "", name, CAP) == PAGE


def test_a_plain_body_over_the_cap_is_too_large() -> None:
    assert decode_body(PAGE, "identity", "", LENGTH) == PAGE
    with pytest.raises(Drop) as drop:
        decode_body(PAGE, "", "", LENGTH - 1)
    assert (drop.value.reason, drop.value.detail) == ("too_large", f"{LENGTH} bytes, cap {LENGTH - 1}")


def test_an_empty_body_stays_empty() -> None:
    for name in ("", "gzip", "deflate", "br", "zstd"):
        assert decode_body(b"", "", name, CAP) == b""
        assert decode_body(b"0\r\n\r\n", "chunked", name, CAP) == b""


@given(st.binary(max_size=300), st.integers(1, 100))
def test_dechunking_undoes_chunking(body: bytes, size: int) -> None:
    assert dechunk(chunked(body, size)) == body


def test_extensions_and_trailers_of_chunks_are_passed_over() -> None:
    assert dechunk(b'5;name="x"\r\nhello\r\n6 \r\n world\r\n0\r\nExpires: never\r\n\r\n') == b"hello world"


def test_chunks_cut_off_give_what_came_whole_or_begun() -> None:
    whole = chunked(b"abcdefghij", 5)
    assert dechunk(whole[:-5]) == b"abcdefghij"
    assert dechunk(whole[: whole.index(b"fgh") + 2]) == b"abcdefg"
    assert dechunk(whole[: whole.index(b"fgh") - 2]) == b"abcde"


@pytest.mark.parametrize("body", [PAGE, b"-5\r\nabcde\r\n", b"zz\r\nabc", b"no line end", b"", b"\r\n\r\n<html>"])
def test_a_body_that_is_not_chunked_is_kept(body: bytes) -> None:
    assert dechunk(body) == body


def test_damage_between_chunks_keeps_what_came_before() -> None:
    assert dechunk(b"5\r\nhello\r\nzz\r\nworld\r\n0\r\n\r\n") == b"hello"


def test_a_chunk_that_claims_the_world_takes_no_memory() -> None:
    assert dechunk(b"ffffffffffff\r\nabc") == b"abc"
