"""What a reader says of samples: kept, counted, exported, and refused to other sites."""

import csv
import io
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from jobs.cli import main
from jobs.dataset.index import Index, QueryError
from jobs.view.app import open_context
from jobs.view.flags import Flags, FlagsError, beside, clean_tags
from jobs.view.review import Precision, Review
from schemas.storage import Store
from tests.jobs.looked_at import viewer
from tests.jobs.view.test_view import ask, keys


def post(address: str, form: dict[str, str], **headers: str) -> tuple[int, str]:
    """Status, and where it leads."""

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            return None

    request = urllib.request.Request(f"{address}/flag", urllib.parse.urlencode(form).encode(), method="POST")
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)
    try:
        with urllib.request.build_opener(Stay).open(request, timeout=30) as response:
            return response.status, ""
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get("Location", "")


def test_flags_are_there_again_and_the_last_counts(tmp_path: Path) -> None:
    flags = Flags(tmp_path / "deep" / "flags.jsonl")
    flags.say("pairs", "1", ("Good", "blurred, "), " soft ")
    flags.say("pairs", "2", ("bad",), "")
    flags.say("pairs", "1", ("good", "sharp"), "")
    flags.say("clips", "1", (), "only a note")
    flags.say("pairs", "2", (), "")
    again = Flags(flags.path)
    assert again.of("pairs", "1").tags == ("good", "sharp")
    assert again.of("pairs", "2").tags == ()
    assert [flag.key for flag in again.all("pairs")] == ["1"]
    assert again.of("clips", "1").note == "only a note"
    assert again.counts()["pairs"] == {"good": 1, "sharp": 1}


def test_an_end_torn_by_a_kill_is_passed_over_and_written_on(tmp_path: Path) -> None:
    flags = Flags(tmp_path / "flags.jsonl")
    flags.say("pairs", "1", ("good",), "")
    whole = flags.path.read_bytes()
    flags.say("pairs", "2", ("good",), "")
    for end in range(len(whole), len(flags.path.read_bytes())):
        copy = tmp_path / f"torn{end}.jsonl"
        copy.write_bytes(flags.path.read_bytes()[:end])
        Flags(copy).say("pairs", "3", ("bad",), "")
        assert [flag.key for flag in Flags(copy).all()] == ["1", "3"]


def test_a_file_that_is_none_of_flags_is_refused(tmp_path: Path, looked_at: Path) -> None:
    (tmp_path / "x").write_text("a\nb\n")
    with pytest.raises(FlagsError, match="line 1, is no flag"):
        Flags(tmp_path / "x")
    (tmp_path / "y").write_text("a letter, without an end of line")
    with pytest.raises(FlagsError, match="is no file of flags"):
        Flags(tmp_path / "y")
    assert (tmp_path / "y").read_text() == "a letter, without an end of line"
    assert main(["view", str(looked_at), "--flags", str(tmp_path / "x"), "--port", "0"]) == 2


def test_of_good_and_bad_the_last_counts() -> None:
    assert clean_tags(("good", "A  b", "BAD", "a b", "")) == ("a b", "bad")


def test_where_flags_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert beside(str(tmp_path / "out"), "flags.jsonl") == tmp_path / "out.flags.jsonl"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    far = beside("s3://bucket/data/", "flags.jsonl")
    assert far.parent == tmp_path / "home/weft"
    assert far.name.startswith("data-")
    assert far != beside("s3://other/data/", "flags.jsonl")


def test_samples_are_flagged_in_the_browser_and_exported(looked_at: Path, tmp_path: Path) -> None:
    key, other = keys(looked_at, "interleaved")[:2]
    file = tmp_path / "flags.jsonl"
    with viewer(str(looked_at), flags=str(file)) as address:
        back = f"/sample/interleaved/{key}?q=x"
        assert b"Flags</a>" not in ask(address)[2]
        flagged = {"kind": "interleaved", "key": key, "back": back}
        assert post(address, {**flagged, "verdict": "good"}) == (303, back)
        assert post(address, {**flagged, "tags": "good, recipe", "note": "=1+1, <b>"}) == (303, back)
        assert post(address, {"kind": "interleaved", "key": other, "verdict": "bad"}) == (303, "/flags")
        assert post(address, {"kind": "dropped", "key": "https://x.example/1", "verdict": "bad"})[0] == 303
        shown = ask(f"{address}{back}")[2].decode()
        assert re.search(r'value="good" data-key="y" aria-pressed="true"', shown)
        assert 'value="good, recipe"' in shown
        assert "chip flagged good" in ask(f"{address}/browse/interleaved")[2].decode()
        listed = ask(f"{address}/flags")[2].decode()
        assert "=1+1, &lt;b&gt;" in listed
        assert "recipe 1" in listed
        assert ask(f"{address}/flags/keys.txt?kind=interleaved&tag=good")[2].decode() == f"{key}\n"
        denied = ask(f"{address}/flags/deny.txt?tag=bad")[2].decode().split()
        assert denied == [*_urls(looked_at, other), "https://x.example/1"]
        rows = list(csv.reader(io.StringIO(ask(f"{address}/flags/flags.csv")[2].decode())))
        assert rows[1][:4] == ["interleaved", key, "good,recipe", "'=1+1, <b>"]
        # said again, a verdict is taken back
        post(address, {**flagged, "verdict": "good"})
        assert ask(f"{address}/flags/keys.txt?tag=good")[2] == b""
    assert [json.loads(line)["key"] for line in file.read_text().splitlines()][-1] == key


def _urls(looked_at: Path, key: str) -> list[str]:
    with Index(Store(str(looked_at))) as index:
        return [str(row[0]) for row in index.ask("SELECT url FROM interleaved WHERE key = ?", [key]).rows]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Host": "evil.example"},
    ],
)
def test_no_other_site_may_flag(looked_at: Path, tmp_path: Path, headers: dict[str, str]) -> None:
    with viewer(str(looked_at), flags=str(tmp_path / "flags.jsonl")) as address:
        form = {"kind": "interleaved", "key": keys(looked_at, "interleaved")[0], "verdict": "bad"}
        assert post(address, form, **headers)[0] == 403
        assert post(address, form, Origin=address, Sec_Fetch_Site="same-origin")[0] == 303
        assert post(address, {**form, "back": "//evil.example/"})[1] == "/flags"
        assert post(address, {**form, "back": "/\\evil.example/"})[1] == "/flags"
        assert post(address, {**form, "back": "/\t/evil.example/"})[1] == "/flags"
        assert post(address, {**form, "key": "nothing"})[0] == 404
        assert post(address, {**form, "kind": "nothing"})[0] == 404
        assert ask(f"{address}/flag")[0] == 405


def test_two_windows_that_judge_the_same_do_not_take_it_back(looked_at: Path, tmp_path: Path) -> None:
    (key, *_) = keys(looked_at, "pairs")
    form = {"kind": "pairs", "key": key, "verdict": "good"}
    with viewer(str(looked_at), flags=str(tmp_path / "flags.jsonl")) as address:
        for judged, tags in (("", ("good",)), ("", ("good",)), ("good", ()), ("good", ())):
            assert post(address, {**form, "judged": judged})[0] == 303
            assert Flags(tmp_path / "flags.jsonl").of("pairs", key).tags == tags
        _, _, page = ask(f"{address}/sample/pairs/{key}")
        assert b'name="judged" value=""' in page


def test_two_windows_that_write_tags_and_notes_lose_none(looked_at: Path, tmp_path: Path) -> None:
    (key, *_) = keys(looked_at, "pairs")
    old = {"kind": "pairs", "key": key, "tags_shown": "cat, blurred", "note_shown": "a cat"}
    with viewer(str(looked_at), flags=str(tmp_path / "flags.jsonl")) as address:

        def saved(**form: str) -> tuple[set[str], str]:
            assert post(address, {"kind": "pairs", "key": key, **form})[0] == 303
            now = Flags(tmp_path / "flags.jsonl").of("pairs", key)
            return set(now.tags), now.note

        assert saved(tags="cat, blurred", note="a cat") == ({"cat", "blurred"}, "a cat")
        page = ask(f"{address}/sample/pairs/{key}")[2].decode()
        assert 'name="tags_shown" value="cat, blurred"' in page
        assert 'name="note_shown" value="a cat"' in page
        assert saved(**old, tags="cat, blurred, night", note="a black cat") == (
            {"cat", "blurred", "night"},
            "a black cat",
        )
        # The other window still shows what was there before.
        assert saved(**old, tags="Cat", note="a cat") == ({"cat", "night"}, "a black cat")
        assert saved(**old, tags="cat, blurred", note="no dog") == ({"cat", "night"}, "a black cat | no dog")
        assert saved(**old, tags="cat, blurred", note="") == ({"cat", "night"}, "a black cat | no dog")
        assert saved(tags="", note="") == (set(), "")


def test_a_file_in_place_of_a_note_is_refused(looked_at: Path, tmp_path: Path) -> None:
    with viewer(str(looked_at), flags=str(tmp_path / "flags.jsonl")) as address:
        fields = ['name="kind"\r\n\r\npairs', f'name="key"\r\n\r\n{keys(looked_at, "pairs")[0]}']
        fields.append('name="note"; filename="a.txt"\r\n\r\nwords')
        body = "".join(f"--b\r\nContent-Disposition: form-data; {field}\r\n" for field in fields) + "--b--\r\n"
        request = urllib.request.Request(f"{address}/flag", body.encode(), method="POST")
        request.add_header("Content-Type", "multipart/form-data; boundary=b")
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=30)
    assert refused.value.code == 400
    assert not (tmp_path / "flags.jsonl").exists()


def test_a_review_leads_through_its_samples_to_a_precision(looked_at: Path, tmp_path: Path) -> None:
    context = open_context(str(looked_at), [], flags=str(tmp_path / "flags.jsonl"))
    context.draw_review(4, "interleaved")
    assert context.review
    drawn = context.review.keys
    context.close()
    with viewer(str(looked_at), flags=str(tmp_path / "flags.jsonl"), review=4) as address:
        assert b"nothing is judged yet" in ask(f"{address}/review")[2]
        place = f"/sample/interleaved/{drawn[0]}?review=1"
        assert f'href="{place}"'.encode() in ask(f"{address}/review")[2]
        for number, verdict in enumerate(("good", "bad", "good", "good")):
            shown = ask(address + place)[2].decode()
            assert f"{number + 1} of 4" in shown
            form = {"kind": "interleaved", "key": drawn[number], "verdict": verdict, "back": place}
            status, place = post(address, form)
            assert status == 303
        assert place == "/review"
        done = ask(f"{address}/review")[2].decode()
        assert "75.0 %" in done
        assert "30.1 to 95.4 %" in done
        assert "All are judged" in done


def test_more_to_review_begins_with_the_same(looked_at: Path) -> None:
    with Index(Store(str(looked_at))) as index:
        few, more = Review(index, "pairs", 3), Review(index, "pairs", 6)
        assert more.keys[:3] == few.keys
        with pytest.raises(QueryError, match="no pairs to review for which this holds"):
            Review(index, "pairs", 3, "false")
        with pytest.raises(QueryError):
            Review(index, "pairs", 3, "nonsense")


@pytest.mark.parametrize(
    ("good", "bad", "low", "high"),  # statsmodels.stats.proportion.proportion_confint(method="wilson")
    [(0, 10, 0.0, 0.27753), (10, 0, 0.72247, 1.0), (180, 20, 0.85061, 0.93433), (0, 0, 0.0, 1.0)],
)
def test_the_interval_is_wilsons(good: int, bad: int, low: float, high: float) -> None:
    assert Precision(good, bad).interval == pytest.approx((low, high), abs=2e-5)


def test_flagged_keys_become_a_subset(looked_at: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = keys(looked_at, "pairs")[1:3]
    (tmp_path / "keys.txt").write_text("".join(f"{key}\n" for key in wanted))
    call = ["subset", str(looked_at), "--keys", str(tmp_path / "keys.txt"), "--kind", "pairs"]
    assert main([*call, "-o", str(tmp_path / "some")]) == 0
    assert keys(tmp_path / "some", "pairs") == wanted
    assert main([*call, "--where", f"key > '{wanted[0]}'", "-o", str(tmp_path / "one")]) == 0
    assert keys(tmp_path / "one", "pairs") == wanted[1:]
    assert main(["subset", str(looked_at), "-o", str(tmp_path / "none")]) == 2
    assert "which samples?" in capsys.readouterr().err
