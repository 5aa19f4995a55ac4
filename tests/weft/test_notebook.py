"""The notebook among the examples runs from top to bottom, and shows what it says."""

import os
from pathlib import Path

import nbclient
import nbformat
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "examples/look_at_a_dataset.ipynb"


def test_the_notebook_runs_and_shows_pictures_tables_and_verdicts(
    looked_at: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEFT_DATASET", str(looked_at))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    for name in ("IPYTHONDIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [
        output.data
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type in ("execute_result", "display_data")
    ]
    html = [data["text/html"] for data in shown if "text/html" in data]
    assert sum('class="weft-card"' in text for text in html) == 2  # the dataset, and a view of it
    assert sum("data:image/jpeg;base64," in text for text in html) == 5  # these, a page, a pair, a clip
    assert sum("<table" in text for text in html) == 3  # statistics, reasons, rows of drops
    assert sum('class="weft-mark' in text for text in html) == 1
    assert any("image/png" in data for data in shown)  # a picture, as Pillow shows it


def test_the_notebook_is_stored_without_what_it_shows() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert [cell.outputs for cell in notebook.cells if cell.cell_type == "code" and cell.outputs] == []
