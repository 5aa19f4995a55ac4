"""What is no state of a loader is told so."""

from pathlib import Path
from typing import Any

import pytest

from model.data.config import DatasetSettings, LoaderConfig, OrderSettings
from model.data.loader import Loader, LoaderError
from tests.model.makers import page, some_tokens, write_dataset


@pytest.mark.parametrize("given", [{}, {"x": 1}, None, [], [{}], "s", 5])
def test_what_is_no_state_is_the_error_of_a_loader(tmp_path: Path, given: Any) -> None:
    write_dataset(tmp_path, [page(number) for number in range(4)])
    config = LoaderConfig(datasets=(DatasetSettings("pages", str(tmp_path)),), order=OrderSettings(lanes=2))
    with pytest.raises(LoaderError, match="this is no state of a loader"):
        Loader(config, some_tokens()).load_state_dict(given)
