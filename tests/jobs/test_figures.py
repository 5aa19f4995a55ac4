"""Every figure that people are shown of a dataset, against a count by hand of what lies in its tars and drops.

The dataset has grown, so that shards hold samples that count no more, and has more domains than a list shows.
"""

import json
import math
import re
import tarfile
from collections import Counter
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

import weft
from jobs.build import append, build
from jobs.cli import main
from jobs.config import BuildConfig
from jobs.dataset.html import percent
from jobs.view.distributions import spread
from jobs.view.filters import read_filter
from jobs.view.library import Library
from schemas.storage import Store
from tests.jobs.looked_at import viewer
from tests.jobs.site import article, photo, write_archive
from tests.jobs.test_build import INLINE
from tests.jobs.view.test_view import ask

KINDS = ("interleaved", "pairs")
CONFIG = msgspec.structs.replace(BuildConfig(), kinds=KINDS, partitions=3, buckets=2)
CC_BY = "https://creativecommons.org/licenses/by/4.0/"


def write(path: Path, numbers: range, date: str, seed: int) -> str:
    """Pages of a large domain, and one of each of many small ones; some state a licence, some show an icon."""
    records = []
    for number in numbers:
        site = "https://big.example" if number % 3 else f"https://s{number}.example"
        shown = [f"{site}/{number}-{side}.jpg" for side in range(1 + number % 3)]
        html = article(number + seed, shown).replace("</article>", "<img src='/dot.png'></article>")
        if number % 4 == 0:
            html = html.replace("</head>", f'<link rel="license" href="{CC_BY}"></head>')
        records.append((f"{site}/{number}", html.encode(), "text/html"))
        records += [(url, photo(1000 * seed + 10 * number + at), "image/jpeg") for at, url in enumerate(shown)]
    records.append((f"https://short.example/{seed}", b"<p>This is in English but it is short.</p>", "text/html"))
    return str(write_archive(path, records, date))


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("figures")
    first = write(folder / "1.warc.gz", range(33), "2026-01-05T00:00:00Z", 0)
    second = write(folder / "2.warc.gz", range(30, 36), "2026-02-05T00:00:00Z", 500)
    build(str(folder / "out"), [first], CONFIG, INLINE)
    append(str(folder / "out"), [second], CONFIG, INLINE)
    return folder / "out"


def documents(out: Path, kind: str) -> list[dict[str, Any]]:
    """The documents that count: of those with one address the newest."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for tar in sorted((out / kind / "shards").glob("*.tar")):
        with tarfile.open(tar) as opened:
            for member in opened:
                if member.name.endswith(".json"):
                    one = json.load(opened.extractfile(member))  # type: ignore[arg-type]
                    found[one["url"], one.get("page_url", "")] = max(
                        one, found.get((one["url"], one.get("page_url", "")), one), key=lambda of: str(of["fetch_time"])
                    )
    return list(found.values())


def drops(out: Path) -> Counter[tuple[str, str]]:
    rows = [row for path in (out / "drops").glob("*.parquet") for row in pq.read_table(path).to_pylist()]
    return Counter((row["kind"], row["reason"]) for row in rows)


def words(document: dict[str, Any]) -> int:
    return sum(len(text.split()) for text in document.get("texts", [document.get("caption")]) if text)


def domain(document: dict[str, Any]) -> str:
    return str((document.get("page_url") or document["url"]).split("/")[2])


def images(document: dict[str, Any]) -> int:
    return len([name for name in document["images"] if name])


class Tables(HTMLParser):
    """Rows of the tables of a page, as texts of their cells, with the heading that stands nearest before."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.heading, self.rows = "", list[tuple[str, list[str]]]()
        self._into: list[str] | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, _: list[tuple[str, str | None]]) -> None:
        if tag in ("h2", "h3", "h4", "figcaption"):
            self._into = [""]
        elif tag == "tr":
            self.rows.append((self.heading, []))
        elif tag in ("td", "th"):
            self._into = self.rows[-1][1]
            self._into.append("")

    def handle_data(self, data: str) -> None:
        if self._into is not None:
            self._into[-1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag in ("h2", "h3", "h4", "figcaption") and self._into:
            self.heading, self._into = self._into[0].strip(), None
        elif tag in ("td", "th"):
            self._into = None


@pytest.fixture(scope="module")
def report(grown: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("report") / "report.html"
    assert main(["report", str(grown), "-o", str(out)]) == 0
    return out.read_text()


def section(html: str, name: str) -> list[tuple[str, list[str]]]:
    return Tables(html.partition(f'<section id="{name}">')[2].partition("</section>")[0]).rows


def counted(out: Path, kind: str) -> dict[str, Counter[str]]:
    of = documents(out, kind)
    return {
        **({"Language": Counter(one["language"] for one in of)} if kind == "interleaved" else {}),
        f"Domain, top of {len(set(map(domain, of)))}": Counter(map(domain, of)),
        "Licence, as stated": Counter(one["licence"] or "(none)" for one in of),
        **({"Caption from": Counter(one["caption_source"] for one in of)} if kind == "pairs" else {}),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_counts_and_percentages_of_a_report_are_of_all_samples_that_count(grown: Path, report: str, kind: str) -> None:
    total, rows = len(documents(grown, kind)), section(report, kind)
    for heading, counts in counted(grown, kind).items():
        shown = {cells[0]: (cells[2], cells[3]) for of, cells in rows if of == heading}
        assert len(shown) == min(10, len(counts)), heading
        for name, told in shown.items():
            assert told == (f"{counts[name]:,}", f"{percent(counts[name], total)} %"), (heading, name)
        assert sorted((int(count) for count, _ in shown.values()), reverse=True) == [
            count for _, count in counts.most_common(10)
        ]


def test_totals_stand_as_they_are_in_report_viewer_and_notebook(grown: Path, report: str) -> None:
    overview = ""
    with viewer(str(grown)) as address:
        overview = ask(f"{address}/")[2].decode()
    notebook = weft.open(str(grown))._repr_html_()
    for kind in KINDS:
        of = documents(grown, kind)
        pictures = f"{sum(map(images, of))} images" if kind == "interleaved" else ""
        assert f"<span>{kind}</span><b>{len(of)}</b>{pictures}" in re.sub(
            r' class="[^"]*"|<span[^>]*>(?=\d+ images)', "", report
        )
        assert re.search(rf'href="/browse/{kind}".*?class="big">{len(of)}</div>.*?{pictures}', overview, re.DOTALL)
        assert re.search(rf"{kind}: {len(of)}( samples|[^0-9])", notebook)


def test_the_cards_of_a_notebook_count_what_their_samples_hold(grown: Path) -> None:
    by_key = {one["key"]: one for one in documents(grown, "interleaved")}
    found = re.findall(
        r"<p[^>]*>(\d+) images?, ([\d,]+) words<br><code>([^<]+)</code>", weft.open(str(grown))._repr_html_()
    )
    assert len(found) == 10
    for pictures, told, key in found:
        assert (int(pictures), int(told.replace(",", ""))) == (images(by_key[key]), words(by_key[key]))


def test_drops_are_counted_alike_in_report_viewer_and_inspect(
    grown: Path, report: str, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = drops(grown)
    assert len(expected) > 3
    capsys.readouterr()
    assert main(["inspect", str(grown), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["drops"]
    assert {(of, reason): n for of, reasons in told.items() for reason, n in reasons.items()} == expected
    kind, in_report = "", Counter[tuple[str, str]]()
    for tag, text in re.findall(r"<(h3|h4)>(.*?)</\1>", report.partition('<section id="dropped">')[2]):
        if tag == "h3":
            kind = text.removesuffix("s")
        else:
            reason, _, n = re.sub(r"<[^>]+>", "", text).partition(" ")
            in_report[kind, reason] = int(n.replace(",", ""))
    assert in_report == expected
    with viewer(str(grown)) as address:
        overview = ask(f"{address}/")[2].decode().partition("<h2>What was dropped</h2>")[2]
        links = r'href="/drops\?kind=(\w+)&amp;reason=(\w+)">.*?<td class="num">([\d,]+)</td>'
        assert Counter({(of, reason): int(n) for of, reason, n in re.findall(links, overview, re.DOTALL)}) == expected
        for (of, reason), count in expected.items():
            page = ask(f"{address}/drops?kind={of}&reason={reason}")[2].decode()
            assert re.search(rf"<b>{count:,}</b>", page), (of, reason)


def test_the_funnel_is_as_wide_as_what_it_counts(grown: Path, report: str) -> None:
    dataset = json.loads((grown / "dataset.json").read_bytes())
    rows = [cells for _, cells in section(report, "funnel") if len(cells) == 5 and cells[0] != "phase"]
    assert len(rows) == sum(len([n for n in of["seen"].values() if n]) for of in dataset["phases"].values())
    widths = re.findall(r'aria-label="(\d+) of (\d+) kept"><rect width="([\d.]+)".*?width="([\d.]+)"', report)
    assert len(widths) == len(rows)
    for (kept, seen, width, lost), cells in zip(widths, rows, strict=True):
        assert (cells[1].replace(",", ""), cells[2].replace(",", "")) == (seen, kept)
        assert float(width) + float(lost) <= 100.01
        assert math.isclose(float(width) * int(seen), (float(width) + float(lost)) * int(kept), abs_tol=0.1 * int(seen))
        stated = sum(int(n.replace(",", "")) for n in re.findall(r"\S+ ([\d,]+)", cells[4]))
        assert stated in (int(seen) - int(kept), 0)


@pytest.mark.parametrize("kind", KINDS)
def test_bars_of_the_viewer_count_what_the_documents_say(grown: Path, kind: str) -> None:
    library = Library(Store(str(grown)))
    of = documents(grown, kind)
    values: dict[str, list[Any]] = {
        "Words": [words(one) for one in of],
        "Language": [one["language"] for one in of],
        "Domain": [domain(one) for one in of],
        "Licence": [one["licence"] for one in of],
        "Month of capture": [one["fetch_time"][:7] for one in of],
    }
    if kind == "interleaved":
        values["Images"] = [images(one) for one in of]
        values["Confidence of the extraction"] = [one["confidence"] for one in of]
    found = {one.name: one for one in spread(library, kind, read_filter({}))}
    assert {"Domain", "Licence", "Month of capture"} <= found.keys()
    for name, one in found.items():
        if name not in values:
            continue
        for bar in one.bars:
            if isinstance(values[name][0], str):
                assert bar.count == values[name].count(bar.label), (name, bar.label)
            else:
                numbers = [float(part.replace(",", "")) for part in re.findall(r"[\d.,]+", bar.label)]
                low, high = numbers[0], numbers[-1]
                is_whole = name != "Confidence of the extraction"
                within = [low <= value <= high if is_whole else low <= value < high for value in values[name]]
                assert bar.count == (sum(within) if "more" not in bar.label else len(values[name])), (name, bar.label)
        assert sum(bar.count for bar in one.bars) + one.others == len(of)
    library.index.close()


def cells_of(html: str, name: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Rows of a section of an audit: what they are of, and their cells by name."""
    for row in html.partition(f'<section id="{name}">')[2].partition("</section>")[0].split("<tr>")[2:]:
        head = re.sub(r"<[^>]+>", "", row.partition("</th>")[0]).strip()
        yield unescape(head), dict(re.findall(r'data-is="(\w+)">([^<]*)<', row))


def test_the_shares_of_an_audit_are_of_the_bytes_in_the_tars(grown: Path, tmp_path: Path) -> None:
    assert main(["audit", str(grown), "-o", str(tmp_path / "audit.html")]) == 0
    html = (tmp_path / "audit.html").read_text()
    of_key = {(kind, one["key"]): domain(one) for kind in KINDS for one in documents(grown, kind)}
    sizes, samples = Counter[str](), Counter(of_key.values())
    for kind in KINDS:
        for path in (grown / kind / "shards").glob("*.tar"):
            with tarfile.open(path) as tar:
                for member in tar:
                    if home := of_key.get((kind, member.name.partition(".")[0])):
                        sizes[home] += member.size
    total = sum(sizes.values())
    rows = dict(cells_of(html, "domains"))
    assert rows
    for name, cells in rows.items():
        assert cells["share"] == f"{100 * sizes[name] / total:.2f} %"
        assert cells["samples"] == f"{samples[name]:,}"
    ((_, country),) = cells_of(html, "countries")
    assert (country["names"], country["share"]) == (f"{len(sizes)}", "100.0 %")
    licences = Counter(one["licence"] or "none stated" for kind in KINDS for one in documents(grown, kind))
    assert {name: int(cells["samples"]) for name, cells in cells_of(html, "licences")} == licences
