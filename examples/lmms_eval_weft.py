"""A model that weft trained, as a model of lmms-eval: its tasks ask it, its scores judge it.

    python examples/lmms_eval_weft.py --model weft --model_args pretrained=RUN --tasks vizwiz_vqa_val --batch_size 8

`RUN` is the output of `weft train`, or one of its checkpoints. All options are those of lmms-eval, whose command this
hands over to when the model is registered. Other model_args: `device`, `beams` (paper: 3), and `template`, what is made
of a task's words: `Question: {} Answer:` for short answers; `{}` leaves them as they are. Media stand before them.
"""

import io
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from lmms_eval.api.instance import Instance
from lmms_eval.api.model import lmms
from lmms_eval.api.registry import register_model

from model.data.documents import Medium
from model.data.images import Pixels, pixels_of
from model.data.sequences import rng_of
from model.evaluation.loaded import load_model
from model.evaluation.text_generation import read_medium
from model.network.generate import GenerateSettings, Prompt, generate, make_prompt, score


@register_model("weft")
class Weft(lmms):  # type: ignore[misc]
    """Asks a checkpoint in one round: media, then text."""

    is_simple = True

    def __init__(
        self,
        pretrained: str,
        device: str = "auto",
        batch_size: int | str = 1,
        beams: int | str = 1,
        template: str = "{}",
        **unused: Any,
    ) -> None:
        super().__init__()
        self._loaded = load_model(pretrained, device if device != "cuda:0" else "cuda")
        self._batch_size, self._beams, self._template = int(batch_size), int(beams), template

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """What is said, up to the end of a chunk or the first of a task's own stops."""
        answers: dict[int, str] = {}
        for some in _alike(list(enumerate(requests)), self._batch_size):
            wanted = some[0][1].args[1]
            prompts = [self._prompt(request, request.args[0], request.args[2]) for _, request in some]
            made = generate(self._loaded.model, prompts, self._loaded.stop_ids, self._settings(wanted))
            for (number, _), ids in zip(some, made, strict=True):
                answers[number] = _until(self._loaded.tokens.decode(ids), wanted.get("until", ())).strip()
        return [answers[number] for number in range(len(requests))]

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """Of each continuation, and whether it is what the model would say."""
        found = []
        for request in requests:
            context, target, visuals = request.args[:3]
            text = target if isinstance(target, str) else target(self._document(request))
            before = self._template.format(context).rstrip(" ")
            prompt = self._prompt(request, context, visuals)
            ids = self._loaded.tokens.encode_after(before, text if text.startswith(" ") or not before else f" {text}")
            (of_tokens,) = score(self._loaded.model, prompt, [ids])
            settings = GenerateSettings(max_new_tokens=len(ids))
            (said,) = generate(self._loaded.model, [prompt], self._loaded.stop_ids, settings)
            found.append((float(sum(of_tokens)), said == ids))
        return found

    def generate_until_multi_round(self, requests: list[Instance]) -> list[str]:
        raise NotImplementedError("a weft model is asked in one round: take a task of generate_until or loglikelihood")

    def _prompt(self, request: Instance, context: str, visuals: Callable[[Any], Any]) -> Prompt:
        text = self._template.format(context).rstrip(" ")
        shown = [self._frames(visual) for visual in _flat(visuals(self._document(request)))]
        return make_prompt([*shown, *([text] if text else [])], self._loaded.tokens)

    def _document(self, request: Instance) -> Any:
        number, task, split = request.args[3:6]
        return self.task_dict[task][split][number]

    def _frames(self, visual: Any) -> Pixels:
        """Of a picture of Pillow, or of the path of a picture or a video."""
        if isinstance(visual, str):
            return read_medium(self._loaded, Path(visual))
        file = io.BytesIO()
        visual.convert("RGB").save(file, "PNG", compress_level=0)
        return pixels_of(Medium(file.getvalue()), rng_of("lmms-eval"), self._loaded.data.images)

    def _settings(self, wanted: dict[str, Any]) -> GenerateSettings:
        drawn = bool(wanted.get("do_sample")) and float(wanted.get("temperature") or 0) > 0
        return GenerateSettings(
            max_new_tokens=int(wanted.get("max_new_tokens") or 64),
            beams=1 if drawn else max(self._beams, int(wanted.get("num_beams") or 1)),
            temperature=float(wanted["temperature"]) if drawn else 0.0,
            top_p=float(wanted.get("top_p") or 1.0) if drawn else 1.0,
        )


def _alike(requests: list[tuple[int, Instance]], size: int) -> Iterator[list[tuple[int, Instance]]]:
    """So many requests at a time, whose settings of generation are the same."""
    by_settings: dict[str, list[tuple[int, Instance]]] = {}
    for number, request in requests:
        by_settings.setdefault(repr(request.args[1]), []).append((number, request))
    for some in by_settings.values():
        for start in range(0, len(some), size):
            yield some[start : start + size]


def _flat(visuals: Any) -> Iterator[Any]:
    if isinstance(visuals, list | tuple):
        for visual in visuals:
            yield from _flat(visual)
    elif visuals is not None:
        yield visuals


def _until(text: str, stops: str | Iterable[str]) -> str:
    for stop in [stops] if isinstance(stops, str) else stops:
        text = text.partition(stop)[0] if stop else text
    return text


def main() -> None:
    from lmms_eval.__main__ import cli_evaluate
    from lmms_eval.models import MODEL_REGISTRY_V2
    from lmms_eval.models.registry_v2 import ModelManifest

    MODEL_REGISTRY_V2.register_manifest(ModelManifest("weft", simple_class_path=f"{__name__}.Weft"), overwrite=True)
    cli_evaluate()


if __name__ == "__main__":
    main()
