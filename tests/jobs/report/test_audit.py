"""The audit: each figure against a count by other means, out of the documents in the shards and the rows of drops."""

import json
import re
import shutil
import tarfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import fsspec
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tldextract

from jobs.cli import main
from jobs.dataset.countries import COUNTRIES
from jobs.dataset.index import Index
from jobs.dataset.ledger import disagreements, ledger
from jobs.dataset.origins import Origins
from schemas.builds import Build
from schemas.dataset import read_dataset
from schemas.drops import DropRow
from schemas.shards import ShardInfo, ShardMark
from schemas.storage import Store
from tests.jobs.audited import CC_BY

ORDER = ("no", "conditional", "yes", "unknown")


def documents(out: Path, kind: str) -> Iterator[dict[str, Any]]:
    for tar in sorted((out / kind / "shards").glob("*.tar")):
        with tarfile.open(tar) as opened:
            for member in opened:
                if member.name.endswith(".json"):
                    yield json.load(opened.extractfile(member))  # type: ignore[arg-type]


def things(out: Path) -> dict[str, dict[Any, list[dict[str, str]]]]:
    """All that was kept, each with the statements about it, out of the documents alone."""
    found: dict[str, dict[Any, list[dict[str, str]]]] = {"page": {}, "image": {}, "pair": {}, "video": {}}
    for document in documents(out, "interleaved"):
        found["page"][document["url"]] = document["consent"].get("signals", [])
        for number, said in enumerate(document["image_consent"]):
            found["image"][document["key"], number] = said
    for document in documents(out, "pairs"):
        found["page"][document["page_url"]] = document["consent"].get("signals", [])
        found["pair"][document["key"]] = document["image_consent"]
    for document in documents(out, "clips"):
        found["page"][document["page_url"]] = document["consent"].get("signals", [])
        found["video"][document["url"]] = document["video_consent"]
    return found


def worst(statements: Sequence[dict[str, str]]) -> str:
    return min((one.get("verdict", "unknown") for one in statements), key=ORDER.index)


@pytest.fixture(scope="module")
def facts(audited: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("audit") / "audit.html"
    assert main(["audit", str(audited), "-o", str(out)]) == 0
    return json.loads(out.with_suffix(".json").read_bytes())


def test_every_count_of_what_was_kept_agrees_with_the_documents(audited: Path, facts: dict[str, Any]) -> None:
    counted = {one["thing"]: one for one in facts["ledger"]}
    for thing, kept in things(audited).items():
        one = counted[thing]
        assert one["kept"] == len(kept) > 0
        assert one["passed"] == Counter(worst(said) for said in kept.values() if said)
        assert one["silent"] == sum(not said for said in kept.values())
        assert one["unrecorded"] == 0
        by_signal: dict[str, Counter[str]] = defaultdict(Counter)
        for said in kept.values():
            for name in {statement["signal"] for statement in said}:
                by_signal[name][worst([one for one in said if one["signal"] == name])] += 1
        assert {of["signal"]: of["passed"] for of in one["signals"] if of["passed"]} == by_signal
    assert {verdict for one in facts["ledger"] for verdict in one["passed"]} == set(ORDER)


def test_every_refusal_agrees_with_the_rows_of_drops_and_with_the_dataset(audited: Path, facts: dict[str, Any]) -> None:
    rows = [row for path in (audited / "drops").glob("*.parquet") for row in pq.read_table(path).to_pylist()]
    refused = Counter((row["kind"], row["detail"].partition(": ")[0]) for row in rows if row["reason"] == "opt_out")
    assert len(refused) > 5
    assert refused == {
        (one["thing"], of["signal"]): of["refused"] for one in facts["ledger"] for of in one["signals"] if of["refused"]
    }
    for one in facts["ledger"]:
        assert one["refused"] == sum(of["refused"] for of in one["signals"]) + sum(one["otherwise"].values())
        assert all(of["seen"] == of["refused"] + sum(of["passed"].values()) for of in one["signals"])
    store = Store(str(audited))
    with Index(store) as index:
        assert disagreements(index, read_dataset(store)) == []


def test_drops_that_were_deleted_are_told_of(audited: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(audited, tmp_path / "copy"))
    shutil.rmtree(copy / "drops")
    assert main(["audit", str(copy)]) == 0
    notes = json.loads((copy / "audit.json").read_bytes())["notes"]
    assert "the drops do not agree: page opt_out: 5 in dataset.json, 0 in drops/" in notes


def test_sizes_of_domains_agree_with_the_members_of_the_tars(audited: Path, facts: dict[str, Any]) -> None:
    sizes: dict[str, Counter[str]] = defaultdict(Counter)
    for kind in ("interleaved", "pairs", "clips"):
        for path in (audited / kind / "shards").glob("*.tar"):
            index = pq.read_table(path.with_suffix(".parquet"), columns=["key", "domain"]).to_pylist()
            domains = {row["key"]: row["domain"] for row in index}
            with tarfile.open(path) as tar:
                for member in tar:
                    key, _, name = member.name.partition(".")
                    modality = {"json": "text_bytes", "txt": "text_bytes", "mp4": "video_bytes"}
                    which = modality.get(name.rpartition(".")[2], "image_bytes")
                    sizes[domains[key]].update({which: member.size, "bytes": member.size})
    names = facts["domains"]["names"]
    assert names["names"] == len(sizes)
    for size in ("bytes", "text_bytes", "image_bytes", "video_bytes"):
        assert names[size] == sum(of[size] for of in sizes.values())
    assert {one["domain"] for one in facts["top_domains"]} == {
        max(sizes, key=lambda domain, size=size: sizes[domain][size])
        for size in ("bytes", "text_bytes", "image_bytes", "video_bytes")
    }
    for one in facts["top_domains"]:
        assert {size: one[size] for size in sizes[one["domain"]]} == sizes[one["domain"]]
        assert one["share"] == pytest.approx(one["bytes"] / names["bytes"])
    assert sum(one["bytes"] for one in facts["countries"]) == names["bytes"]
    assert {one["top"]: one["country"] for one in facts["countries"] if one["country"]} == {
        "de": "Germany", "fr": "France", "uk": "United Kingdom", "xn--p1ai": "Russia",
    }  # fmt: skip


def test_licences_and_months_agree_with_the_documents(audited: Path, facts: dict[str, Any]) -> None:
    found = [one for kind in ("interleaved", "pairs", "clips") for one in documents(audited, kind)]
    assert {one["licence"]: one["samples"] for one in facts["licences"]["samples"]} == Counter(
        one["licence"] for one in found
    )
    assert facts["licences"]["different"] == 1
    assert CC_BY in {one["licence"] for one in found}
    of_index = [one for kind in ("interleaved", "pairs") for one in documents(audited, kind)]
    months = Counter(one["fetch_time"][:7] for one in of_index)
    assert facts["captured"]["months"] == {**months, "": 1}
    assert facts["captured"]["kinds_without"] == ["clips"]
    assert facts["captured"]["first"] == min(one["fetch_time"] for one in of_index)


def test_examples_are_what_they_are_said_to_be(audited: Path, facts: dict[str, Any]) -> None:
    with Index(Store(str(audited))) as index:
        for group in facts["examples"]:
            for one in group["examples"]:
                if group["outcome"] == "refused":
                    sql = "SELECT count(*) FROM drops WHERE url = ? AND kind = ? AND reason = 'opt_out'"
                    assert index.ask(sql, [one["url"], group["kind"]]).rows[0][0] > 0
                    continue
                (row,) = index.ask(f"SELECT signals FROM {group['kind']} WHERE key = ?", [one["key"]]).rows
                said = {(of["subject"], of["signal"], of["verdict"]) for of in row[0]}
                assert (one["subject"], group["signal"], group["outcome"]) in said or not (group["signal"] or said)
    assert {group["outcome"] for group in facts["examples"]} == {*ORDER, "refused"}


class Elements(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def write_index(folder: Path, kind: str, rows: list[dict[str, Any]], shard: str = "000000-000", **changed: Any) -> None:
    """A shard of which there is no more than the index."""
    (folder / kind / "shards").mkdir(parents=True, exist_ok=True)
    (folder / kind / "commit").mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / kind / f"shards/{shard}.parquet")
    images = sum(row.get("num_images", 1) for row in rows)
    info = ShardInfo(shard, len(rows), images, 0, "", 0, "")
    mark = ShardMark(info, int(shard[:6]), {}, changed.get("config_hash", "a"), "0.1.0")
    (folder / kind / f"commit/{shard}.json").write_bytes(msgspec.json.encode(mark))


def row_of(number: int, domain: str, sizes: dict[str, int], **more: Any) -> dict[str, Any]:
    members = [{"name": f"{number:06d}.{name}", "offset": 0, "size": size, "crc32": 0} for name, size in sizes.items()]
    url = f"https://{domain}/{number}"
    return {"key": f"{number:06d}", "url": url, "domain": domain, "members": members, "num_images": 1, **more}


def test_the_largest_tenth_of_the_names_is_listed_for_each_modality(tmp_path: Path) -> None:
    rows = [row_of(n, f"d{n:02d}.example", {"json": 1000 - n, "1.jpg": 10 * n}) for n in range(41)]
    rows.append(row_of(90, "", {"json": 5}))
    rows.append(row_of(91, "192.168.0.1", {"json": 1}))
    write_index(tmp_path, "interleaved", rows)
    with Index(Store(str(tmp_path))) as index:
        origins = Origins(index)
        assert (origins.named["names"], origins.unnamed["samples"]) == (42, 1)
        assert origins.tenth == {"bytes": 5, "text_bytes": 5, "image_bytes": 4, "video_bytes": 0}
        listed, tops = list(origins.domains()), {one["top"] for one in origins.countries()}
    by_bytes = [f"d{n:02d}.example" for n in range(40, 35, -1)]
    assert [one.domain for one in listed if "bytes" in one.top_of] == by_bytes
    assert [one.domain for one in listed if "text_bytes" in one.top_of] == [
        f"d{n:02d}.example" for n in range(4, -1, -1)
    ]
    assert {one.domain for one in listed if "image_bytes" in one.top_of} == set(by_bytes[:4])
    assert tops == {"example", "(an address, no name)"}


def test_a_dataset_from_before_signals_were_recorded_is_unknown_and_says_so(tmp_path: Path) -> None:
    said = [{"subject": "page", "signal": "rsl", "origin": "o", "value": "v", "verdict": "yes", "time": ""}]
    write_index(tmp_path, "interleaved", [row_of(0, "a.de", {"json": 1}), row_of(1, "b.de", {"json": 1})])
    assert main(["audit", str(tmp_path)]) == 0
    facts = json.loads((tmp_path / "audit.json").read_bytes())
    assert [(one["thing"], one["kept"], one["unrecorded"], one["silent"]) for one in facts["ledger"]] == [
        ("page", 2, 2, 0), ("image", 2, 2, 0),
    ]  # fmt: skip
    assert any("nothing is known" in note for note in facts["notes"])
    assert any("not finished" in note for note in facts["notes"])
    newer = [row_of(2, "c.de", {"json": 1}, signals=said)]
    write_index(tmp_path, "interleaved", newer, "000001-000", config_hash="b")
    with Index(Store(str(tmp_path))) as index:
        page, image = ledger(index)
    assert (page.kept, page.unrecorded, page.passed) == (3, 2, {"yes": 1})
    assert (image.kept, image.unrecorded, image.silent) == (3, 2, 1)


def test_a_page_of_many_samples_counts_once_by_the_most_restrictive(tmp_path: Path) -> None:
    def said(verdict: str) -> list[dict[str, str]]:
        return [{"subject": "page", "signal": "rsl", "origin": "", "value": "", "verdict": verdict, "time": ""}]

    rows = [row_of(n, "a.de", {"json": 1}, page_url="https://a.de/", signals=said("yes")) for n in range(3)]
    write_index(tmp_path, "pairs", [*rows, row_of(3, "a.de", {"json": 1}, page_url="", signals=said("yes"))])
    write_index(
        tmp_path, "interleaved", [{**row_of(4, "a.de", {"json": 1}, signals=said("no")), "url": "https://a.de/"}]
    )
    with Index(Store(str(tmp_path))) as index:
        page, _, pair = ledger(index)
    assert (page.kept, page.passed, page.signals[0].passed) == (1, {"no": 1}, {"no": 1})
    assert (pair.kept, pair.silent) == (4, 4)


def test_what_a_later_build_replaced_is_not_counted(tmp_path: Path) -> None:
    said = [{"subject": "page", "signal": "rsl", "origin": "", "value": "", "verdict": "no", "time": ""}]
    rows = [row_of(n, f"d{n}.de", {"json": 10, "1.jpg": 100}, signals=said, licence=f"l{n}") for n in range(3)]
    write_index(tmp_path, "interleaved", rows)
    newer = [row_of(9, "d0.de", {"json": 7, "1.jpg": 70}, signals=[], licence="l0")]
    write_index(tmp_path, "interleaved", newer, "000001-000")
    (tmp_path / "interleaved/superseded").mkdir()
    (tmp_path / "interleaved/superseded/000000-000-001.json").write_text('{"rows": [0, 2], "images": 2}')
    builds = [Build(n, 1, 1, {}, {}, {"interleaved": 1 + n}, "", "") for n in range(2)]
    (tmp_path / "dataset.json").write_bytes(msgspec.json.encode({"builds": builds}))
    with Index(Store(str(tmp_path))) as index:
        page, image = ledger(index)
        origins = Origins(index)
        assert (page.kept, page.passed, page.silent, image.kept) == (2, {"no": 1}, 1, 2)
        assert (origins.named["names"], origins.named["bytes"]) == (2, 110 + 77)
        assert [one["licence"] for one in origins.licences()[1]] == ["l0", "l1"]


def test_nothing_in_the_page_runs_and_what_pages_say_is_text(tmp_path: Path) -> None:
    evil = '"><script>window.pwned=1</script>'
    said = [{"subject": "page", "signal": evil, "origin": evil, "value": evil, "verdict": "odd", "time": evil}]
    row = {**row_of(0, "a.de", {"json": 1}, signals=said, licence="javascript:pwned=1"), "url": f"javascript:{evil}"}
    write_index(tmp_path, "interleaved", [row])
    (tmp_path / "drops").mkdir()
    drop = DropRow(f"https://a.de/{evil}", "page", "opt_out", evil, "javascript:pwned")
    names = DropRow.__struct_fields__
    pq.write_table(pa.Table.from_pylist([{name: getattr(drop, name) for name in names}]), tmp_path / "drops/a.parquet")
    assert main(["audit", str(tmp_path)]) == 0
    html = (tmp_path / "audit.html").read_text()
    elements = Elements(html).found
    assert not {tag for tag, _ in elements} & {"script", "iframe", "link", "object", "embed", "form", "base", "img"}
    for tag, attributes in elements:
        assert not [name for name in attributes if name.startswith("on")], tag
        assert re.match(r"#|https?://", attributes.get("href") or "#"), attributes
    facts = json.loads((tmp_path / "audit.json").read_bytes())
    assert facts["ledger"][0]["passed"] == {"unknown": 1}  # a verdict that this weft does not know
    assert facts["ledger"][0]["otherwise"] == {"a signal that the drop does not name": 1}


def test_the_ledger_of_one_sample_has_every_signal_and_the_decision(
    audited: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", str(audited), "https://klein.de/2"]) == 0
    told = capsys.readouterr().out
    for said in ("content-signal", "/robots.txt", "2026-02-28T09:00:00Z", "header Content-Usage", "creator Ann"):
        assert said in told
    assert "kept although refused: the settings of the build do not honour it" in told
    assert main(["audit", str(audited), "https://www.big.example/1", "--json"]) == 0
    of_page, *pairs = json.loads(capsys.readouterr().out)
    assert [one["subject"] for one in of_page["subjects"]] == ["page", "image 0", "image 1"]
    assert of_page["subjects"][2]["decision"].startswith("kept: training is allowed. plus:DataMining")
    assert of_page["subjects"][2]["url"] == "https://www.big.example/b.jpg"
    assert {one["kind"] for one in pairs} == {"pairs"}
    key = of_page["key"]
    assert main(["audit", str(audited), key, "--json"]) == 0
    assert of_page in json.loads(capsys.readouterr().out)
    assert main(["audit", str(audited), "https://paid.co.uk/1"]) == 0
    assert "kept under conditions: the settings of the build let these pass. rsl" in capsys.readouterr().out
    assert main(["audit", str(audited), "https://silent.fr/2"]) == 0
    assert "plus:DataMining: DMI-PROHIBITED" in capsys.readouterr().out


def test_the_ledger_of_what_was_refused_says_by_what(audited: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(audited), "https://no.example/1"]) == 0
    assert "opt_out, content-usage: train-ai=n (header Content-Usage)" in capsys.readouterr().out
    assert main(["audit", str(audited), "https://nowhere.example/"]) == 1
    assert "nothing at this address was refused" in capsys.readouterr().err


def test_what_a_crawl_refused_is_told_where_it_is_named(
    audited: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        DropRow("https://r.example/a", "visit", "robots", "robots.txt"),
        DropRow("https://r.example/b", "visit", "robots", "ai.txt"),
        DropRow("https://r.example/c", "visit", "opt_out", "tdmrep.json"),
        DropRow("https://r.example/d", "visit", "denied"),
        DropRow("https://r.example/e", "visit", "http_status", "404"),
        DropRow("https://r.example/f", "pair", "opt_out", "Use of image disallowed by X-Robots-Tag directive"),
    ]
    for number, fields in enumerate((DropRow.__struct_fields__, DropRow.__struct_fields__[:4])):  # of today, of before
        crawl = tmp_path / f"crawl{number}"
        (crawl / "drops").mkdir(parents=True)
        (crawl / "crawl.json").write_text("{}")
        table = pa.Table.from_pylist([{name: getattr(row, name) for name in fields} for row in rows])
        pq.write_table(table, crawl / "drops/crawl-000000.parquet")
    crawls = ["--crawl", str(tmp_path / "crawl0"), "--crawl", str(tmp_path / "crawl1")]
    assert main(["audit", str(audited), "--json", *crawls]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["notes"] == []
    (pair,) = [one for one in facts["ledger"] if one["thing"] == "pair"]
    assert ("robots", 2) in [(of["signal"], of["refused"]) for of in pair["signals"]]
    (visit,) = [one for one in facts["ledger"] if one["thing"] == "visit"]
    assert {of["signal"]: of["refused"] for of in visit["signals"]} == {
        "tdm-reservation": 2, "robots.txt": 2, "ai.txt": 2,
    }  # fmt: skip
    assert (visit["refused"], visit["otherwise"]) == (8, {"deny list": 2})
    assert main(["audit", str(audited), "https://r.example/b", *crawls]) == 0
    assert "visit https://r.example/b: robots, ai.txt" in capsys.readouterr().out
    assert main(["audit", str(audited), "--crawl", str(tmp_path)]) == 2


def test_a_dataset_that_lies_elsewhere_is_audited_in_place(audited: Path, facts: dict[str, Any]) -> None:
    memory = fsspec.filesystem("memory")
    memory.put(str(audited), "/audited", recursive=True)
    assert main(["audit", "memory://audited"]) == 0
    there = json.loads(memory.cat("/audited/audit.json"))
    for part in ("ledger", "countries", "licences", "captured", "domains", "top_domains"):
        assert there[part] == facts[part]
    assert b"weft audit" in memory.cat("/audited/audit.html")
    memory.rm("/audited", recursive=True)


def test_what_is_no_dataset_or_a_wrong_call_is_told_in_one_line(tmp_path: Path, audited: Path) -> None:
    assert main(["audit", str(tmp_path)]) == 2
    assert main(["audit", str(audited), "-o", str(tmp_path / "audit.json")]) == 2
    assert main(["audit", str(audited), "key", "-o", str(tmp_path / "a.html")]) == 2


def test_every_country_code_of_the_public_suffix_list_has_a_name() -> None:
    listed = (Path(tldextract.__file__).parent / ".tld_set_snapshot").read_text("utf-8").partition("===END ICANN")[0]
    codes = {line.removeprefix("*.") for line in listed.splitlines() if re.fullmatch(r"(\*\.)?[a-z]{2}", line)}
    assert len(codes) > 240
    assert codes - COUNTRIES.keys() == set()
    of_other_scripts = dict(re.findall(r"^// (xn--\S+) \([^)]*\) ?: ([A-Z]{2})\b", listed, re.MULTILINE))
    assert len(of_other_scripts) > 60
    assert {name: COUNTRIES[code.lower()] for name, code in of_other_scripts.items()} == {
        name: COUNTRIES.get(name) for name in of_other_scripts
    }
