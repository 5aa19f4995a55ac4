"""Few-shot evaluation: each query with examples in context, and what the model makes of it."""

import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec
import numpy as np

from model.data.images import ImageSettings
from model.evaluation.choice_metrics import CHOICE_METRICS, Floats, Judged, mean_of
from model.evaluation.config import EvaluateConfig
from model.evaluation.feature_store import FeatureStore, encode, encoder_fingerprint
from model.evaluation.items import Item
from model.evaluation.loaded import LoadedModel
from model.evaluation.metrics import METRICS
from model.evaluation.prompts import TEXT_EXAMPLES, Examples, Showing, Shown, answer_text, in_context, query_text
from model.evaluation.similar import ranked
from model.evaluation.spread import ALONE, spread
from model.evaluation.tasks import Task, decide, read_items
from model.evaluation.wups import wups
from model.network.generate import GenerateSettings, Prompt, generate, score
from model.training.parallel import Processes
from schemas.drops import Drop, DropRow, Tally
from schemas.settings import SettingsError

_AT_A_TIME = 16


class Answer(msgspec.Struct, frozen=True):
    """What was said to a query, and its score."""

    key: str
    said: str
    answers: tuple[str, ...]
    score: float


class Score(msgspec.Struct, frozen=True):
    """A task at one number of shots: the score that counts, mostly the mean over queries, and its standard error.

    `dropped` are queries and examples that were left out, by reason; `with_fewer` is how many queries had fewer
    examples than `shots`, where there are no more for them.
    """

    task: str
    metric: str
    shots: int
    score: float
    error: float
    queries: int
    answers: list[Answer]
    dropped: dict[str, dict[str, int]] = {}
    with_fewer: int = 0


OnProgress = Callable[[str, int, int, int], None]
_Answered = tuple[int, str, Floats | None]  # number of the query, what was said, likelihoods of candidates


def evaluate(
    loaded: LoadedModel,
    config: EvaluateConfig,
    on_progress: OnProgress = lambda *args: None,
    processes: Processes = ALONE,
) -> Iterator[Score]:
    """Scores, task by task. `on_progress` gets task, shots, queries done and queries in all. Raises `SettingsError`."""
    if not config.tasks:
        raise SettingsError("tasks: name at least one")
    showing = Showing(_images(loaded, config))
    # What does not read is told before the first task has taken its hours.
    for run in [_TaskRun(loaded, config, decide(settings), showing, processes) for settings in config.tasks]:
        run.prepare()
        for shots in config.shots:
            if not shots or run.task.support is not None:
                yield run.score(shots, on_progress)


class _TaskRun:
    """One task: its items, and which examples a query gets."""

    def __init__(
        self, loaded: LoadedModel, config: EvaluateConfig, task: Task, showing: Showing, processes: Processes
    ) -> None:
        """Reads what is asked, but no picture. Raises `SettingsError`."""
        self._loaded, self._config, self.task, self._showing = loaded, config, task, showing
        self._processes = processes
        self._rows: tuple[list[DropRow], list[DropRow]] = [], []
        self._asked, self._exemplary = (Tally(rows.append) for rows in self._rows)
        self._support = read_items(task.support, self._exemplary, loaded.data.images) if task.support else []
        self._queries = read_items(task.query, self._asked, loaded.data.images)
        self._broken: set[int] = set()  # examples that do not decode, by their place
        self._unseen: set[int] = set()  # queries that do not
        self._last: tuple[Prompt, list[list[int]], list[list[float]]] | None = None
        self._ranked: list[list[int]] | None = None
        self._drawable = Examples(self._support, config.seed)
        if task.metric in CHOICE_METRICS:
            self._check_candidates()

    def prepare(self) -> None:
        """What is done once for all numbers of shots."""
        if self._config.examples == "rices" and self.task.support is not None:
            if self._loaded.is_shared_out:
                raise SettingsError("examples: rices asks the encoder of each process: not with strategy fsdp")
            self._rank()
            self._drawable = Examples(self._support, self._config.seed)

    def score(self, shots: int, on_progress: OnProgress) -> Score:
        task, is_choice = self.task, self.task.metric in CHOICE_METRICS

        def answered(numbers: range) -> list[_Answered]:
            shown = self._shown([numbered[n] for n in numbers])
            if is_choice:
                return [(n, "", self._likelihoods(n, query, shots)) for n, query in shown.items()]
            said = self._said(shown, shots) if shown else []
            return [(n, text, None) for n, text in zip(shown, said, strict=True)]

        def tell(done: int) -> None:
            on_progress(task.name, shots, done, len(numbered))

        together, numbered = self._loaded.is_shared_out, list(range(len(self._queries)))
        if together:  # each part must ask the model as often as any other
            numbered = [n for n in numbered if self._shown([n])]
        # Candidates differ in their numbers: where layers are shared out, all processes judge all of them.
        over = ALONE if together and is_choice else self._processes
        found = spread(len(numbered), _AT_A_TIME, answered, over, tell, together)
        items = [self._queries[n] for n, _, _ in found]
        said = [text for _, text, _ in found]
        likelihoods = [one for _, _, one in found if one is not None]
        candidates = [self._candidates(item) for item in items] if is_choice else []
        self._share_drops()
        if not items:
            raise SettingsError(f"task {task.name}: none of its queries can be decoded")
        if task.metric in CHOICE_METRICS:
            said = [known[int(one.argmax())] for known, one in zip(candidates, likelihoods, strict=True)]
        return self._judged(shots, said, items, likelihoods, candidates)

    def _judged(
        self,
        shots: int,
        said: list[str],
        items: list[Item],
        likelihoods: list[Floats],
        candidates: list[Sequence[str]],
    ) -> Score:
        task = self.task
        try:
            if task.metric in CHOICE_METRICS:
                judged = CHOICE_METRICS[task.metric](likelihoods, items, candidates)
            else:
                judged = _of_text(task, said, items)
        except ValueError as error:
            raise SettingsError(f"task {task.name}: {error}") from None
        answers = [
            Answer(item.key, text, item.answers, value)
            for item, text, value in zip(items, said, judged.scores, strict=True)
        ]
        dropped = {"queries": self._asked, "examples": self._exemplary}
        left_out = {name: found for name, tally in dropped.items() if (found := tally.counts().drops.get("sample"))}
        fewer = sum(self._drawable.count(item) < shots for item in items)
        return Score(task.name, task.metric, shots, judged.score, judged.error, len(items), answers, left_out, fewer)

    def _share_drops(self) -> None:
        """What any process has left out is left out of the task."""
        everywhere = self._processes.gather(self._rows)
        for number, tally in enumerate((self._asked, self._exemplary)):
            known = {row.url for row in self._rows[number]}
            for row in [row for rows in everywhere for row in rows[number]]:
                if row.url not in known:
                    known.add(row.url)
                    tally.drop(row)

    def _shown(self, numbers: Iterable[int]) -> dict[int, Shown]:
        """Queries by number, those left out that do not decode, which is told once."""
        shown = {}
        for n in numbers:
            if n not in self._unseen:
                try:
                    shown[n] = self._showing(self._queries[n])
                except Drop as drop:
                    self._unseen.add(n)
                    self._asked.drop(DropRow(self._queries[n].key, "sample", drop.reason, drop.detail))
        return shown

    def _examples(self, n: int, shots: int) -> list[Shown]:
        """For query number n. One that does not decode is told, and another takes its place."""
        while True:
            chosen = self._chosen(n, shots)
            try:
                return [self._showing(self._support[place]) for place in chosen]
            except Drop:
                for place in chosen:
                    try:
                        self._showing(self._support[place])
                    except Drop as drop:
                        self._broken.add(place)
                        self._drawable.leave_out(place)
                        key = self._support[place].key
                        self._exemplary.drop(DropRow(key, "sample", drop.reason, drop.detail))

    def _chosen(self, n: int, shots: int) -> list[int]:
        if not shots:
            return []
        if self._ranked is not None:
            return [place for place in self._ranked[n] if place not in self._broken][:shots][::-1]
        return self._drawable.drawn(self._queries[n], shots)

    def _rank(self) -> None:
        """The most alike of each query, found once for all numbers of shots, by the first process for all.

        Raises `SettingsError`, in every process.
        """
        found, refused = None, ""
        if self._processes.is_first:
            try:
                found = self._most_alike()
            except SettingsError as error:
                refused = str(error)
        found, refused = self._processes.gather((found, refused))[0]
        if found is None:
            raise SettingsError(refused)
        support, queries, self._ranked = found
        self._support, self._queries = [self._support[n] for n in support], [self._queries[n] for n in queries]

    def _most_alike(self) -> tuple[list[int], list[int], list[list[int]]]:
        """Examples and queries that can be seen, by their places, and for each query places among those examples."""
        loaded, vision = self._loaded, self._loaded.model.vision
        store = FeatureStore(self._config.keep_features, encoder_fingerprint(loaded), vision.dim)
        try:
            support, rows_N = encode(loaded, store, self._support, self._showing, self._exemplary)
            queries, rows_Q = encode(loaded, store, self._queries, self._showing, self._asked)
            if not support or not queries:
                raise SettingsError(f"task {self.task.name}: none of its queries or examples can be decoded")
            most = max(max(self._config.shots), TEXT_EXAMPLES)
            alike = ranked(support, store, rows_N, queries, store[rows_Q], most, loaded.model.device)
        finally:
            store.close()
        return _places(support, self._support), _places(queries, self._queries), alike

    def _said(self, shown: dict[int, Shown], shots: int) -> list[str]:
        task, loaded = self.task, self._loaded
        prompts = [self._prompt(self._examples(n, shots or TEXT_EXAMPLES), query, shots) for n, query in shown.items()]
        settings = GenerateSettings(max_new_tokens=task.max_new_tokens, beams=self._config.beams)
        made = generate(loaded.model, prompts, loaded.stop_ids, settings)
        return [_only_answer(loaded.tokens.decode(ids), task.template) for ids in made]

    def _candidates(self, query: Item) -> Sequence[str]:
        known = query.candidates or self.task.classes
        return known or tuple(sorted({answer for item in self._support for answer in item.answers}))

    def _check_candidates(self) -> None:
        """Raises `SettingsError` where a query has nothing to choose among, or nothing says what is right."""
        metric, least = self.task.metric, 2 if self.task.metric == "roc_auc" else 1
        for item in self._queries:
            known = self._candidates(item)
            if len(known) < least:
                raise SettingsError(
                    f"task {self.task.name}: {metric} needs {least} or more answers to choose among, {item.key} has "
                    f"{len(known)}: name classes, or candidates of the query, or support"
                )
            if metric in ("ndcg", "mwap") and len(item.relevance) != len(known):
                raise SettingsError(
                    f"task {self.task.name}: {metric} needs the relevance of each candidate, as the formats visdial "
                    f"and rareact have it; that of {item.key} is not there"
                )

    def _likelihoods(self, n: int, query: Shown, shots: int) -> Floats:
        """Of each candidate, averaged over orders of the examples. At 0 shots no example (A.2)."""
        task, tokens = self.task, self._loaded.tokens
        before = query_text(task.template, query.item)
        texts = [tokens.encode_after(before, answer_text(task.template, name)) for name in self._candidates(query.item)]
        totals = np.zeros(len(texts))
        for order in _orders(self._examples(n, shots), task.permutations, f"{self._config.seed}/{n}"):
            for place, of_tokens in enumerate(self._scored(self._prompt(order, query, shots), texts)):
                totals[place] += float(np.mean(of_tokens) if task.mean_likelihood else np.sum(of_tokens))
        return totals / task.permutations

    def _scored(self, prompt: Prompt, texts: list[list[int]]) -> list[list[float]]:
        """What is asked twice running, as of a part of a video that was judged for many actions, is reckoned once."""
        if self._last is not None and not self._loaded.is_shared_out:
            before, same_texts, found = self._last
            same_media = len(before.media) == len(prompt.media) and all(
                map(lambda a, b: a is b, before.media, prompt.media)
            )
            if same_media and before.tokens == prompt.tokens and same_texts == texts:
                return found
        found = score(self._loaded.model, prompt, texts)
        self._last = prompt, texts, found
        return found

    def _prompt(self, examples: list[Shown], query: Shown, shots: int) -> Prompt:
        return in_context(examples, query, self.task.template, self._loaded.tokens, with_media=shots > 0)


def _images(loaded: LoadedModel, config: EvaluateConfig) -> ImageSettings:
    images = loaded.data.images
    frames, fps = config.clip_frames, config.clip_fps
    return msgspec.structs.replace(images, clip_frames=frames or images.clip_frames, clip_fps=fps or images.clip_fps)


def _places(kept: Sequence[Item], items: Sequence[Item]) -> list[int]:
    of = {id(item): place for place, item in enumerate(items)}
    return [of[id(item)] for item in kept]


def _of_text(task: Task, said: list[str], items: list[Item]) -> Judged:
    good = [item.answers for item in items]
    if task.metric == "wups":
        return mean_of(wups(said, good, [item.type for item in items]))
    return mean_of(METRICS[task.metric](said, good))


def _only_answer(text: str, template: str) -> str:
    """Without what the template says after the answer."""
    after = template.partition("{answer}")[2].strip()
    return (text.partition(after)[0] if after else text).strip()


def _orders(examples: list[Shown], count: int, seed: str) -> Iterator[list[Shown]]:
    """The order given, then others at random."""
    rng = random.Random(seed)
    yield examples
    for _ in itertools.repeat(None, count - 1):
        yield rng.sample(examples, len(examples))
