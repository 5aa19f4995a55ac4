"""Few-shot evaluation: each query with examples in context, and what the model makes of it."""

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt
import torch

from model.evaluation.loaded import LoadedModel
from model.evaluation.metrics import METRICS
from model.evaluation.prompts import TEXT_EXAMPLES, Shown, answer_text, choose, decode, in_context, nearest, query_text
from model.evaluation.spread import ALONE, spread
from model.evaluation.tasks import TaskSettings, read_items
from model.network.generate import GenerateSettings, Prompt, generate, score
from model.training.parallel import Processes
from schemas.drops import Drop
from schemas.settings import Settings, SettingsError

Floats = npt.NDArray[np.float32]
_AT_A_TIME = 16
_FRAMES_AT_A_TIME = 64


class EvaluateConfig(Settings, frozen=True):
    """What is evaluated, and how. The defaults are the paper's."""

    tasks: tuple[TaskSettings, ...] = ()
    """At least one."""
    shots: tuple[int, ...] = (0, 4, 8, 16, 32)
    """Numbers of examples in context. 0 gives two examples without their media."""
    examples: Literal["random", "rices"] = "random"
    """`rices` takes the examples most alike to the query by the frozen vision encoder, the most alike last."""
    beams: int = 3
    """Of what is generated."""
    seed: int = 0
    """Of the examples that are drawn."""
    device: str = "auto"
    """`auto` takes the GPU if there is one."""
    strategy: Literal["replicas", "fsdp"] = "replicas"
    """With several processes: each has the whole model, or, for what does not fit one GPU, layers are shared out."""

    def __post_init__(self) -> None:
        if any(shots < 0 for shots in self.shots) or not self.shots or self.beams < 1:
            raise ValueError("shots are 0 or more, and there is one at least; beams is 1 or more")


class Answer(msgspec.Struct, frozen=True):
    """What was said to a query, and its score."""

    key: str
    said: str
    answers: tuple[str, ...]
    score: float


class Score(msgspec.Struct, frozen=True):
    """A task at one number of shots; `score` is the mean over its queries, `error` its standard error."""

    task: str
    metric: str
    shots: int
    score: float
    error: float
    queries: int
    answers: list[Answer]


def evaluate(
    loaded: LoadedModel,
    config: EvaluateConfig,
    on_progress: Callable[[str, int, int, int], None] = lambda *args: None,
    processes: Processes = ALONE,
) -> Iterator[Score]:
    """Scores, task by task, the same on each of the processes, over which the queries are spread.

    `on_progress` gets task, shots, queries done and queries in all. Raises `SettingsError`.
    """
    if not config.tasks:
        raise SettingsError("tasks: name at least one")
    for task in config.tasks:
        try:
            support = decode(read_items(task.support), loaded.data.images)
            queries = decode(read_items(task.query), loaded.data.images)
        except Drop as drop:
            raise SettingsError(f"task {task.name}: {drop.reason}: {drop.detail}") from None
        pick = _picker(loaded, config, support, queries, processes)
        for shots in config.shots:
            yield _run(loaded, config, task, pick, queries, shots, support, on_progress, processes)


Pick = Callable[[int, int], list[Shown]]


def _picker(
    loaded: LoadedModel, config: EvaluateConfig, support: list[Shown], queries: list[Shown], processes: Processes
) -> Pick:
    """Examples for query number n, so many shots."""
    if config.examples == "random":
        return lambda n, shots: choose(support, queries[n].item, shots, config.seed)
    of_support, of_queries = (features(loaded, shown, processes) for shown in (support, queries))
    return lambda n, shots: nearest(support, of_support, queries[n].item, of_queries[n], shots)


def features(loaded: LoadedModel, shown: Sequence[Shown], processes: Processes = ALONE) -> Floats:
    """[items, width], of unit length: the mean over the features of all frames, by the frozen vision encoder."""
    found = spread(len(shown), 1, lambda part: [_feature(loaded, shown[n]) for n in part], processes)
    return np.stack(found).astype(np.float32)


@torch.no_grad()
def _feature(loaded: LoadedModel, item: Shown) -> Floats:
    frames = np.concatenate(item.media)[:_FRAMES_AT_A_TIME]
    frames_FCHW = torch.from_numpy(frames).permute(0, 3, 1, 2).to(loaded.model.device)
    mean: Floats = loaded.model.vision(frames_FCHW).float().mean((0, 1)).cpu().numpy()
    return mean / max(1e-9, float(np.linalg.norm(mean)))


def _run(
    loaded: LoadedModel,
    config: EvaluateConfig,
    task: TaskSettings,
    pick: Pick,
    queries: list[Shown],
    shots: int,
    support: list[Shown],
    on_progress: Callable[[str, int, int, int], None],
    processes: Processes,
) -> Score:
    classes = task.classes or tuple(sorted({answer for shown in support for answer in shown.item.answers}))

    def answers_to(numbers: range) -> list[str]:
        if task.metric == "classification":
            return [_likeliest(loaded, config, task, pick, queries, n, shots, classes) for n in numbers]
        prompts = [_prompt(loaded, task, pick(n, shots or TEXT_EXAMPLES), queries[n], shots) for n in numbers]
        settings = GenerateSettings(max_new_tokens=task.max_new_tokens, beams=config.beams)
        made = generate(loaded.model, prompts, loaded.stop_ids, settings)
        return [_only_answer(loaded.tokens.decode(ids), task.template) for ids in made]

    def tell(done: int) -> None:
        on_progress(task.name, shots, done, len(queries))

    at_a_time = 1 if task.metric == "classification" else _AT_A_TIME
    said = spread(len(queries), at_a_time, answers_to, processes, tell, loaded.is_shared_out)
    good = [shown.item.answers for shown in queries]
    scores = METRICS["exact" if task.metric == "classification" else task.metric](said, good)
    answers = [
        Answer(shown.item.key, text, shown.item.answers, value)
        for shown, text, value in zip(queries, said, scores, strict=True)
    ]
    error = float(np.std(scores) / np.sqrt(len(scores)))
    return Score(task.name, task.metric, shots, float(np.mean(scores)), error, len(queries), answers)


def _prompt(loaded: LoadedModel, task: TaskSettings, examples: list[Shown], query: Shown, shots: int) -> Prompt:
    return in_context(examples, query, task.template, loaded.tokens, with_media=shots > 0)


def _only_answer(text: str, template: str) -> str:
    """Without what the template says after the answer."""
    after = template.partition("{answer}")[2].strip()
    return (text.partition(after)[0] if after else text).strip()


def _likeliest(
    loaded: LoadedModel,
    config: EvaluateConfig,
    task: TaskSettings,
    pick: Pick,
    queries: list[Shown],
    number: int,
    shots: int,
    classes: Sequence[str],
) -> str:
    """The class with the highest likelihood, averaged over orders of the examples. At 0 shots no example (A.2)."""
    before = query_text(task.template, queries[number].item)
    candidates = [loaded.tokens.encode_after(before, answer_text(task.template, name)) for name in classes]
    totals = np.zeros(len(classes))
    for order in _orders(pick(number, shots), task.permutations, f"{config.seed}/{number}"):
        prompt = _prompt(loaded, task, order, queries[number], shots)
        for n, of_tokens in enumerate(score(loaded.model, prompt, candidates)):
            totals[n] += float(np.mean(of_tokens) if task.mean_likelihood else np.sum(of_tokens))
    return classes[int(totals.argmax())]


def _orders(examples: list[Shown], count: int, seed: str) -> Iterator[list[Shown]]:
    """The order given, then others at random."""
    rng = random.Random(seed)
    yield examples
    for _ in itertools.repeat(None, count - 1):
        yield rng.sample(examples, len(examples))
