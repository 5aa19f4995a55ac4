"""The viewer over HTTP: what it answers, and what it refuses."""

import json
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from urllib.parse import quote

import fsspec
import pytest

from jobs.build import build
from jobs.cli import main
from jobs.dataset.html import blocks, parts_of, safe_address
from jobs.dataset.index import Index
from jobs.phases.recipe import Recipe
from jobs.view.attention import Choices, read_choices, texts_of, window_of
from jobs.view.filters import read_filter
from model.data.tokens import byte_tokens
from schemas.storage import Store
from tests.jobs.looked_at import EVIL, EVIL_DRAWING, SITE, archive_of, viewer
from tests.jobs.phases.test_own_steps import even_pages
from tests.jobs.report.test_report import Elements
from tests.jobs.test_build import INLINE, SMALL
from tests.model.makers import page, save_tokenizer


@pytest.fixture(scope="module")
def view(looked_at: Path) -> Iterator[str]:
    with viewer(str(looked_at), inputs=[archive_of(looked_at)]) as address:
        yield address


def ask(url: str, **headers: str) -> tuple[int, Message, bytes]:
    request = urllib.request.Request(url, headers={name.replace("_", "-"): value for name, value in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def keys(looked_at: Path, kind: str, where: str = "true") -> list[str]:
    with Index(Store(str(looked_at))) as index:
        return [str(row[0]) for row in index.ask(f"SELECT key FROM {kind} WHERE {where}").rows]


def test_every_page_answers_with_a_strict_policy(view: str, looked_at: Path) -> None:
    paths = ["/", "/drops", "/query?sql=SELECT+1", f"/source?url={SITE}/0.html"]
    for kind in ("interleaved", "pairs", "clips"):
        key = keys(looked_at, kind)[0]
        paths += [f"/browse/{kind}", f"/sample/{kind}/{key}", f"/sample/{kind}/{key}/attention", f"/random/{kind}"]
    for path in paths:
        status, headers, body = ask(view + path)
        assert status == 200, (path, body)
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy, path
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert EVIL.encode() not in body, path
        assert b" style=" not in body, path  # the policy would not let it through


def test_a_dataset_that_changes_is_told_on_the_next_pages(
    looked_at: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.view.app._LOOK_EVERY_S", 0.0)
    shutil.copytree(looked_at, tmp_path / "out")
    stated = tmp_path / "out/dataset.json"
    with viewer(str(tmp_path / "out")) as address:

        def is_told(within_s: float) -> bool:
            end = time.monotonic() + within_s
            while not (told := b"has been changed since" in ask(f"{address}/query")[2]) and time.monotonic() < end:
                time.sleep(0.05)
            return told

        assert not is_told(0.5)
        stated.write_bytes(stated.read_bytes() + b"\n")
        assert is_told(20.0)


def test_filters_narrow_a_kind_and_wrong_ones_say_so(view: str) -> None:
    assert b"<b>7</b>" in ask(f"{view}/browse/interleaved")[2]
    assert b"<b>1</b> (all: 7)" in ask(f"{view}/browse/interleaved?q=article+3")[2]
    assert b"Nothing fits" in ask(f"{view}/browse/interleaved?images_min=50")[2]
    assert b"<b>6</b> (all: 7)" in ask(f"{view}/browse/interleaved?images_min=2&order=words")[2]
    assert b"<b>1</b> (all: 7)" in ask(f"{view}/browse/interleaved?where=" + quote("url LIKE '%/1.html' -- a"))[2]
    status, _, body = ask(f"{view}/browse/interleaved?where=nonsense")
    assert (status, b"nonsense" in body) == (400, True)
    assert ask(f"{view}/browse/interleaved?page=99")[0] == 200
    assert ask(f"{view}/browse/nothing")[0] == 404


def test_text_in_a_filter_is_never_sql() -> None:
    sql, values = read_filter({"q": "x') OR 1=1 --", "domain": "'; DROP", "score": "a'b", "score_min": "0"}).sql(
        ["title", "domain", "scores"]
    )
    assert sql == "WHERE (contains(lower(title), ?)) AND domain = ?"
    assert values == ["x') or 1=1 --", "'; DROP"]


def test_a_member_is_served_whole_or_by_range(view: str, looked_at: Path) -> None:
    key = keys(looked_at, "clips")[0]
    with Index(Store(str(looked_at))) as index:
        names = [one["name"] for one in index.ask("SELECT members FROM clips").dicts()[0]["members"]]
    url = f"{view}/member/clips/{key}/{names.index(f'{key}.mp4')}"
    status, headers, whole = ask(url)
    assert (status, headers["Content-Type"], headers["Accept-Ranges"]) == (200, "video/mp4", "bytes")
    assert headers["Content-Security-Policy"].startswith("sandbox")
    status, headers, part = ask(url, Range="bytes=100-199")
    assert (status, part, headers["Content-Range"]) == (206, whole[100:200], f"bytes 100-199/{len(whole)}")
    assert ask(url, Range="bytes=-50")[2] == whole[-50:]
    assert ask(url, Range=f"bytes={len(whole)}-")[0] == 416
    assert ask(url, If_None_Match=ask(url)[1]["ETag"])[0] == 304
    assert ask(f"{view}/member/clips/{key}/{names.index(f'{key}.json')}")[1]["Content-Type"].startswith("text/plain")
    assert ask(f"{view}/member/clips/{key}/9")[0] == 404
    assert ask(f"{view}/sheet/{key}")[2][:2] == b"\xff\xd8"


@pytest.mark.parametrize(
    ("headers", "path", "status"),
    [
        ({"Host": "evil.example"}, "/", 403),
        ({"Host": "evil.example:8642"}, "/", 403),
        ({"Host": "localhost:1234"}, "/", 200),
        ({"Host": "[::1]:1234"}, "/", 200),
        ({"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors", "Sec_Fetch_Dest": "image"}, "/drops", 403),
        ({"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}, "/drops", 200),
        ({"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "iframe"}, "/drops", 403),
        (
            {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"},
            "/query?sql=SELECT+1",
            403,
        ),
        ({}, "/static/../library.py", 404),
        ({}, "/static/%2e%2e%2flibrary.py", 404),
        ({}, "/static/..%2f..%2fcli.py", 404),
    ],
)
def test_other_sites_and_other_files_are_kept_out(view: str, headers: dict[str, str], path: str, status: int) -> None:
    assert ask(view + path, **headers)[0] == status


def test_only_reading_is_possible(view: str) -> None:
    request = urllib.request.Request(view, data=b"x", method="POST")
    with pytest.raises(urllib.error.HTTPError, match="405"):
        urllib.request.urlopen(request, timeout=30)
    assert b"dataset is only read" in ask(f"{view}/query?sql=" + quote("CREATE TABLE t AS SELECT 1"))[2]


def test_a_captured_page_is_harmless(view: str) -> None:
    for mode in ("marked", "plain"):
        status, headers, body = ask(f"{view}/captured/page?url={SITE}/evil.html&as={mode}")
        assert status == 200
        assert headers["Content-Security-Policy"].startswith("sandbox allow-same-origin; default-src 'none'")
        for tag, attributes in Elements(body.decode()).found:
            assert tag not in ("script", "iframe", "base", "form", "object"), mode
            assert "http-equiv" not in attributes, mode
            assert not [name for name in attributes if name.startswith("on")], (mode, tag)
            assert not [value for value in attributes.values() if "evil.example" in (value or "")], (mode, tag)
            assert "javascript:" not in (attributes.get("href") or ""), mode
    marked = ask(f"{view}/captured/page?url={SITE}/evil.html")[2]
    assert b'class="kept"' in marked
    assert b"chrome: &lt;nav&gt;" in marked
    assert ask(f"{view}/captured/media?url={SITE}/img/evil.jpg")[2][:2] == b"\xff\xd8"
    assert ask(f"{view}/captured/media?url={SITE}/evil.html")[0] == 404


def test_a_captured_drawing_is_shown_and_runs_nothing(view: str) -> None:
    status, headers, body = ask(f"{view}/captured/media?url={SITE}/img/evil.svg")
    assert (status, headers["Content-Type"], body) == (200, "image/svg+xml", EVIL_DRAWING)
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("sandbox; default-src 'none'")
    assert "script" not in policy


def test_a_captured_page_says_how_sure_its_extraction_was(view: str) -> None:
    body = ask(f"{view}/source?url={SITE}/evil.html")[2].decode()
    assert re.search(r">confidence 0\.\d\d<|>confidence 1\.00<", body)


def test_a_dropped_page_is_shown_with_its_reason(view: str) -> None:
    body = ask(f"{view}/source?url={SITE}/short.html")[2]
    assert b"dropped: few_words 16 &lt; 50" in body
    assert b"a little too short" in body
    assert b"Nothing is known of this page" in ask(f"{view}/source?url={SITE}/never.html")[2]


def test_find_leads_to_a_sample_by_key_or_address(view: str, looked_at: Path) -> None:
    assert b"Article 2" in ask(f"{view}/find?key={SITE}/2.html")[2]
    assert b"<video" in ask(f"{view}/find?key={keys(looked_at, 'clips')[0]}")[2]
    assert ask(f"{view}/find?key=none")[0] == 404


def test_datasets_that_are_old_unfinished_or_elsewhere_open(looked_at: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(looked_at, tmp_path / "copy"))
    for name in ("dataset.json", "drops", "work", "clips"):
        place = copy / name
        shutil.rmtree(place) if place.is_dir() else place.unlink()
    with viewer(str(copy)) as address:
        for path in ("/", "/browse/pairs", "/drops", f"/sample/interleaved/{keys(copy, 'interleaved')[0]}"):
            assert ask(address + path)[0] == 200, path
    fsspec.filesystem("memory").put(str(looked_at), "/far", recursive=True)
    with viewer("memory://far") as address:
        key = keys(looked_at, "pairs")[0]
        assert ask(f"{address}/browse/pairs")[0] == 200
        assert ask(f"{address}/member/pairs/{key}/0")[2][:2] == b"\xff\xd8"
    fsspec.filesystem("memory").rm("/far", recursive=True)


def test_files_that_vanish_or_end_early_are_a_fault_of_the_storage(looked_at: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(looked_at, tmp_path / "copy"))
    key = keys(copy, "interleaved")[-1]
    with viewer(str(copy)) as address:
        tar, index = (next((copy / "interleaved/shards").glob(f"{key[:6]}-*.{form}")) for form in ("tar", "parquet"))
        with open(tar, "r+b") as file:
            file.truncate(600)
        for path in (f"/member/interleaved/{key}/1", f"/sample/interleaved/{key}"):
            status, _, body = ask(address + path)
            assert (status, b" has 0 of the " in body) == (502, True), path
        index.unlink()
        shutil.rmtree(copy / "drops")
        for path in ("/browse/interleaved?q=a", "/drops", "/distributions/interleaved"):
            status, _, body = ask(address + path)
            assert (status, b".parquet is gone" in body) == (502, True), path
        assert ask(f"{address}/")[0] == 200


def test_a_window_is_what_the_loader_cuts(tmp_path: Path) -> None:
    key, named = page(3)
    members = {name.partition(".")[2]: data for name, data in named}
    window = window_of("interleaved", key, members, Choices(save_tokenizer_path(tmp_path), 40, 5, "previous"))
    assert len(window.tokens) == 40 < window.length
    assert window.attends_next is False
    places = [number for number, token in enumerate(window.tokens) if token.text == "<image>"]
    for number, token in enumerate(window.tokens):
        before = [place for place in places if place <= number]
        assert token.medium == len(before) - 1
    after = window_of("interleaved", key, members, Choices(save_tokenizer_path(tmp_path), 40, 5, "next"))
    assert after.attends_next is True
    assert after.tokens[0].medium == 0


def save_tokenizer_path(folder: Path) -> str:
    return str(save_tokenizer(folder))


def test_tokens_that_share_a_character_show_it_once() -> None:
    tokens = byte_tokens()
    ids = tokens.encode("aé日 b")
    assert "".join(texts_of(ids, tokens)) == "aé日 b"
    assert texts_of(ids, tokens) == ["a", "é", "", "日", "", "", " ", "b"]
    assert tokens.decode([tokens.image_id]) == "<image>"


def test_attention_without_the_tokenizers_package_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['tokenizers'] = None\n"
        "from jobs.view.attention import Choices, NoTokenizer, window_of\n"
        "try: window_of('pairs', 'k', {'jpg': b'x', 'txt': b'a cat'}, Choices())\n"
        "except NoTokenizer as error: print(error, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[train]" in done.stdout
    assert done.stdout.strip().endswith("False")


def test_a_wrong_call_says_what_is_wrong(capsys: pytest.CaptureFixture[str], view: str, looked_at: Path) -> None:
    assert main(["view", "/nowhere"]) == 2
    assert "no dataset of weft" in capsys.readouterr().err
    assert main(["view", str(looked_at), "--port", view.rpartition(":")[2]]) == 2
    assert "--port 0" in capsys.readouterr().err


def test_explain_finds_a_page_of_a_dataset(looked_at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = keys(looked_at, "interleaved", "url LIKE '%/4.html'")[0]
    there = ["--dataset", str(looked_at), "--input", archive_of(looked_at)]
    for wanted in (key, f"{SITE}/4.html"):
        assert main(["explain", wanted, *there, "--json"]) == 0
        report = json.loads(capsys.readouterr().out)
        assert (report["url"], report["sample"], report["page"]["kept"]) == (f"{SITE}/4.html", key, True)
    assert main(["explain", f"{SITE}/short.html", *there]) == 0
    assert "few_words" in capsys.readouterr().out
    assert main(["explain", "nokey", "--dataset", str(looked_at)]) == 1
    assert main(["explain", f"{SITE}/never.html", *there]) == 1
    assert "not in the archives" in capsys.readouterr().err
    assert main(["explain", key, "--dataset", str(looked_at), "--input", "/nowhere.warc"]) == 2
    assert "no such archive: /nowhere.warc" in capsys.readouterr().err


def test_archives_are_opened_that_the_user_names_and_no_others(
    looked_at: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dataset of others names what it likes: a private server, a file of this machine."""
    key, opened = keys(looked_at, "interleaved", "url LIKE '%/4.html'")[0], []
    monkeypatch.setattr("crawlers.archive_index.fsspec.open", lambda url, *_: opened.append(url))
    assert main(["explain", key, "--dataset", str(looked_at)]) == 1
    assert "--input takes those of the build" in capsys.readouterr().err
    assert main(["report", str(looked_at), "-o", str(tmp_path / "report.html")]) == 0
    with viewer(str(looked_at)) as address:
        assert b"--input takes those of the build" in ask(f"{address}/source?url={quote(f'{SITE}/4.html')}")[2]
        assert ask(f"{address}/captured/media?url={quote(f'{SITE}/img/4a.jpg')}")[0] == 404
    assert opened == []


def test_archives_that_moved_are_found_by_their_names(
    looked_at: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = shutil.copy(archive_of(looked_at), tmp_path / "looked.warc.gz")
    key = keys(looked_at, "interleaved", "url LIKE '%/4.html'")[0]
    assert main(["explain", key, "--dataset", str(looked_at), "--input", str(moved), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["url"] == f"{SITE}/4.html"


def test_texts_are_cut_into_blocks() -> None:
    code = blocks("a\n\n```python\nx = 1\n\n\n  y - 2\n```\n\nb")
    assert [part["is"] for part in code] == ["paragraph", "code", "paragraph"]
    assert (code[1]["language"], code[1]["text"]) == ("python", "x = 1\n\n\n  y - 2")
    assert [part["is"] for part in blocks("```open\n\nand never closed")] == ["paragraph", "paragraph"]
    found = blocks("## Head\n\n- a\n- b\n\n1. one\n2. two\n\nx | y\nz | w\n\nplain\nlines")
    assert [block["is"] for block in found] == ["heading", "list", "list", "table", "paragraph"]
    assert (found[1]["items"], found[2]["ordered"]) == (["a", "b"], True)
    assert safe_address("javascript:alert(1)") == ""


def test_a_captured_page_shows_the_verdict_of_own_steps_beside_ours(tmp_path: Path, site: list[Path]) -> None:
    recipe = Recipe(SMALL).after("text_rules", even_pages, parity=1)
    build(str(tmp_path / "out"), [str(path) for path in site], recipe, INLINE)
    with viewer(str(tmp_path / "out"), inputs=[str(path) for path in site], own_steps=True) as address:
        _, _, dropped = ask(f"{address}/source?url={quote('https://site2.example/page2.html')}")
        _, _, kept = ask(f"{address}/source?url={quote('https://site1.example/page1.html')}")
        _, _, drops = ask(f"{address}/drops?kind=page&reason=mine:odd_page")
    step = f"{even_pages.__module__}:even_pages"
    assert f"{step}: mine:odd_page: 2" in dropped.decode()
    assert f"{step}: kept" in kept.decode()
    assert "a reason of your own" in drops.decode()
    assert "https://site2.example/page2.html" in drops.decode()


def test_a_caption_that_is_a_text_of_the_page_is_shown_once() -> None:
    document = {
        "texts": [None, "The  bread.", None],
        "images": ["1.jpg", None, "2.jpg"],
        "image_captions": ["The bread.", "Another"],
    }
    first, _, second = parts_of(document, {})
    assert (first["captions"], second["captions"]) == ("", "Another")


def test_a_caption_at_the_edge_of_a_text_is_shown_once() -> None:
    document = {
        "texts": ["Flour.\n\nThe bread.", None, "Its crust.\n\nThen it rests.", None, "Then it\n\nrests."],
        "images": [None, "1.jpg", None, "2.jpg", None],
        "image_captions": ["Its crust.", "Then it"],
    }
    _, first, _, second, _ = parts_of(document, {})
    assert (first["captions"], second["captions"]) == ("", "")
    document["image_captions"] = ["The bread.", "rests."]
    _, first, _, second, _ = parts_of(document, {})
    assert (first["captions"], second["captions"]) == ("", "rests.")
    document["image_captions"] = ["", "Then it rests."]
    assert [part.get("captions") for part in parts_of(document, {})] == [None, "", None, "", None]


def test_signals_are_told_one_a_line(audited: Path) -> None:
    key = keys(audited, "interleaved", "url = 'https://www.big.example/2'")[0]
    with viewer(str(audited)) as address:
        shown = ask(f"{address}/sample/interleaved/{key}")[2].decode()
    said = re.findall(r'<div class="said">(.*?)</div>', shown)
    plain = [" ".join(re.sub("<[^>]+>", " ", one).split()) for one in said]
    assert plain[0] == "yes content-signal as told /robots.txt, 2026-02-28"
    assert [one.split()[:3] for one in plain[1:]] == [["yes", "content-usage", "train-ai=y"]] * 2 or len(plain) > 2
    assert "verdict yes" not in shown


def test_the_source_page_of_a_sample_leads_back_to_it(view: str, looked_at: Path) -> None:
    key = keys(looked_at, "interleaved", f"url = '{SITE}/0.html'")[0]
    shown = ask(f"{view}/source?url={SITE}/0.html")[2].decode()
    assert f'<a class="mono" href="/sample/interleaved/{key}" data-up>' in shown
    assert f'href="/sample/interleaved/{key}/attention" data-tab="attention"' in shown
    assert 'href="/drops" data-up' not in shown
    assert f'href="/alike/interleaved/{key}" data-tab="alike"' in shown
    assert re.findall(r'<a href="([^"]+)" aria-current="page">\w+</a>\s*(?=<|$)', shown.partition("</header>")[0]) == [
        "/browse/interleaved"
    ]
    dropped = ask(f"{view}/source?url={SITE}/short.html")[2].decode()
    assert '<a href="/drops" aria-current="page">' in dropped


def test_attention_opens_with_the_whole_page_and_the_tokenizer_on_offer(looked_at: Path) -> None:
    assert read_choices({}) == Choices(max_tokens=4096, max_media=64, attends="previous")
    assert read_choices({}, ["/models/one", "/models/two"]).tokenizer == "/models/one"
    assert read_choices({"tokenizer": "bytes"}, ["/models/one"]).tokenizer == "bytes"


def test_a_shard_overwritten_with_noise_is_not_shown(looked_at: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(looked_at, tmp_path / "out")
    for tar in (copy / "pairs/shards").glob("*.tar"):
        tar.write_bytes(bytes(tar.stat().st_size))
    (key, *_) = keys(copy, "pairs")
    with viewer(str(copy)) as address:
        for path in (f"/sample/pairs/{key}", f"/member/pairs/{key}/0", f"/member/pairs/{key}/1"):
            status, _, page = ask(address + path)
            assert status == 500
            assert b"is damaged" in page
