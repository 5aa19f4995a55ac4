import contextlib
import gzip
import time
import tracemalloc
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from crawlers.http import dechunk, dechunk_beginning, decode_body, join_headers
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


def reason(body: bytes, transfer: str, content: str) -> str:
    with pytest.raises(Drop) as drop:
        decode_body(body, transfer, content, CAP)
    return drop.value.reason


@every_encoding
def test_a_body_cut_short_anywhere_is_a_truncated_body(name: str, encode: Callable[[bytes], bytes]) -> None:
    """Down to the last byte of a checksum: a half page must never pass as whole."""
    words = b"".join(b"%d words " % (i * i) for i in range(3_000))
    whole = encode(words)
    length = len(whole)
    for end in {*range(1, 40), *range(40, length, 997), *range(length - 12, length)}:
        if end < {"deflate": 4, "zstd": 2}.get(name, 0):
            continue  # may be text
        assert reason(whole[:end], "", name) == "truncated_body", end


ONE, TWO = PAGE[: LENGTH // 2], PAGE[LENGTH // 2 :]
PARTED = [pytest.param(*ENCODERS[key], id=key) for key in ("gzip", "zstd", "zstd, size unknown")]


@pytest.mark.parametrize(("name", "encode"), PARTED)
def test_all_members_and_frames_are_read(name: str, encode: Callable[[bytes], bytes]) -> None:
    parts = encode(ONE) + encode(b"") + encode(TWO)
    assert decode_body(parts, "", name, LENGTH) == PAGE
    assert decode_body(chunked(parts, 7), "chunked", name, LENGTH) == PAGE
    assert reason(parts[:-1], "", name) == "truncated_body"
    with pytest.raises(Drop, match="too_large"):
        decode_body(parts, "", name, LENGTH - 1)


def test_padding_between_gzip_members_and_skippable_frames_of_zstd_are_passed_over() -> None:
    assert decode_body(gzip.compress(ONE) + bytes(512) + gzip.compress(TWO) + bytes(99), "", "gzip", CAP) == PAGE
    skipped = b"\x5e\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"notes"
    frames = [zstandard.compress(part) for part in (ONE, TWO)]
    assert decode_body(skipped + frames[0] + skipped + frames[1] + skipped, "", "zstd", CAP) == PAGE
    assert reason(skipped + frames[0] + skipped[:-1], "", "zstd") == "truncated_body"


@every_encoding
@pytest.mark.parametrize("junk", [b"\r\n", b"<!-- a proxy was here -->", bytes(70), b"\xff" * 70_000])
def test_junk_behind_a_sound_body_is_ignored_as_browsers_do(
    name: str, encode: Callable[[bytes], bytes], junk: bytes
) -> None:
    assert decode_body(encode(PAGE) + junk, "", name, CAP) == PAGE


@pytest.mark.parametrize(("name", "encode"), PARTED)
def test_a_bomb_in_many_parts_is_too_large(name: str, encode: Callable[[bytes], bytes]) -> None:
    assert reason(encode(bytes(CAP // 4)) * 5, "", name) == "too_large"


@pytest.mark.parametrize(("name", "encode"), PARTED)
def test_many_small_parts_take_time_in_proportion(name: str, encode: Callable[[bytes], bytes]) -> None:
    def seconds(count: int) -> float:
        body = encode(b"") * count
        began = time.process_time()
        assert decode_body(body, "", name, CAP) == b""
        return time.process_time() - began

    seconds(1000)
    assert seconds(40_000) < 12 * seconds(10_000) + 0.1


def test_more_encodings_than_anybody_needs_are_refused() -> None:
    assert reason(PAGE, "", ", ".join(["gzip"] * 6)) == "bad_encoding"
    assert decode_body(PAGE, "", ", ".join(["identity"] * 60), CAP) == PAGE


def test_a_transfer_coding_is_undone_below_its_chunks() -> None:
    assert decode_body(chunked(gzip.compress(PAGE)), "gzip, chunked", "", CAP) == PAGE
    assert decode_body(chunked(gzip.compress(brotli.compress(PAGE))), "gzip, chunked", "br", CAP) == PAGE


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


def test_chunks_cut_off_anywhere_are_a_truncated_body() -> None:
    whole = chunked(b"abcdefghij", 5)
    for end in range(3, len(whole) - 3):
        assert reason(whole[:end], "chunked", "") == "truncated_body", end
    assert dechunk(whole[:-2]) == b"abcdefghij", "the line end after the trailers is missed by nobody"


def test_a_beginning_is_dechunked_as_far_as_it_goes() -> None:
    whole = chunked(b"abcdefghij", 5)
    assert dechunk_beginning(whole[: whole.index(b"fgh") + 2]) == b"abcdefg"
    assert dechunk_beginning(b"ffff\r\nabc") == b"abc"


@pytest.mark.parametrize(
    "line", [b"5\r\n", b"005\r\n", b" 5 \r\n", b"5\n", b"5;a=b\r\n", b"5;" + b"x" * 1000 + b"\r\n"]
)
def test_the_size_of_a_chunk_may_be_written_in_many_ways(line: bytes) -> None:
    assert dechunk(line + b"hello\r\n0\r\n\r\n") == b"hello"
    assert dechunk(line + b"hello\n0\n\n") == b"hello"


@pytest.mark.parametrize("line", [b"+5", b"0x5", b"1_0", b"-5", "\uff15".encode(), b"11111111111111111"])
def test_what_python_alone_takes_for_a_number_is_no_size(line: bytes) -> None:
    body = line + b"\r\nhello\r\n0\r\n\r\n"
    assert dechunk(body) == body


@pytest.mark.parametrize("body", [PAGE, b"-5\r\nabcde\r\n", b"zz\r\nabc", b"no line end", b"", b"\r\n\r\n<html>"])
def test_a_body_that_is_not_chunked_is_kept(body: bytes) -> None:
    assert dechunk(body) == body


def test_damage_between_chunks_is_a_bad_encoding() -> None:
    assert reason(b"5\r\nhello\r\nzz\r\nworld, and more\r\n0\r\n\r\n", "chunked", "") == "bad_encoding"


def test_a_page_whose_first_line_is_a_number_is_not_chunked() -> None:
    assert dechunk(b"5\r\n" + PAGE) == b"5\r\n" + PAGE


def test_a_chunk_that_claims_the_world_takes_no_memory() -> None:
    assert reason(b"ffffffffffff\r\nabc", "chunked", "") == "truncated_body"


@given(
    st.sampled_from(
        [
            b"",
            b"\x1f\x8b\x08",
            b"\x78\x9c",
            b"\x28\xb5\x2f\xfd",
            b"\x50\x2a\x4d\x18",
            b"5\r\n",
            gzip.compress(PAGE)[:99],
        ]
    ),
    st.binary(max_size=200),
    st.sampled_from(["", "chunked", "gzip, chunked"]),
    st.sampled_from(["", "gzip", "deflate", "br", "zstd", "zstd, br, deflate, gzip"]),
)
def test_whatever_comes_is_a_body_or_a_drop(start: bytes, rest: bytes, transfer: str, content: str) -> None:
    with contextlib.suppress(Drop):
        assert len(decode_body(start + rest, transfer, content, 10_000)) <= 10_000


@pytest.mark.parametrize(("lines", "joined"), [
    (("text/html", "text/html; charset=utf-8"), "text/html; charset=utf-8"),
    (("text/html; charset=utf-8", "text/html"), "text/html; charset=utf-8"),
    (("text/plain", "text/html"), "text/html"), (("text/html", "junk"), "text/html"),
])  # fmt: skip
def test_of_several_content_types_the_last_counts(lines: tuple[str, ...], joined: str) -> None:
    assert join_headers([("Content-Type", line) for line in lines]) == {"content-type": joined}


def test_what_a_server_and_its_proxy_both_send_is_said_once() -> None:
    pairs = [
        ("Location", "/a"),
        ("location", "/a"),
        ("Retry-After", "9"),
        ("Retry-After", "9"),
        ("X-Y", "1"),
        ("X-Y", "1"),
    ]
    assert join_headers(pairs) == {"location": "/a", "retry-after": "9", "x-y": "1, 1"}
    assert join_headers([("Location", "/a"), ("Location", "/b")]) == {"location": "/a, /b"}


def test_addresses_in_headers_are_read_by_their_bytes() -> None:
    pairs = [("Location", "/b\xc3\xbc"), ("Link", "</\u65e5>"), ("X-Y", "\xfc")]
    assert join_headers(pairs) == {"location": "/b%C3%BC", "link": "</%E6%97%A5>", "x-y": "\xfc"}
