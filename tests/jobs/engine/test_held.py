"""One at a time in a folder; see tests/jobs/test_refused_calls.py for builds."""

from pathlib import Path

import pytest

from jobs.engine.held import held
from schemas.settings import SettingsError
from schemas.storage import Store


def test_a_folder_is_held_by_one(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "out"))
    with held(store), pytest.raises(SettingsError, match="another training is at work in"), held(store, "training"):
        pass
    with held(store):  # which has ended
        (tmp_path / "out").rmdir()


def test_nothing_is_made_for_an_object_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with held(Store("memory://held/out")), held(Store("memory://held/out")):
        assert not list(tmp_path.iterdir())
