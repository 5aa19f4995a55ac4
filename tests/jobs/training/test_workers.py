"""Who makes the rows of a run."""

from typing import Any

import pytest

from jobs.training.workers import workers_of
from model.data.config import LoaderConfig, ReadSettings
from model.data.processes import Processes


@pytest.mark.parametrize(
    ("said", "device", "expected"),
    [
        ("auto", "cuda", Processes),
        ("auto", "cpu", None),
        ("threads", "cuda", None),
        ("processes", "cuda", None),  # the loader's own
    ],
)
def test_beside_a_gpu_rows_are_made_by_processes_unless_something_else_is_said(
    said: Any, device: str, expected: Any
) -> None:
    assert workers_of(LoaderConfig(tokenizer="", datasets=(), read=ReadSettings(workers_are=said)), device) is expected
