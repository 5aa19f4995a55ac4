"""What a wrong call, or a package that is not there, is told: one line each."""

import importlib.abc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.cli import main


class Absent(importlib.abc.MetaPathFinder):
    """Packages that are not installed."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def find_spec(self, name: str, path: object, target: object = None) -> None:
        if name.partition(".")[0] in self._names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@pytest.fixture
def without_train(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The extra `train` is not installed."""
    names = ("torch", "transformers", "tokenizers", "safetensors", "tensorboard")
    gone = [name for name in sys.modules if name.partition(".")[0] in (*names, "model")]
    gone += [name for name in sys.modules if name.startswith("jobs.training")]
    for name in gone:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Absent(*names), *sys.meta_path])
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:  # half imported, perhaps
        del sys.modules[name]


def told(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    try:
        code = main(arguments)
    except SystemExit as ended:
        code = int(ended.code or 0)
    said = capsys.readouterr().err
    assert said.count("\n") == 1, said
    return code, said.strip()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("bild out", "weft: no such command: bild; the nearest is build (weft --help lists them)"),
        ("zzz", "weft: no such command: zzz (weft --help lists them)"),
        ("view out --prot 3", "weft view: it takes no --prot; the nearest is --port (weft view --help says more)"),
        # what is misspelt is not what is missing
        ("build --otput=out", "weft build: it takes no --otput; the nearest is --output (weft build --help says more)"),
        ("inspect out --zzz", "weft inspect: it takes no --zzz (weft inspect --help says more)"),
        ("view", "weft view: the following arguments are required: path (weft view --help says more)"),
        ("inspect a b", "weft inspect: unrecognized arguments: b (weft inspect --help says more)"),
        (
            "explain http://a.example/ --input a",
            "weft: --input goes with --dataset: the page of a dataset is looked up in the archives",
        ),
        (
            "crawl http://a.example/ -o c --status-port 70000",
            "weft crawl: argument --status-port: a port is at most 65535, not '70000' (weft crawl --help says more)",
        ),
        ("train tinny", "weft: no such config file or preset: tinny; the nearest is tiny (presets: tiny)"),
    ],
)
def test_a_misspelt_call_is_told_in_one_line(call: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(call.split(), capsys) == (2, said)


@pytest.mark.parametrize("call", ["train tiny", "train tiny --dry-run", "generate run", "evaluate tasks.yaml run"])
def test_commands_of_the_extra_name_it(
    call: str, without_train: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, said = told(call.split(), capsys)
    assert code == 2
    assert said.startswith(f"weft: weft {call.split()[0]} needs the package ")
    assert said.endswith("pip install -c constraints.txt -e '.[train]'")


@pytest.mark.parametrize("command", ["inspect", "view", "report", "query", "show", "subset"])
def test_a_storage_without_its_package_names_it(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "meta_path", [Absent("gcsfs"), *sys.meta_path])
    more = {"query": ["select 1"], "subset": ["--where", "true", "-o", "x"]}.get(command, [])
    assert told([command, "gs://bucket/data", *more], capsys) == (
        2,
        "weft: this storage needs the package gcsfs: pip install gcsfs",
    )


@pytest.mark.parametrize("call", ["inspect s3x://bucket/data", "build --input a --output s3x://b"])
def test_a_storage_that_is_none_is_named(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code = main(call.split())
    assert (code, capsys.readouterr().err.splitlines()[-1]) == (
        2,
        "weft: no storage is known whose addresses begin with s3x://",
    )


@pytest.mark.parametrize("option", ["--where=true", "--kind=pairs"])
def test_options_of_a_review_are_not_passed_over(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = "weft: --kind and --where choose what a review is drawn from: say how many by --review N"
    assert told(["view", "out", option], capsys) == (2, said)


def test_media_of_a_build_that_fetched_none_are_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive, output = tmp_path / "a.warc.gz", tmp_path / "out"
    archive.write_bytes(b"")
    call = ["build", "--input", str(archive), "--output", str(output), "--media-from", str(tmp_path / "nowhere")]
    code = main([*call, "--engine", "inline"])
    said = capsys.readouterr().err.splitlines()[-1]
    assert (code, said) == (2, f"weft: media.from_build: {tmp_path / 'nowhere'} has fetched nothing")
    assert not (output / "work" / "plan.json").exists()


def test_a_misspelt_choice_is_told_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = told(["export", "out", "--to", "parqet", "-o", "x"], capsys)
    assert code == 2
    assert said.endswith("); the nearest is parquet (weft export --help says more)")


@pytest.mark.parametrize("call", ["export {} --to parquet -o x", "subset {} --where true -o x"])
def test_a_folder_without_a_dataset_is_told_so(call: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(call.format(tmp_path).split(), capsys) == (2, f"weft: {tmp_path}: no dataset of weft")


def test_a_folder_in_place_of_a_config_is_told_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = f"weft: {tmp_path} is a folder; a YAML file or a preset is wanted"
    assert told(["config", str(tmp_path)], capsys) == (2, said)


@pytest.mark.parametrize("below", ["", "/x"])
@pytest.mark.parametrize("command", ["build --engine inline --input {} --output", "crawl http://a.example/ --output"])
def test_a_file_in_place_of_the_output_is_told_so(
    command: str, below: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "some.file"
    file.write_bytes(b"mine")
    assert main([*command.format(file).split(), f"{file}{below}"]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"weft: {file} is a file, not a folder"
    assert file.read_bytes() == b"mine"


def test_an_error_of_our_own_is_none_of_the_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    from jobs.commands import inspect

    def broken(arguments: object) -> int:
        raise ModuleNotFoundError("No module named 'jobs.nowhere'", name="jobs.nowhere")

    monkeypatch.setattr(inspect, "run", broken)
    with pytest.raises(ModuleNotFoundError):
        main(["inspect", "x"])


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["-o", "b", "--set", "seed"], "--set takes PATH=VALUE, for example text.gopher.min_words=20, not 'seed'"),
        (["-o", ""], "an empty address names no folder; the one you are in is ."),
        (
            ["-o", "b", "--set", "url.blocked_words=nopath"],
            "url.blocked_words: cannot read nopath: No such file or directory",
        ),
        (
            ["-o", "b", "--set", "text.repetition.top_ngrams={0: 0.1}"],
            "text.repetition: n-grams are of 1 to 100 words, not of 0",
        ),
        (
            ["-o", "b", "--set", "consent.honour=[rsl, foo]"],
            "consent: honour cannot be 'foo'; it is of content-usage, ",
        ),
        (["-o", "b", "--dry-run", "--deny", "nope.txt"], "cannot read nope.txt: "),
    ],
)
def test_what_a_build_cannot_mean_is_told_before_it_begins(
    more: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["build", "--input", "a.warc.gz", "--engine", "inline", *more]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"weft: {said}")
    assert not list(tmp_path.iterdir())
