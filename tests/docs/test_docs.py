"""The documentation says what the code does: settings, drop reasons and links are compared."""

import hashlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from crawlers.crawl_config import CrawlConfig
from jobs.config import BuildConfig, load_config, presets
from model.data.config import DatasetSettings, LoaderConfig
from model.evaluation.config import EvaluateConfig
from model.evaluation.tasks import ItemSource, TaskSettings
from model.network.config import FlamingoConfig, LoraSettings
from model.network.generate import GenerateSettings
from model.training.config import ShapeSettings, TextModelSettings, TrainConfig
from schemas import pairs
from schemas.documents import Sample
from schemas.drops import KINDS
from schemas.kinds import CLIPS, INTERLEAVED, PAIRS
from schemas.reasons import REASONS
from schemas.videos import ClipSample

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
PRESETS = ("default", "flamingo", "obelics", "align", "ltip", "datacomp", "laion", "list")


def settings_of(record: msgspec.Struct, path: str = "") -> Iterator[tuple[str, str]]:
    """Path and value of every setting, values as YAML on one line."""
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if isinstance(value, msgspec.Struct):
            yield from settings_of(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", as_yaml(msgspec.to_builtins(value))


def as_yaml(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("...\n").strip()


def tables(page: str) -> Iterator[list[list[str]]]:
    """The tables of a page, or of all that a pattern names: rows of cells without backticks, the heading first."""
    text = "\n".join(path.read_text("utf-8") for path in sorted(DOCS.glob(page)))
    for block in re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE):
        rows = [[cell.strip().strip("`") for cell in line.strip("| ").split(" | ")] for line in block.splitlines()]
        yield [rows[0], *rows[2:]]


def test_what_was_left_out_is_called_dropped_wherever_people_read_of_it() -> None:
    """One word for it, that of the field, of the codes and of the files."""
    read = [
        *PAGES,
        ROOT / "CHANGELOG.md",
        *(ROOT / "jobs").glob("*/templates/*.html"),
        *(ROOT / "jobs").glob("c*/*.py"),
    ]
    assert len(read) > 40
    assert [
        path.name for path in read if re.search(r"\blet(s|ting)? (it |them )?go\b", path.read_text("utf-8"), re.I)
    ] == []


def test_the_licence_is_the_whole_of_apache_2_and_the_one_that_the_package_states() -> None:
    """Byte for byte https://www.apache.org/licenses/LICENSE-2.0.txt."""
    text = (ROOT / "LICENSE").read_bytes()
    assert hashlib.sha256(text).hexdigest() == "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (project["license"], project["license-files"]) == ("Apache-2.0", ["LICENSE"])


def test_what_contributing_says_can_be_done() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    modules = re.findall(r"-m (benchmarks\.\w+)", page)
    paths = re.findall(r"(?:tests|pipeline|model|jobs|crawlers|schemas|benchmarks)/[\w/.]*\w", page)
    assert set(re.findall(r"make ([a-z-]+)", page)) <= targets
    assert modules
    assert all((ROOT / f"{name.replace('.', '/')}.py").exists() for name in modules)
    assert [path for path in paths if not (ROOT / path.removesuffix("/NAME")).exists()] == []
    assert len(page.splitlines()) <= 70  # one page


def test_the_glossary_is_in_order_and_has_the_words_of_the_code() -> None:
    page = (DOCS / "glossary.md").read_text("utf-8")
    words = re.findall(r"^\*\*(.+?)\.\*\*", page, re.MULTILINE)
    assert words == sorted(words, key=str.lower)
    ours = "attempt|candidate|captioner|check|conditioning|draft|funnel|gate|kind|lane|media span|own step|page|recipe"
    assert {*ours.split("|"), "room", "scorer", "slice", "step", "tally"} <= {*words}


def test_the_glossary_names_every_phase_that_is_counted() -> None:
    page = (DOCS / "glossary.md").read_text("utf-8")
    named = re.findall(r"\*([a-zN-]+)\*|`(remove|subset)`", page.partition("**phase.**")[2].partition("\n\n")[0])
    (counted,) = (row[1] for heading, *rows in tables("format.md") for row in rows if row[0] == "phases")
    phases = re.findall(r"`([a-z-]+)`", counted.partition("what was `seen`")[0])
    assert len(phases) > 12
    assert {*phases} <= {one or other for one, other in named}


def test_every_setting_is_documented_with_its_default() -> None:
    stated = {
        row[0]: row[2]
        for heading, *rows in tables("settings*.md")
        if heading[:3] == ["path", "type", "default"]
        for row in rows
    }
    assert stated == dict(settings_of(BuildConfig()))


def test_every_setting_of_a_crawl_is_documented_with_its_default() -> None:
    stated = {row[0]: row[2] for heading, *rows in tables("settings*.md") if heading[0] == "crawl path" for row in rows}
    assert stated == dict(settings_of(CrawlConfig()))


def test_every_setting_of_the_loader_is_documented_with_its_default() -> None:
    stated = {
        row[0]: row[2] for heading, *rows in tables("settings*.md") if heading[0] == "loader path" for row in rows
    }
    known = dict(settings_of(LoaderConfig()))
    del known["datasets"]
    of_dataset = dict(settings_of(DatasetSettings(name="", shards="")))
    known |= {f"datasets[].{name}": value for name, value in of_dataset.items()}
    known |= {"datasets[].name": "required", "datasets[].shards": "required"}
    assert stated == known


@pytest.mark.parametrize(
    ("heading", "record"),
    [("network", FlamingoConfig()), ("adapters", LoraSettings()), ("generation", GenerateSettings())],
)
def test_every_setting_of_the_network_is_documented_with_its_default(heading: str, record: msgspec.Struct) -> None:
    stated = {
        row[0]: row[2] for first, *rows in tables("settings*.md") if first[0] == f"{heading} path" for row in rows
    }
    assert stated == dict(settings_of(record))


def stated_settings(heading: str) -> dict[str, str]:
    return {row[0]: row[2] for first, *rows in tables("settings*.md") if first[0] == heading for row in rows}


def settings_under(prefix: str, record: msgspec.Struct, required: tuple[str, ...] = ()) -> dict[str, str]:
    return {f"{prefix}{path}": "required" if path in required else value for path, value in settings_of(record)}


def test_every_setting_of_training_is_documented_with_its_default() -> None:
    elsewhere = ("model.", "data.", "held_out.datasets", "shapes", "text_model")
    known = {
        path: value
        for path, value in settings_under("", TrainConfig(output=""), ("output",)).items()
        if not path.startswith(elsewhere)
    }
    known |= settings_under("shapes.", ShapeSettings(folder=""), ("folder",))
    known |= settings_under("text_model.", TextModelSettings(folder=""), ("folder",))
    assert stated_settings("train path") == known


def test_every_setting_of_evaluation_is_documented_with_its_default() -> None:
    task = TaskSettings(name="", query=ItemSource(path=""), support=ItemSource(path=""))
    known = settings_under("", EvaluateConfig())
    del known["tasks"]
    known |= settings_under("tasks[].", task, ("name", "query.path", "support.path"))
    assert stated_settings("evaluate path") == known


def test_the_table_of_presets_shows_where_they_differ() -> None:
    assert set(presets()) == set(PRESETS)
    stated = {
        row[0]: row[1:] for heading, *rows in tables("settings*.md") if heading == ["path", *PRESETS] for row in rows
    }
    values = [dict(settings_of(load_config(name, []))) for name in PRESETS]
    paths = [path for path in values[0] if len({preset[path] for preset in values}) > 1]
    assert stated == {path: [preset[path] for preset in values] for path in paths}


def test_every_drop_reason_is_documented_and_no_other() -> None:
    codes = {row[0] for heading, *rows in tables("drop-reasons.md") if heading[0] == "code" for row in rows}
    assert codes == set(REASONS)


def test_drop_reasons_have_a_table_for_each_kind() -> None:
    headings = re.findall(r"^## (\w+)s$", (DOCS / "drop-reasons.md").read_text("utf-8"), re.MULTILINE)
    assert [heading.lower() for heading in headings] == list(KINDS)


def test_settings_named_beside_drop_reasons_exist() -> None:
    known = [path for config in (BuildConfig(), CrawlConfig(), LoaderConfig()) for path, _ in settings_of(config)]
    for heading, *rows in tables("drop-reasons.md"):
        if heading[0] == "code":
            for name in (name for row in rows for name in re.findall(r"[a-z_]+(?:\.[a-z_]+)+(?:\.\*)?", row[2])):
                assert any(path == name or (name[-1] == "*" and path.startswith(name[:-1])) for path in known), name


def test_the_fields_of_the_document_and_the_columns_of_the_index_are_documented() -> None:
    fields, columns = (
        next([row[0] for row in rows] for heading, *rows in tables("format.md") if heading[0] == name)
        for name in ("field", "column")
    )
    assert fields == list(Sample.__struct_fields__)
    of_samples = [name for name in columns if not name.startswith("members.")]
    assert of_samples == ["key", "offset", "size", "members", *INTERLEAVED.columns]


def test_the_fields_and_columns_of_pairs_are_documented() -> None:
    stated = {heading[0]: [row[0] for row in rows] for heading, *rows in tables("format.md")}
    assert stated["pair field"] == list(pairs.Pair.__struct_fields__)
    assert stated["pair column"] == list(PAIRS.columns)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8"))
    relative = [link.partition("#")[0] for link in links if "://" not in link and not link.startswith(("#", "mailto:"))]
    assert [link for link in relative if not (page.parent / link).exists()] == []


def test_the_fields_and_columns_of_clips_are_documented() -> None:
    page = (DOCS / "clips.md").read_text("utf-8")
    fields = [
        name
        for line in page.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`(\w+)`", line.split(" | ")[0])
    ]
    assert fields == list(ClipSample.__struct_fields__)
    stated = page[page.index("The index has") :].partition(".\n")[0]
    assert re.findall(r"`(\w+)`", stated) == ["key", "offset", "size", "members", *CLIPS.columns]


def test_the_table_of_packages_has_the_tests_that_there_are_and_the_versions_that_are_pinned() -> None:
    marked = re.compile(r'^@pytest\.mark\.opens\("([^"]+)", "([^"]+)"\)$', re.MULTILINE)
    sources = [path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py")]
    tests = sorted(found for source in sources for found in marked.findall(source))
    (rows,) = [rows for heading, *rows in tables("format.md") if heading[0] == "package"]
    assert [(name, what) for name, _, what, _ in rows] == tests
    pinned = "".join((ROOT / name).read_text("utf-8") for name in ("constraints.txt", "constraints-img2dataset.txt"))
    assert [name for name, version, *_ in rows if f"{name}=={version}" not in pinned] == []


def test_every_test_that_a_page_names_is_there() -> None:
    files = list((ROOT / "tests").rglob("test_*.py"))
    there = {name for file in files for name in re.findall(r"def (test_\w+)", file.read_text("utf-8"))}
    named = {name for page in PAGES for name in re.findall(r"`(test_[a-z0-9_]+)`", page.read_text("utf-8"))}
    assert named <= there
