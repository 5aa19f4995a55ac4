"""What shells are told of commands and options."""

import shutil
import subprocess
from pathlib import Path

import pytest

from jobs.cli import COMMANDS, main

BASH = shutil.which("bash") or ""


@pytest.mark.skipif(not BASH, reason="no bash")
def test_bash_completes_commands_and_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "bash"]) == 0
    (tmp_path / "weft.sh").write_text(capsys.readouterr().out)

    def completed(*words: str) -> list[str]:
        line = " ".join(f"'{word}'" for word in words)
        script = (
            f"source {tmp_path}/weft.sh; of=$(complete -p weft | sed 's/.*-F \\([^ ]*\\).*/\\1/'); "
            f"COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; $of weft '{words[-1]}' weft; echo ${{COMPREPLY[@]}}"
        )
        done = subprocess.run([BASH, "-c", script], capture_output=True, text=True, check=True)
        return done.stdout.split()

    assert set(completed("weft", "")) >= set(COMMANDS)
    assert completed("weft", "vi") == ["view"]
    assert completed("weft", "view", "--rev") == ["--review"]
    assert completed("weft", "query", "--cs") == ["--csv"]
    assert completed("weft", "crawl", "--engine", "i") == ["inline"]


@pytest.mark.parametrize("shell", ["zsh", "fish", "tcsh"])
def test_other_shells_have_theirs(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(name in script for name in COMMANDS)
