"""Addresses that hold a key are told by their query."""

import pytest

from schemas.drops import DropRow
from schemas.presigned import is_presigned, without_key
from schemas.storage import Store
from tests.schemas.test_drop_files import read, write

KEYS = [
    "https://b.s3.example/a.jpg?X-Amz-Algorithm=AWS4&X-Amz-Signature=ab", "https://s.example/a?x-goog-signature=1",
    "https://d.cloudfront.example/a.jpg?Expires=1&Signature=x~&Key-Pair-Id=K", "https://a.example/x?b=1&signature=2",
    "https://a.blob.example/c/a.png?sv=2022-11-02&se=2024&sr=b&sig=abc%3D", "https://a.example/x?sig=1&sv=2",
    "https://o.example/a?X%2DAmz%2DSignature=1", "https://o.example/a?x-oss-signature=1",
]  # fmt: skip

USERS = {
    "https://u:p@a.example/x@y?z=@": "https://a.example/x@y", "http://token@a.example:8080": "http://a.example:8080",
    "https://me@mail.example:p@a.example/": "https://a.example/", "https://u:p@a.example\\@b": "https://a.example\\@b",
}  # fmt: skip


@pytest.mark.parametrize("url", USERS)
def test_it_holds_a_user(url: str) -> None:
    assert is_presigned(url)
    assert without_key(url) == USERS[url]


@pytest.mark.parametrize("url", KEYS)
def test_it_holds_a_key(url: str) -> None:
    assert is_presigned(url)
    assert without_key(url) == url.partition("?")[0]


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example/signature=1", "https://a.example/a.jpg?w=300&s=abc", "https://a.example/?sig=1",
        "https://a.example/?sv=1", "https://a.example/?mysignature=1", "https://a.example/#?signature=1",
        "https://a.example/@user/x", "https://a.example?x=a@b", "https://a.example#a@b", "mailto:a@b.example", "a@b",
    ],
)  # fmt: skip
def test_it_does_not(url: str) -> None:
    assert not is_presigned(url)
    assert without_key(url) == url


@pytest.mark.parametrize("url", [*KEYS, *USERS])
def test_no_row_of_a_drop_holds_one(store: Store, url: str) -> None:
    write(store, [DropRow(url, "image", "presigned", f"at {url}", url)])
    (row,) = read(store)
    bare = USERS.get(url, url.partition("?")[0])
    assert (row.url, row.detail, row.page_url) == (bare, f"at {bare}", bare)
