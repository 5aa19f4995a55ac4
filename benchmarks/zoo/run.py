"""Items of a class are made, judged in a child process, counted, and what breaks a promise is kept."""

import hashlib
import random
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from benchmarks.zoo.canary import Canary, canary
from benchmarks.zoo.classes import CLASSES
from benchmarks.zoo.minimise import minimise
from benchmarks.zoo.species import Species, judged, slug
from jobs.engine.isolation import Isolated, IsolationSettings
from schemas.drops import CODE_ERRORS, Drop

_MINIMISE_S = 60.0
_SMALL = 200  # bytes
_KEPT_OF_A_KIND = 2


class Outcome:
    """What became of the items of a class: `ended` by what they ended as, `findings` by kind."""

    def __init__(self, name: str) -> None:
        self.name, self.tried, self.slowest_s = name, 0, 0.0
        self.ended: Counter[str] = Counter()
        self.findings: Counter[str] = Counter()

    def __str__(self) -> str:
        found = ", ".join(f"{kind} {count}" for kind, count in self.findings.most_common()) or "none"
        ended = ", ".join(f"{kind} {count}" for kind, count in self.ended.most_common(6))
        head = f"{self.name:10} tried {self.tried:7,}, slowest {self.slowest_s:5.2f} s, findings: {found}"
        return f"{head}\n{'':10} {ended}"


class Keeper:
    """Writes findings to a folder, each made small, a few of a kind; None keeps nothing."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._kept: Counter[tuple[str, str]] = Counter()

    def keep(self, species: Species, finding: str, data: bytes, judge: "ItemJudge") -> None:
        kind = (species.name, slug(finding))
        self._kept[kind] += 1
        if self._folder is None or self._kept[kind] > _KEPT_OF_A_KIND:
            return
        small = data
        if len(data) > _SMALL:
            small = minimise(data, lambda shorter: slug(judge(species, shorter)) == kind[1], _MINIMISE_S)
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{species.name}-{kind[1]}-{hashlib.sha256(small).hexdigest()[:6]}.bin"
        path.write_bytes(small)
        with (self._folder / "replay.txt").open("a") as file:
            file.write(f"python -m benchmarks.zoo --replay {path}  # {finding}, {len(data)} bytes made {len(small)}\n")


class ItemJudge:
    """Judges items; "" for what is fine, else the finding. A context manager that ends its child."""

    def __init__(self, bird: Canary, limit_s: float) -> None:
        self._isolated, self._bird = Isolated(judged, IsolationSettings(timeout_s=limit_s)), bird
        self.ended = ""  # what became of the last item

    def __call__(self, species: Species, data: bytes) -> str:
        self._bird.touched()
        try:
            answer = self._isolated((species.name, data))
        except Drop as drop:  # the child died, hung, or grew
            answer = drop.reason if drop.reason == "timeout" else f"{drop.reason} {drop.detail}"
        except CODE_ERRORS as error:
            answer = f"{type(error).__name__} of the zoo itself: {error}"
        if self._bird.touched():
            return "a private server was reached"
        self.ended = answer.removeprefix("ok: ") if answer.startswith("ok: ") else ""
        return "" if answer.startswith("ok: ") else answer

    def __enter__(self) -> "ItemJudge":
        self._isolated.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._isolated.close()


def item(species: Species, seed: int, number: int) -> bytes:
    return species.make(random.Random(f"{species.name} {seed} {number}"))


def judged_items(
    species: Species, seed: int, seconds: float, scratch: Path, keeper: Keeper, most: int = 1 << 60
) -> Outcome:
    """Judge items for so long, or so many."""
    outcome, end = Outcome(species.name), time.monotonic() + seconds
    with ExitStack() as stack:
        bird = stack.enter_context(canary(scratch))
        judge = stack.enter_context(ItemJudge(bird, species.limit_s))
        judge(species, item(species, seed, -1))  # what is imported and made once counts towards no item
        while time.monotonic() < end and outcome.tried < most:
            data = item(species, seed, outcome.tried)
            started = time.monotonic()
            finding = judge(species, data)
            outcome.slowest_s = max(outcome.slowest_s, time.monotonic() - started)
            outcome.tried += 1
            if finding:
                outcome.findings[slug(finding)] += 1
                keeper.keep(species, finding, data, judge)
            else:
                outcome.ended[judge.ended] += 1
    return outcome


def replay(path: Path) -> str:
    """Judge a kept file again; its name begins with its class. "" if it is fine now."""
    species = CLASSES[path.name.partition("-")[0]]
    with (
        tempfile.TemporaryDirectory() as scratch,
        canary(Path(scratch)) as bird,
        ItemJudge(bird, species.limit_s) as judge,
    ):
        return judge(species, path.read_bytes())
