"""`weft.explain`: the verdicts of the command, as an object."""

import asyncio
import json
from pathlib import Path

import pytest
from selectolax.lexbor import LexborHTMLParser

import weft
from jobs.cli import main
from tests.crawlers.servers import Reply, WebServer
from tests.jobs.commands.test_explain import PAGE, PROSE

URL = "https://site.example/x/"


def test_the_verdicts_are_those_of_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "page.html"
    path.write_text(PAGE)
    assert main(["explain", str(path), "--url", URL, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    verdicts = weft.explain(PAGE, url=URL)
    assert (verdicts.url, verdicts.title, verdicts.kept, verdicts.reason) == (
        report["url"], report["title"], report["page"]["kept"], report["page"]["reason"],
    )  # fmt: skip
    assert [(part.kind, part.kept, part.reason) for part in verdicts.parts] == [
        (item["kind"], item["kept"], item["reason"]) for item in report["items"]
    ]
    image = verdicts.parts[3]
    assert (image.url, image.alt) == ("https://site.example/big.jpg", "Bridge")
    assert verdicts == weft.explain(PAGE.encode(), url=URL) == weft.explain(path, url=URL)
    assert verdicts.counts == ["text: 3 of 5 kept", "image: 1 of 1 kept"]
    assert verdicts.text.startswith(PROSE)


def test_settings_decide() -> None:
    settings = {"text.repetition": {"duplicate_lines": None, "top_ngrams": {}, "duplicate_ngrams": {}}}
    assert weft.explain(PAGE, settings=settings).kept
    few = weft.explain(PAGE, settings={"text.gopher.min_words": 5000})
    assert few.reason.startswith("few_words: ")
    assert few == weft.explain(PAGE, weft.BuildConfig(), settings={"text.gopher.min_words": 5000})


def test_an_address_is_fetched_from_a_notebook_too() -> None:
    routes = {"/page": Reply(PAGE.encode()), "/robots.txt": Reply(b"", "text/plain", status=404)}
    with WebServer(routes) as server:
        url = f"http://127.0.0.1:{server.port}/page"

        async def cell() -> weft.Verdicts:
            return weft.explain(url)

        assert asyncio.run(cell()) == weft.explain(url)
        with pytest.raises(weft.Drop, match="http_status"):
            weft.explain(f"http://127.0.0.1:{server.port}/missing")


@pytest.mark.parametrize(
    ("page", "config", "said"),
    [
        ("page.html", "default", "neither HTML nor an address: 'page.html'"),
        (PAGE, "obelix", "no such config file or preset: obelix"),
        (PAGE, 7, "a preset, a path, a BuildConfig or a Recipe is wanted, not int"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(page: str, config: object, said: str) -> None:
    with pytest.raises(weft.SettingsError, match=said):
        weft.explain(page, config)


def test_harmful_markup_is_let_go() -> None:
    with pytest.raises(weft.Drop, match="hostile_html"):
        weft.explain("<div>" * 20_000)


def test_the_plain_form_marks_what_is_kept_and_names_the_reason_of_the_rest() -> None:
    lines = repr(weft.explain(PAGE, url=URL)).splitlines()
    assert lines[:2] == ["The river", URL]
    assert "- Menu" in lines
    assert lines[lines.index("- Menu") + 1].startswith("    chrome: <nav>")
    assert f"+ {PROSE[:100]} …" in lines
    assert lines[-1].startswith("the page: dropped, repetitive: ")
    assert lines[-1].endswith("text: 3 of 5 kept; image: 1 of 1 kept")


def test_parts_that_go_together_for_one_reason_stand_together() -> None:
    menu = "".join(f"<a href=/{n}>Topic {n}</a><br>" for n in range(5))
    page = PAGE.replace("<nav>Menu</nav>", f"<nav><p>{menu.replace('<br>', '</p><p>')}</p></nav>")
    stretches = weft.explain(page, url=URL).stretches
    assert stretches[0][0] == "Topic 0 · Topic 1 · Topic 2 · Topic 3 · Topic 4"


def test_a_notebook_shows_verdicts_escaped_and_loads_nothing_of_the_page() -> None:
    evil = PAGE.replace("Menu", "&lt;script&gt;window.pwned=1&lt;/script&gt;").replace(
        "alt=Bridge", "alt='\"><img src=x onerror=alert(1)>'"
    )
    tree = LexborHTMLParser(f"<body>{weft.explain(evil, url=URL)._repr_html_()}</body>")
    assert not tree.css("script, img, iframe, link, [src]")
    text = tree.body.text()
    assert "<script>window.pwned=1</script>" in text
    assert "<img src=x onerror=alert(1)>" in text
    gone = [node.text() for node in tree.css(".weft-part.weft-gone")]
    assert any("chrome: <nav>" in part for part in gone)
    assert not any(PROSE[:50] in part for part in gone)
    assert [node.attributes["href"] for node in tree.css("a")] == [URL]
