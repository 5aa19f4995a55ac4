import contextlib
import importlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jobs.build import build
from jobs.cli import COMMANDS, main
from jobs.engine.engine import EngineSettings
from tests.jobs.looked_at import archive_of
from tests.jobs.test_build import SMALL


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory, site: list[Path]) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "out"
    build(str(folder), [str(path) for path in site], SMALL, EngineSettings(engine="inline"))
    return folder


@pytest.fixture
def copy(dataset: Path, tmp_path: Path) -> Path:
    import shutil

    return Path(shutil.copytree(dataset, tmp_path / "copy"))


def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    for command in COMMANDS:
        with pytest.raises(SystemExit) as ended:
            main([command, "--help"])
        assert ended.value.code == 0
        assert f"weft {command}" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["inspect", "show"])
def test_looking_imports_neither_ray_nor_torch(dataset: Path, command: str) -> None:
    code = (
        "import sys; from jobs.cli import main; "
        f"code = main([{command!r}, {str(dataset)!r}]); "
        "print([name for name in ('ray', 'torch', 'selectolax') if name in sys.modules], code, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[] 0"


def test_what_a_build_needs_only_for_the_web_is_not_imported_before() -> None:
    code = "import sys, jobs.build; print([name for name in ('ray', 'torch', 'aiohttp') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_inspect_tells_totals_distributions_and_reasons(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(dataset), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["finished"] is True
    assert report["kinds"]["interleaved"]["samples"] == 24
    assert report["kinds"]["interleaved"]["images_per_document"] == {"2": 24}
    assert report["kinds"]["interleaved"]["languages"] == {"en": 24}
    assert report["kinds"]["interleaved"]["domains"] == 5
    assert report["drops"] == {"image": {"not_captured": 6}, "page": {"few_words": 4}}
    assert main(["inspect", str(dataset)]) == 0
    table = capsys.readouterr().out
    assert "24 samples, 48 images" in table
    assert "not_captured" in table


def test_inspect_tells_what_is_committed_of_an_unfinished_build(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copy / "dataset.json").unlink()
    assert main(["inspect", str(copy), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["finished"] is False
    assert report["drops"]["image"] == {"not_captured": 6}


def test_check_passes_on_a_sound_dataset(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(dataset), "--check"]) == 0
    assert "as committed" in capsys.readouterr().out


def find_member(copy: Path, suffix: str) -> tuple[Path, dict]:
    """A tar, and the index entry of its first member whose name ends so."""
    import pyarrow.parquet as pq

    tar = sorted((copy / "interleaved/shards").glob("*.tar"))[0]
    for row in pq.read_table(tar.with_suffix(".parquet")).to_pylist():
        for member in row["members"]:
            if member["name"].endswith(suffix):
                return tar, member
    raise AssertionError(f"no member ends in {suffix}")


@pytest.mark.parametrize("suffix", [".json", ".1.jpg"])
def test_check_names_shard_key_and_member_of_a_flipped_byte(
    copy: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    tar, member = find_member(copy, suffix)
    data = bytearray(tar.read_bytes())
    data[member["offset"] + member["size"] // 2] ^= 1
    tar.write_bytes(data)
    assert main(["inspect", str(copy), "--check"]) == 1
    errors = capsys.readouterr().err
    assert f"interleaved/{tar.stem}: {member['name'].split('.')[0]}: {member['name']}" in errors


def test_check_finds_a_missing_shard_a_stray_tar_and_a_wrong_total(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shards = copy / "interleaved/shards"
    first = sorted(shards.glob("*.tar"))[0]
    first.rename(shards / "999999-000.tar")
    stated = json.loads((copy / "dataset.json").read_text())
    stated["kinds"]["interleaved"]["samples"] += 1
    (copy / "dataset.json").write_text(json.dumps(stated))
    assert main(["inspect", str(copy), "--check"]) == 1
    errors = capsys.readouterr().err
    assert f"{first.name} is missing" in errors
    assert "999999-000.tar: no commit mark names it" in errors
    assert "dataset.json: states" in errors


def test_check_survives_a_truncated_tar_and_a_broken_index(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = sorted((copy / "interleaved/shards").glob("*.tar"))[:2]
    first.write_bytes(first.read_bytes()[:1000])
    second.with_suffix(".parquet").write_bytes(b"PAR1")
    assert main(["inspect", str(copy), "--check"]) == 1
    errors = capsys.readouterr().err
    assert "not a sound tar" in errors
    assert second.with_suffix(".parquet").name in errors


def test_show_prints_text_and_images_in_place_and_writes_them_out(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = "https://site2.example/page7.html"
    assert main(["show", str(dataset), url, "--images", str(tmp_path / "images")]) == 0
    out = capsys.readouterr().out
    assert out.index("Article 7") < out.index("picture 0") < out.index("picture 1") < out.rindex("The ")
    assert len(list((tmp_path / "images").iterdir())) == 2


def test_show_draws_images_as_coloured_blocks(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(dataset), "--draw", "always"]) == 0
    assert "▀" in capsys.readouterr().out


@pytest.mark.parametrize(("wish", "is_drawn"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_pictures_are_drawn_on_a_terminal_that_has_colours(dataset: Path, wish: dict[str, str], is_drawn: bool) -> None:
    ours, theirs = os.openpty()
    plain = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "COLORTERM")}
    command = [sys.executable, "-m", "jobs.cli", "show", str(dataset)]
    with subprocess.Popen(command, stdout=theirs, env={**plain, "TERM": "xterm-256color", **wish}):
        os.close(theirs)
        said = b""
        with contextlib.suppress(OSError):  # the end of a terminal
            while data := os.read(ours, 1 << 16):
                said += data
    os.close(ours)
    assert b"Article" in said
    assert ("▀".encode() in said) is is_drawn


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["inspect", "/nowhere"], 2, "no dataset of weft"),
        (["build", "nopreset", "--input", "x", "--output", "/tmp/never"], 2, "no such config file or preset: nopreset"),
        (["build", "--input", "/no/such.warc", "--output", "/tmp/never"], 2, "no such archive: /no/such.warc"),
        (["build", "--output", "/tmp/never"], 2, "no input given"),
        (["build", "--input", "x", "--output", "/tmp/never", "--set", "image.min_side=3"], 2, "image.min_side; the"),
        (
            ["build", "--input", "x", "--output", "/tmp/never", "--set", "seed=abc"],
            2,
            "seed: a whole number is wanted, not a text",
        ),
        (
            ["build", "--input", "x", "--output", "/tmp/never", "--set", "text.gopher.min_wrds=3"],
            2,
            "the nearest is text.gopher.min_words",
        ),
        (["build", "--input", "x", "--output", "/tmp/never", "--set", "min_side_px=-1"], 2, "image.min_side_px"),
        (["inspect", "CRAWL"], 2, "a crawl: weft build --input 'CRAWL/warc/*.warc.gz' makes a dataset of it"),
        (["show", "DATASET", "--images", "/dev/null"], 2, "no images can be written to /dev/null: File exists"),
        (["show", "DATASET", "--kind", "clips"], 1, "no sample at all of kind clips; it holds interleaved"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    (tmp_path / "warc").mkdir()
    stands_for = {"DATASET": str(dataset), "CRAWL": str(tmp_path)}
    assert main([stands_for.get(argument, argument) for argument in arguments]) == code
    assert message.replace("CRAWL", str(tmp_path)) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["build", "--input", "x", "--output", "y", "--workers", "0"], "1 or more is wanted, not '0'"),
        (["build", "--input", "x", "--output", "y", "--slow-factor", "nan"], "0 or more is wanted, not 'nan'"),
        (["crawl", "https://a.example/", "-o", "y", "--max-pages", "-4"], "1 or more is wanted, not '-4'"),
        (["view", "x", "--port", "99999"], "a port from 0 to 65535 is wanted, not '99999'"),
    ],
)
def test_a_number_that_cannot_be_meant_is_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("data", [b"", b"# A readme\n"])
def test_a_build_that_makes_nothing_fails_and_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: bytes
) -> None:
    (tmp_path / "a.warc").write_bytes(data)
    words = ["--input", str(tmp_path / "a.warc"), "--output", str(tmp_path / "out"), "--engine", "inline"]
    assert main(["build", *words]) == 1
    said = capsys.readouterr()
    assert "not_warc 1" in said.out
    assert "no sample was made" in said.err


def test_show_of_an_unknown_key_is_bad_data(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(dataset), "999999000000"]) == 1
    assert "has no sample 999999000000" in capsys.readouterr().err


def test_nobody_else_owns_our_package_names() -> None:
    """Five flat top-level names: a package of the environment by one of them would shadow ours."""
    from importlib.metadata import packages_distributions

    owners = packages_distributions()
    for name in ("schemas", "crawlers", "pipeline", "model", "jobs"):
        assert set(owners.get(name, ["weft"])) == {"weft"}


def run_into(out: str, *arguments: str, **environment: str) -> tuple[int, str]:
    """Exit code and stderr of a command whose output goes into a shell's redirection or pipe."""
    call = shlex.join([sys.executable, "-m", "jobs.cli", *arguments])
    done = subprocess.run(
        ["bash", "-c", f"{call} {out}; exit ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("command", ["inspect", "show", "query"])
def test_a_reader_that_has_seen_enough_is_no_error(looked_at: Path, command: str) -> None:
    more = ["select * from drops, range(9000)", "--limit", "9000"] if command == "query" else []
    assert run_into("| head -c 1", command, str(looked_at), *more) == (0, "")


@pytest.mark.parametrize("call", ["config obelics", "inspect {}", "completion bash", "query {} --csv"])
def test_output_that_a_full_disk_does_not_take_is_told_in_one_line(looked_at: Path, call: str) -> None:
    words = [*call.format(looked_at).split(), *(["select 1"] if "query" in call else [])]
    code, said = run_into("> /dev/full", *words)
    assert code == 1
    assert "No space left on device" in said
    assert said.count("\n") == 1


def test_a_terminal_that_has_not_all_letters_shows_the_rest(looked_at: Path) -> None:
    assert run_into("> /dev/null", "inspect", str(looked_at), PYTHONIOENCODING="ascii") == (0, "")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (["query", "x", "SELECT 1"], "interrupted\n"),
        (["subset", "x", "-o", "y"], "interrupted; what is committed stays"),
    ],
)
def test_interrupted_while_libraries_load_it_ends_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], call: list[str], said: str
) -> None:
    def interrupted(name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib, "import_module", interrupted)
    assert main(call) == 130
    error = capsys.readouterr().err
    assert error.startswith(said)
    assert error.count("\n") == 1


def test_terminated_it_ends_in_one_line_and_what_it_started_is_ended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = []

    def work(name: str) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)  # somebody is impatient
            ended.append(name)

    monkeypatch.setattr(importlib, "import_module", work)
    assert main(["build", "--input", "x", "-o", "y"]) == 143
    assert capsys.readouterr().err == "terminated; what is committed stays, the same command goes on\n"
    assert len(ended) == 1
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_who_calls_from_a_program_has_the_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    got: list[int] = []

    def work(name: str) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, lambda number, frame: got.append(number))
    monkeypatch.setattr(importlib, "import_module", work)
    assert main(["build", "--input", "x", "-o", "y"]) == 130
    assert got == [signal.SIGTERM]
    signal.signal(signal.SIGTERM, before)


def test_terminated_while_ray_starts_it_ends_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib, "import_module", lambda name: sys.exit(signal.SIGTERM))  # as Ray's handler does
    assert main(["build", "--input", "x", "-o", "y"]) == 143
    assert capsys.readouterr().err == "terminated; what is committed stays, the same command goes on\n"


def test_work_goes_on_where_nobody_reads_of_its_progress(looked_at: Path, tmp_path: Path) -> None:
    archive, out = archive_of(looked_at), tmp_path / "out"
    run_into("2>&1 | head -c 1", "build", "--input", archive, "--output", str(out), "--engine", "inline")
    assert (out / "dataset.json").exists()
