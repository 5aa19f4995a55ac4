import gzip
import json
import random
from pathlib import Path

import pytest

from jobs.cli import main
from tests.crawlers.servers import Reply, WebServer
from tests.jobs.site import photo

PROSE = " ".join(f"The river passes under bridge number {i} and turns to the sea." for i in range(40))
PAGE = f"""<html lang=en><head><title>The river</title></head><body><nav>Menu</nav><article><h1>The river</h1>
<p>{PROSE}</p><img src=/a.jpg srcset="/big.jpg 900w" alt=Bridge><p>SHOUT ### $$$ 123 456 !!!</p><p>{PROSE[::-1]}</p>
</article></body></html>"""


@pytest.fixture
def saved(tmp_path: Path) -> str:
    path = tmp_path / "page.html"
    path.write_text(PAGE)
    return str(path)


def explained(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    assert main(["explain", *arguments, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert isinstance(report, dict)
    return report


def test_json_has_the_page_its_items_and_what_was_not_applied(saved: str, capsys: pytest.CaptureFixture[str]) -> None:
    report = explained(capsys, saved, "--url", "https://site.example/x/")
    assert (report["url"], report["title"]) == ("https://site.example/x/", "The river")
    kinds = [(item["kind"], item["kept"]) for item in report["items"]]
    assert kinds == [("text", False), ("text", False), ("text", True), ("image", True), ("text", True), ("text", True)]
    image = report["items"][3]
    assert image["url"] == "https://site.example/big.jpg"
    assert image["candidates"] == ["https://site.example/big.jpg", "https://site.example/a.jpg"]
    assert (image["alt"], image["caption"], image["reason"]) == ("Bridge", "", "")
    assert report["items"][0]["reason"].startswith("chrome: <nav>")
    assert len(report["not_applied"]) == 2


def test_the_page_as_a_whole_is_judged_by_the_rules_of_the_config(
    saved: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explained(capsys, saved)["page"]["reason"].startswith("repetitive: ")
    off = "text.repetition={duplicate_lines: null, top_ngrams: {}, duplicate_ngrams: {}}"
    assert explained(capsys, saved, "--set", off)["page"] == {"kept": True, "reason": ""}
    words = explained(capsys, saved, "--set", "text.gopher.min_words=5000")["page"]
    assert words["kept"] is False
    assert words["reason"].startswith("few_words: ")
    assert words["reason"].endswith(" < 5000")


def test_paragraph_rules_of_the_config_are_applied_to_blocks(saved: str, capsys: pytest.CaptureFixture[str]) -> None:
    report = explained(capsys, saved, "--set", "text.paragraph.max_special_characters=0.3")
    (dropped,) = [item for item in report["items"] if item["reason"].startswith("special_characters: ")]
    assert dropped["text"].startswith("SHOUT")


def test_the_terminal_shows_what_is_kept_in_full_and_the_rest_with_its_reason(
    saved: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", saved]) == 0
    shown = capsys.readouterr().out
    assert PROSE in shown
    assert "- chrome: <nav>" in shown
    assert "text: 3 of 5 kept\nimage: 1 of 1 kept\nthe page: dropped, repetitive" in shown
    assert "not applied to a page alone" in shown


def test_a_wrong_call_says_what_is_wrong(saved: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(tmp_path / "none.html")]) == 2
    assert "none.html" in capsys.readouterr().err
    assert main(["explain", saved, "--set", "extract.lead=1"]) == 2
    assert "extract" in capsys.readouterr().err
    deep = tmp_path / "deep.html"
    deep.write_text("<div>" * 20_000)
    assert main(["explain", str(deep)]) == 1
    assert "hostile_html" in capsys.readouterr().err


@pytest.mark.parametrize(
    "body",
    [
        bytes(range(256)) * 10,
        random.Random(1).randbytes(900),
        gzip.compress(PAGE.encode()),
        b"%PDF-1.7\n1 0 obj\n<< /Title (River) >>\n" * 90,
        photo(1),
    ],
)
def test_what_is_no_page_is_told_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], body: bytes) -> None:
    path = tmp_path / "page.bin"
    path.write_bytes(body)
    assert main(["explain", str(path)]) == 1
    said = capsys.readouterr()
    assert f"{path}: unsupported_type: no page: {len(body):,} bytes" in said.err
    assert (said.out, said.err.count("\n")) == ("", 1)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "shift_jis", "iso2022_jp"])
def test_a_page_in_any_letters_is_one(tmp_path: Path, capsys: pytest.CaptureFixture[str], encoding: str) -> None:
    path = tmp_path / "page.html"
    path.write_bytes(f"<title>x</title>\x00<p>{'川は橋の下を流れる。' * 300}".encode(encoding))
    explained(capsys, str(path))


@pytest.mark.parametrize("address", ["not a url", "ftp://x.example/", "http://", "//x.example/"])
def test_what_is_no_address_is_told(saved: str, capsys: pytest.CaptureFixture[str], address: str) -> None:
    assert main(["explain", saved, "--url", address]) == 2
    assert f"'{address}' is no address" in capsys.readouterr().err


def test_a_page_is_fetched_from_its_address(saved: str, capsys: pytest.CaptureFixture[str]) -> None:
    routes = {"/page": Reply(Path(saved).read_bytes()), "/robots.txt": Reply(b"", "text/plain", status=404)}
    with WebServer(routes) as server:
        url = f"http://127.0.0.1:{server.port}/page"
        report = explained(capsys, url)
        assert (report["url"], report["title"]) == (url, "The river")
        assert report["items"][3]["url"] == f"http://127.0.0.1:{server.port}/big.jpg"
        assert main(["explain", f"http://127.0.0.1:{server.port}/missing"]) == 1
        server.routes["/robots.txt"] = Reply(b"", status=503)
        assert main(["explain", f"http://127.0.0.1:{server.port}/page"]) == 1
    said = capsys.readouterr().err
    assert "http_status: 404" in said
    assert "robots_unavailable: http_status: 503" in said
    assert main(["explain", url]) == 1  # nobody listens there any more
    said = capsys.readouterr().err
    assert "robots_unavailable: connect: " in said
    assert said.count("\n") == 1
