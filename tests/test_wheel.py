"""What is shipped: the wheel, in a venv that has nothing else of weft, and the image that deploy/Dockerfile makes."""

import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
WHEEL = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}  # above all no PYTHONPATH


def built(tree: Path, into: Path) -> Path:
    """The wheel of a source tree, as pip would build it."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(into)]
    subprocess.run(command, check=True, cwd=tree, env=ENVIRONMENT, capture_output=True, timeout=120)
    return next(into.glob("*.whl"))


def members(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as file:
        return {name for name in file.namelist() if ".dist-info/" not in name}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:
    """The `bin` of a venv with the wheel; other packages are this environment's, weft is not among them.

    A folder that a .pth file names has its own .pth files left alone, and those are what an editable install is.
    """
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False)
    python = folder / "bin/python"
    command = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        str(wheel),
    ]
    subprocess.run(command, check=True, cwd=folder, env=ENVIRONMENT, capture_output=True, timeout=120)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    return python.parent


def test_the_wheel_holds_every_file_of_its_packages(wheel: Path) -> None:
    """Templates, word lists, models and `py.typed` too."""
    there = {
        str(path.relative_to(ROOT))
        for package in WHEEL["packages"]
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    configs = {f"jobs/configs/{path.name}" for path in (ROOT / "configs").iterdir()}
    assert members(wheel) == there | configs
    assert {Path(name).suffix for name in there} >= {".html", ".css", ".json", ".txt", ".typed"}


def test_the_image_has_all_that_its_wheel_needs(wheel: Path, tmp_path: Path) -> None:
    """What the Dockerfile copies, and nothing else, builds to the same wheel; .dockerignore holds none of it back."""
    steps = re.sub(r"\\\n", " ", (ROOT / "deploy/Dockerfile").read_text("utf-8")).splitlines()
    ignored = (ROOT / ".dockerignore").read_text("utf-8").split()
    tree = tmp_path / "tree"
    for *sources, target in (step.split()[1:] for step in steps if step.startswith("COPY ")):
        for name in sources:
            assert not any(Path(name).match(pattern) for pattern in ignored), name
            to = tree / target / name if len(sources) > 1 or (ROOT / name).is_file() else tree / target
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, to, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, to)
    assert members(built(tree, tmp_path / "dist")) == members(wheel)


@pytest.mark.skipif(find_spec("skimage") is None, reason="no photographs for the example site: make test installs them")
def test_the_wheel_runs_where_there_is_no_source_tree(installed: Path, tmp_path: Path) -> None:
    """The way of `make demo`: the example site is crawled, a dataset is built of it, verified and reported."""

    def run(*command: str) -> str:
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env={**ENVIRONMENT, "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    weft = str(installed / "weft")
    packages = ", ".join(WHEEL["packages"])
    places = run(str(installed / "python"), "-c", f"import {packages}\nfor one in ({packages}): print(one.__file__)")
    assert all(place.startswith(str(installed.parent)) for place in places.split()), places

    hosts = 'fetch.connect_to={fieldnotes.example: "ADDRESS", img.fieldnotes.example: "ADDRESS"}'
    crawl = ("crawl", "http://fieldnotes.example/sitemap.xml", "-o", "crawl", "--contact", "test@fieldnotes.example")
    quick = ("--engine", "inline", "--workers", "1", "--set", "pace.delay_s=0.02", "--set", hosts)
    run(str(installed / "python"), str(ROOT / "examples/serve.py"), weft, *crawl, *quick)
    run(weft, "build", "--input", "crawl/warc/*.warc.gz", "--output", "out", "--engine", "inline")
    assert "interleaved" in run(weft, "inspect", "out", "--check")
    run(weft, "report", "out", "--input", "crawl/warc/*.warc.gz")
    assert (tmp_path / "out/report.html").stat().st_size > 10_000
    assert "--review" in run(weft, "view", "--help")
    assert "kinds: [interleaved]" in run(weft, "config", "obelics")
