import pickle
import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.deny import DENY_LIST, DenyList, add_to_deny_list, read_deny_list
from schemas.settings import SettingsError
from schemas.storage import Store

LIST = DenyList(
    ["# who asked us", "", "https://a.example/private/page", "b.example", "http://c.example/photos/*", "  D.Example  "]
)


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example/private/page",
        "http://www.a.example/private/page/?utm_source=x#y",
        "https://b.example/",
        "http://img.b.example:8080/x.png",
        "https://c.example/photos/2024/x.jpg",
        "https://www.c.example/photos/",
        "https://d.example/x",
    ],
)
def test_what_is_denied(url: str) -> None:
    assert LIST.denies(url)


@pytest.mark.parametrize(
    "url",
    ["https://a.example/private/page2", "https://a.example/", "https://notb.example/", "https://c.example/photo", ""],
)
def test_what_is_not(url: str) -> None:
    assert not LIST.denies(url)


def test_an_empty_list_denies_nothing() -> None:
    assert not DenyList(["# nothing"])
    assert not DenyList().denies("https://a.example/")


def test_a_list_travels_to_other_processes() -> None:
    assert pickle.loads(pickle.dumps(LIST)).lines == LIST.lines


def test_hashes_stand_beside_addresses_and_are_kept_in_one_form() -> None:
    digest, look = "ab" * 32, "0123456789abcdef"
    lines = [
        f"SHA256: {digest.upper()}",
        f"{digest},why,2026",
        f"phash:{look}",
        "b.example",
        f"phash:{look};asked by mail",
    ]
    deny = DenyList(lines)
    assert deny.lines == ["b.example", f"phash:{look}", f"sha256:{digest}"]
    assert deny.hashes.entry((digest,)) == f"sha256:{digest}"
    assert deny.hashes.entry((), ("0123456789abcdee",)) == f"phash:{look}"
    assert deny.hashes.entry(("cd" * 32,), ("fedcba9876543210",)) == ""
    assert deny.entry("https://www.b.example/x") == "b.example"
    assert pickle.loads(pickle.dumps(deny)).lines == deny.lines


@pytest.mark.parametrize("line", ["sha256:", "phash:0123", f"pdq:{'g' * 64}", f"sha256:{'a' * 63}"])
def test_a_hash_with_other_digits_is_refused(line: str) -> None:
    with pytest.raises(SettingsError, match=r"hex digits"):
        DenyList([line])


def test_an_output_keeps_what_was_denied_before(store: Store) -> None:
    add_to_deny_list(store, ["b.example"])
    add_to_deny_list(store, ["a.example", "b.example"])
    assert store.read(DENY_LIST) == b"a.example\nb.example\n"
    assert read_deny_list(store).lines == ["a.example", "b.example"]


SPELT = DenyList(
    [
        "https://bücher.example/straße/a b.html?q=ü&x=1",
        "xn--mnchen-3ya.example",
        "https://user:pw@c.example:443/private//x/../*",
        "127.0.0.1",
        "e.example/album",
        "f.example/shots/*",
        "*.G.example.",
        "h.example:8080",
        "//i.example/one",
        "j.example/",
        "https://www.k.example/%7ejoe",
        "www.l.example",
        "http://m.example/.*",
        "https://bü*",
        "[2001:DB8:0:0::1]",
        "2001:db8::2",
        "https://n.example/view?id=1*",
    ]
)


@pytest.mark.parametrize(
    "url",
    [
        "https://xn--bcher-kva.example/stra%C3%9Fe/a%20b.html?q=%c3%bc&x=1",
        "http://BÜCHER.example./stra%c3%9fe/./%61%20b.html?x=1&q=ü#top",
        "https://www.bücher.example:80//straße///a b.html?q=%C3%BC&x=%31",
        "https://bu\u0308cher.example/straße/a+b/../a b.html?x=1&q=ü",
        "https://münchen.example/",
        "http://img.MÜNCHEN.example:81/x",
        "https://münchen。example/",
        "https://m%C3%BCnchen.example/",
        "https://user@xn--mnchen-3ya.example./",
        "https://münchen.ｅxample/",
        "http://c.example/private/y",
        "http://a:b@C.example:80/z/..//%70rivate/y",
        "\thttps:\\\\c.example\\pri\nvate\\y ",
        "http://0x7f.1/x",
        "http://2130706433/",
        "http://0177.0.0.1/",
        "http://127.1.:8080/",
        "http://１２７.0.0.1/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::FFFF:7f00:1]/",
        "http://www.e.example/album/",
        "https://f.example//shots/1.jpg",
        "https://g.example/",
        "https://a.b.g.example/",
        "http://h.example:08080/any",
        "https://i.example/one",
        "//i.example/one",
        "https://j.example/any",
        "https://b.j.example/any",
        "https://k.example/~joe",
        "https://k.example/%7Ejoe/index.html",
        "https://l.example/any",
        "https://www.l.example/any",
        "https://m.example/.git/config",
        "https://xn--bgel-0ra.example/",
        "https://[2001:db8::1]/",
        "https://[2001:db8::0:2]/",
        "https://n.example/view?id=%31&page=2",
        "https://n.example/view?utm_source=a&id=12",
        "http:c.example/private/y",
        "https:///c.example/private/y",
    ],
)
def test_no_spelling_of_an_address_hides_it(url: str) -> None:
    assert SPELT.denies(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://bier.example/",
        "https://bucher.example/stra%C3%9Fe/a%20b.html?q=%c3%bc&x=1",
        "https://c.example/privat",
        "https://c.example/private%2Fy",
        "https://d.example/c.example/private/",
        "https://c.example@d.example/private/x",
        "https://h.example/",
        "https://x.l.example/",
        "https://m.example/git",
        "https://n.example/view?id=2&other=id=1",
        "https://e.example/album%253F",
        "https://e.example/album%3F",
        "http://127.0.0.2/",
        "http://",
        "http://a b/",
        "http://c.example:99999/private/x",
        "data:text/html,c.example",
        "http://\ud800/",
    ],
)
def test_other_addresses_stay_others(url: str) -> None:
    assert not SPELT.denies(url)


def _percent(text: str, choose: random.Random, chance: float) -> str:
    """Some characters percent-encoded, in either case; what is encoded stays."""
    return re.sub(
        "%..|.",
        lambda match: (
            f"%{ord(match[0]):02{choose.choice('xX')}}"
            if len(match[0]) == 1 and match[0] not in "/.&=" and choose.random() < chance
            else match[0].swapcase()
            if match[0][0] == "%" and choose.random() < chance
            else match[0]
        ),
        text,
    )


@given(st.randoms(use_true_random=False))
def test_an_address_spelt_anew_stays_denied(choose: random.Random) -> None:
    def maybe(text: str) -> str:
        return choose.choice(("", "", text))

    address, domain = "https://bücher.example/alben/sommer-24/~joe?size=gross&id=7", "münchen.example"
    lines = [*choose.sample([address, "https://bücher.example/alben/sommer*"], k=choose.randint(1, 2)), domain]
    host = choose.choice(["bücher.example", "xn--bcher-kva.example", "BÜCHER.example", "b%C3%BCcher.ex%61mple"])
    host = choose.choice([host, host.replace("e", "ｅ", 1) if "%" not in host and "xn" not in host else host])
    slash = choose.choice(("/", "//", "/./", "/a/../", "/%2e/", "/x/%2E./", "\\"))
    path = "".join(slash + _percent(part, choose, 0.3) for part in ("alben", "sommer-24", "~joe")) + maybe("/")
    query = "&".join(choose.sample([_percent(part, choose, 0.2) for part in ("size=gross", "id=7")], k=2))
    user, port, fragment = maybe("u:p@"), choose.choice(("", ":80", ":443")), maybe("#there")
    start = choose.choice(("http://", "https://", "HTTPS://", "http:\\\\", "https:/")) + user
    url = f"{maybe(' ')}{start}{maybe('www.')}{host}{maybe('.')}{port}{path}?{query}{maybe('&utm_source=n')}{fragment}"
    at = choose.randrange(len(url))
    url = url[:at] + maybe(choose.choice("\t\r\n")) + url[at:]
    assert DenyList(lines).denies(url), url
    for other in ("münchen", "xn--mnchen-3ya", "M%C3%BCNCHEN"):
        assert DenyList(lines).denies(f"{start}a.{other}.EXAMPLE{port}{path}")


@given(st.text(), st.text())
def test_no_text_breaks_a_list(line: str, url: str) -> None:
    DenyList([line, f"https://{line}", f"{line}*"]).denies(url)
    DenyList([line, f"https://a.example/{line}*"]).denies(f"http://a.example/{url}")


def test_lines_that_can_deny_nothing_are_told(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    add_to_deny_list(
        store, ["b.example", "sha256:" + 64 * "a", "https://a.example/x?y=1", "foo bar baz", "%%%", "http://"]
    )
    assert caplog.messages == ["3 lines of the deny list name nothing that could be denied, such as '%%%'"]
