"""Crawls give their archives the same names: which of them a revisit record means."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from jobs.phases.referred import Referred

NAME = "weft-000-000000.warc.gz"


def of(inputs: list[str], added_before: list[str] = []) -> Referred:  # noqa: B006
    onto = SimpleNamespace(archives=added_before)
    plan: Any = SimpleNamespace(inputs=[SimpleNamespace(url=url) for url in inputs], onto=onto)
    return Referred(cast(Any, SimpleNamespace(plan=plan)))


def test_a_name_means_the_archive_in_the_folder_of_its_record() -> None:
    referred = of([f"one/warc/{NAME}", f"two/warc/{NAME}"])
    assert (referred.find(NAME, 0), referred.find(NAME, 1)) == (0, 1)


def test_the_end_of_a_path_tells_archives_of_one_name_apart() -> None:
    referred = of([f"/data/one/warc/{NAME}", f"/data/two/warc/{NAME}", "/data/three/warc/weft-x.warc.gz"])
    assert referred.find(f"one/warc/{NAME}", 2) == 0
    assert referred.find(f"two/warc/{NAME}", 2) == 1
    assert referred.find(f"one/warc/{NAME}", 1) == 0  # though its own folder has one of that name, too
    assert referred.find(NAME, 2) is None  # nobody can tell
    assert referred.find("weft-other.warc.gz", 2) is None


def test_a_folder_may_have_another_name_now() -> None:
    assert of([f"/moved/{NAME}", "/data/two/warc/weft-x.warc.gz"]).find(f"one/warc/{NAME}", 1) == 0


def test_archives_that_were_added_before_count_while_they_are_there(tmp_path: Path) -> None:
    old = tmp_path / "one" / "warc" / NAME
    old.parent.mkdir(parents=True)
    old.touch()
    assert of(["two/warc/weft-x.warc.gz"], [str(old)]).find(f"one/warc/{NAME}", 0) == 1
    old.unlink()
    assert of(["two/warc/weft-x.warc.gz"], [str(old)]).find(f"one/warc/{NAME}", 0) is None
