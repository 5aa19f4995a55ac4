import gzip
import os
import socket
import time
from pathlib import Path

import fsspec
import pytest

from crawlers.inputs import (
    COMMON_CRAWL,
    Input,
    InputError,
    NoResponses,
    _beside,
    list_archives,
    list_files,
    list_sized,
)
from tests.crawlers.conftest import Site


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, size in (("a.warc.gz", 1), ("b.warc.gz", 2), ("deep/c.warc.gz", 3), ("my archive.warc", 4)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * size)
    return tmp_path


def names(found: list[Input]) -> list[str]:
    return [Path(item.url).name for item in found]


def test_a_path_names_itself_with_its_size(folder: Path) -> None:
    path = str(folder / "b.warc.gz")
    assert list_archives([path]) == [Input(path, 2)]


def test_a_path_may_hold_a_space(folder: Path) -> None:
    assert names(list_archives([str(folder / "my archive.warc")])) == ["my archive.warc"]


def test_a_file_with_brackets_in_its_name_names_itself(folder: Path) -> None:
    """As a shell gives it; as a pattern it would match another name."""
    (folder / "part[1].warc.gz").write_bytes(b"x")
    (folder / "part1.warc.gz").write_bytes(b"xx")
    assert names(list_archives([str(folder / "part[1].warc.gz")])) == ["part[1].warc.gz"]
    assert names(list_archives([str(folder / "part[12].warc.gz")])) == ["part1.warc.gz"]


def test_a_glob_names_files_in_order_and_no_folders(folder: Path) -> None:
    (folder / "z.warc.gz").mkdir()
    assert names(list_archives([f"{folder}/*.warc.gz"])) == ["a.warc.gz", "b.warc.gz"]


def test_a_double_star_looks_into_folders(folder: Path) -> None:
    found = list_archives([f"{folder}/**/*.warc.gz"])
    assert names(found) == ["a.warc.gz", "b.warc.gz", "c.warc.gz"]


def test_archives_come_in_the_order_given_each_once(folder: Path) -> None:
    found = list_archives([str(folder / "b.warc.gz"), f"{folder}/*.warc.gz", str(folder / "b.warc.gz")])
    assert names(found) == ["b.warc.gz", "a.warc.gz"]


def test_a_file_that_is_named_in_several_ways_is_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "link.warc.gz").symlink_to("a.warc.gz")
    named = ["./a.warc.gz", "a.warc.gz", f"file://{folder}/a.warc.gz", "deep/../a.warc.gz", "link.warc.gz"]
    assert [item.url for item in list_archives(named)] == ["./a.warc.gz"]
    assert [item.url for item in list_sized(named)] == ["./a.warc.gz"]
    assert list_files(named) == ["./a.warc.gz"]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [("missing.warc", "no such archive: "), ("*.arc", "nothing matches ")],
)
def test_a_pattern_that_names_nothing_is_an_error_that_names_it(folder: Path, pattern: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        list_archives([str(folder / "a.warc.gz"), f"{folder}/{pattern}"])
    assert str(error.value) == f"{message}{folder}/{pattern}"


def test_no_input_at_all_is_an_error() -> None:
    with pytest.raises(InputError, match="no input given"):
        list_archives([])


@pytest.mark.parametrize("list_name", ["list.txt", "warc.paths", "list.txt.gz", "warc.paths.gz"])
def test_lines_of_a_list_are_taken_from_its_folder(folder: Path, list_name: str) -> None:
    text = b"deep/c.warc.gz\r\n\na.warc.gz\n"
    (folder / list_name).write_bytes(gzip.compress(text) if list_name.endswith(".gz") else text)
    assert list_archives([str(folder / list_name)]) == [
        Input(str(folder / "deep/c.warc.gz"), 3),
        Input(str(folder / "a.warc.gz"), 1),
    ]


def test_a_line_may_be_a_path_from_the_root_a_glob_or_another_list(folder: Path) -> None:
    (folder / "inner.txt").write_text("deep/*.warc.gz\n")
    (folder / "list.txt").write_text(f"{folder}/b.warc.gz\na*.warc.gz\ninner.txt\n")
    assert names(list_archives([str(folder / "list.txt")])) == ["b.warc.gz", "a.warc.gz", "c.warc.gz"]


def test_a_line_may_hold_a_space(folder: Path) -> None:
    (folder / "list.txt").write_text("my archive.warc\n")
    assert names(list_archives([str(folder / "list.txt")])) == ["my archive.warc"]


def test_a_line_that_starts_with_a_hash_is_a_comment(folder: Path) -> None:
    (folder / "list.txt").write_text("# the first two days\na.warc.gz\n#b.warc.gz\n")
    assert names(list_archives([str(folder / "list.txt")])) == ["a.warc.gz"]


def test_a_line_that_names_nothing_is_an_error_that_names_it(folder: Path) -> None:
    (folder / "list.txt").write_text("a.warc.gz\nmissing.warc.gz\n")
    with pytest.raises(InputError, match=f"no such archive: {folder}/missing.warc.gz"):
        list_archives([str(folder / "list.txt")])


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("missing.txt", None),
        ("plain.paths.gz", b"a.warc.gz\n"),
        ("cut.paths.gz", gzip.compress(b"a.warc.gz\n" * 100, mtime=0)[:-12]),
        ("damaged.paths.gz", gzip.compress(b"a.warc.gz\n" * 100, mtime=0)[:12] + b"\xff" * 40),
        ("binary.txt", b"\xff\xfe\x00"),
    ],
)
def test_a_list_that_cannot_be_read_is_an_error_that_names_it(folder: Path, name: str, data: bytes | None) -> None:
    if data is not None:
        (folder / name).write_bytes(data)
    with pytest.raises(InputError, match=f"cannot read the list of archives {folder}/{name}"):
        list_archives([str(folder / name)])


def test_an_empty_list_gives_no_input(folder: Path) -> None:
    (folder / "list.txt").write_text("\n")
    with pytest.raises(InputError, match="no input given"):
        list_archives([str(folder / "list.txt")])


def test_lines_of_common_crawls_lists_are_taken_from_its_server() -> None:
    line = "crawl-data/CC-MAIN-2026-01/segments/1/warc/CC-MAIN-1.warc.gz"
    assert _beside("/anywhere/warc.paths.gz", line) == COMMON_CRAWL + line
    assert _beside("s3://bucket/warc.paths.gz", line) == COMMON_CRAWL + line
    assert _beside("s3://bucket/list.txt", "x.warc.gz") == "s3://bucket/x.warc.gz"
    assert _beside("/lists/list.txt", "s3://bucket/x.warc.gz") == "s3://bucket/x.warc.gz"


def test_an_address_is_asked_for_its_size(site: Site) -> None:
    site.files["/a.warc.gz"] = b"x" * 123
    assert list_archives([f"{site.url}/a.warc.gz"]) == [Input(f"{site.url}/a.warc.gz", 123)]
    assert not [request for request in site.requests if request.startswith("GET")], "nothing is downloaded"


def test_a_server_that_does_not_tell_a_size_gives_minus_one(site: Site) -> None:
    site.tells_length = False
    site.files["/a.warc.gz"] = b"x" * 123
    assert list_archives([f"{site.url}/a.warc.gz"]) == [Input(f"{site.url}/a.warc.gz", -1)]


def test_an_address_keeps_its_query(site: Site) -> None:
    """Signed addresses of object stores are nothing without it."""
    site.files["/a.warc.gz"] = b"x" * 123
    assert list_archives([f"{site.url}/a.warc.gz?signature=s"]) == [Input(f"{site.url}/a.warc.gz?signature=s", 123)]


def test_an_address_that_is_not_there_is_an_error_that_names_it(site: Site) -> None:
    with pytest.raises(InputError, match=f"no such archive: {site.url}/missing.warc.gz"):
        list_archives([f"{site.url}/missing.warc.gz"])


def test_a_server_that_does_not_answer_or_refuses_is_not_taken_for_one_without_the_archive(site: Site) -> None:
    site.files["/a.warc.gz"], site.status = b"x", 403
    with pytest.raises(InputError, match=rf"cannot look for {site.url}/a.warc.gz: the server answers 403"):
        list_archives([f"{site.url}/a.warc.gz"])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/a.warc.gz"
        with pytest.raises(
            InputError, match=f"cannot look for {address}: the server cannot be reached: Cannot connect"
        ):
            list_archives([address])
    with pytest.raises(InputError, match=r"cannot read the list of archives .*: the server answers 403"):
        list_archives([f"{site.url}/warc.paths"])


def test_a_store_that_wants_credentials_says_how_they_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    s3fs = pytest.importorskip("s3fs")

    def info(*_: object, **__: object) -> None:
        raise OSError("Unable to locate credentials")

    monkeypatch.setattr(s3fs.S3FileSystem, "info", info)
    with pytest.raises(InputError, match=r"Unable to locate credentials; AWS_ACCESS_KEY_ID .*AWS_PROFILE"):
        list_archives(["s3://bucket/a.warc.gz"])


def test_a_list_on_a_server_names_what_lies_beside_it(site: Site) -> None:
    site.files["/lists/warc.paths.gz"] = gzip.compress(b"a.warc.gz\n")
    site.files["/lists/a.warc.gz"] = b"x" * 7
    assert list_archives([f"{site.url}/lists/warc.paths.gz"]) == [Input(f"{site.url}/lists/a.warc.gz", 7)]


def test_an_object_store_is_listed_and_globbed(memory: str) -> None:
    for name, size in (("b.warc.gz", 2), ("a.warc.gz", 1), ("deep/c.warc.gz", 3)):
        with fsspec.open(f"{memory}/{name}", "wb") as file:
            file.write(b"x" * size)
    root = memory.replace("memory://", "memory:///")
    assert list_archives([f"{memory}/b.warc.gz"]) == [Input(f"{root}/b.warc.gz", 2)]
    assert list_archives([f"{memory}/*.warc.gz"]) == [
        Input(f"{root}/a.warc.gz", 1),
        Input(f"{root}/b.warc.gz", 2),
    ]
    for item in list_archives([f"{memory}/**/*.warc.gz"]):
        with fsspec.open(item.url, "rb") as file:
            assert len(file.read()) == item.size
    with pytest.raises(InputError, match="nothing matches"):
        list_archives([f"{memory}/*.arc"])
    with pytest.raises(InputError, match="no such archive"):
        list_archives([f"{memory}/missing.warc.gz"])


# Names that nobody chose with care.


@pytest.mark.parametrize(
    "pattern", ["{}/caf\udce9.warc.gz", "{}/c*.warc.gz", "{}/*.warc.gz", "file://{}/caf\udce9.warc.gz"]
)
def test_a_name_that_is_not_utf_8_is_said_in_one_line(tmp_path: Path, pattern: str) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.warc.gz")).write_bytes(b"x")
    with pytest.raises(InputError, match="is not UTF-8") as caught:
        list_archives([pattern.format(tmp_path)])
    assert str(caught.value).encode().isascii()
    assert "\n" not in str(caught.value)


ODD = ["", " ", "\0", "a\0b.warc.gz", "new\nline", "x" * 5000, "~nobody/x", "[", "a.warc.gz/b"]
ODD_URLS = [
    "s3://",
    "http://",
    "http://[::1",
    "foo://bar/x",
    "://",
    "file://",
    "http://127.0.0.1:1/a.warc.gz",
    "memory://\0",
]


@pytest.mark.parametrize("pattern", [*ODD, *ODD_URLS, "caf\udce9", "http://127.0.0.1:1/\udce9.warc.gz"])
@pytest.mark.parametrize("form", ["{}", "{}.txt", "{}.paths.gz"])
def test_a_name_of_nothing_is_an_input_error_in_one_line(folder: Path, pattern: str, form: str) -> None:
    with pytest.raises(InputError) as caught:
        list_archives([form.format(pattern)])
    assert str(caught.value)
    assert len(str(caught.value)) < 800
    assert "\n" not in str(caught.value)
    str(caught.value).encode()


def test_a_folder_says_what_to_name_instead(folder: Path) -> None:
    with pytest.raises(InputError, match="is a folder: name the files in it"):
        list_archives([str(folder)])


def test_a_name_with_a_line_end_is_a_name(tmp_path: Path) -> None:
    (tmp_path / "a\nb.warc.gz").write_bytes(b"xy")
    assert list_archives([str(tmp_path / "*.warc.gz")]) == [Input(str(tmp_path / "a\nb.warc.gz"), 2)]


def test_what_vanishes_while_a_glob_is_read_is_left_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = os.path.getsize

    def getsize(path: str) -> int:
        if path.endswith("a.warc.gz"):
            raise FileNotFoundError(path)
        return sizes(path)

    monkeypatch.setattr(os.path, "getsize", getsize)
    assert names(list_archives([str(folder / "*.warc.gz")])) == ["b.warc.gz"]


def test_a_link_to_nothing_is_no_archive(folder: Path) -> None:
    (folder / "z.warc.gz").symlink_to("nowhere")
    assert "z.warc.gz" not in names(list_archives([str(folder / "*.warc.gz")]))
    with pytest.raises(InputError, match="no such archive"):
        list_archives([str(folder / "z.warc.gz")])


def test_what_may_not_be_read_is_said_before_a_build_begins(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may read everything
    with pytest.raises(InputError, match="may not be read"):
        list_archives([str(folder / "a.warc.gz")])


def test_lists_that_lead_back_to_themselves_end(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("b.paths\n")
    (tmp_path / "b.paths").write_text("a.txt\n")
    with pytest.raises(InputError, match="leads back to itself"):
        list_archives([str(tmp_path / "a.txt")])


@pytest.mark.parametrize("name", ["x.warc.wet.gz", "x.wet", "X.WARC.WET.GZ", "x.warc.wat.gz", "x.wat.zst"])
def test_extracts_are_refused_by_their_names(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    (tmp_path / "all.paths").write_text(f"{name}\n")
    for pattern in (name, "x*" if name[0] == "x" else "X*", "all.paths"):
        with pytest.raises(NoResponses, match=r"is a W[EA]T file: .* weft needs the pages"):
            list_archives([str(tmp_path / pattern)])


def test_many_sizes_are_asked_for_at_a_time_and_stay_in_the_order_of_the_list(site: Site, tmp_path: Path) -> None:
    for number in range(60):
        site.files[f"/{number}.warc.gz"] = b"x" * number
    (tmp_path / "all.txt").write_text("".join(f"{site.url}/{number}.warc.gz\n" for number in range(60)))
    site.delay_s = 0.1
    started = time.monotonic()
    found = list_archives([str(tmp_path / "all.txt")])
    assert [(item.url, item.size) for item in found] == [(f"{site.url}/{n}.warc.gz", n) for n in range(60)]
    assert time.monotonic() - started < 60 * 0.1


def test_a_line_among_many_that_names_nothing_is_said(site: Site, tmp_path: Path) -> None:
    site.files["/0.warc.gz"] = b"x"
    (tmp_path / "all.txt").write_text("".join(f"{site.url}/{number}.warc.gz\n" for number in range(3)))
    with pytest.raises(InputError, match=r"no such archive: .*/1\.warc\.gz"):
        list_archives([str(tmp_path / "all.txt")])


def test_nobody_is_asked_for_sizes_that_are_not_wanted(site: Site, tmp_path: Path) -> None:
    urls = [f"{site.url}/{number}.warc.gz" for number in range(3)]
    (tmp_path / "all.txt").write_text("\n".join(urls))
    assert list_archives([str(tmp_path / "all.txt")], sized=False) == [Input(url, -1) for url in urls]
    assert site.requests == []


def test_a_pattern_that_repeats_itself_ends_and_finds_the_same(tmp_path: Path) -> None:
    (tmp_path / "a/b/c/d").mkdir(parents=True)
    for place in ("x.warc", "a/x.warc", "a/b/c/d/x.warc"):
        (tmp_path / place).write_bytes(b"WARC/1.0")
    once = list_archives([f"{tmp_path}/**/*.warc"])
    assert list_archives([f"{tmp_path}/{'**/' * 40}*.warc"]) == once
    assert len(once) == 3
