from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from model.data.batch import Batch
from model.network.attention import MediaSpans
from model.network.block import Conditioning
from model.network.flamingo import Flamingo
from model.network.generate import GenerateSettings, Prompt, generate, make_prompt, score
from tests.model.makers import some_tokens
from tests.model.network.makers import END, VOCABULARY, batch, flamingo, image, some_prompts

GREEDY = GenerateSettings(max_new_tokens=6)
BEAM = GenerateSettings(max_new_tokens=6, beams=3)
DRAWN = GenerateSettings(max_new_tokens=6, temperature=1.0, top_k=20, top_p=0.9)


@pytest.fixture(scope="module")
def model() -> Flamingo:
    return flamingo()


def as_batch(prompt: Prompt, more: Sequence[int] = ()) -> Batch:
    """The prompt and what follows it as a row of training."""
    length = len(prompt.tokens) + len(more)
    given = batch([[[-1] * length]], length)
    pixels = [torch.from_numpy(medium).permute(0, 3, 1, 2) for medium in prompt.media]
    counts = [len(medium) for medium in pixels]
    return replace(
        given,
        tokens_BT=torch.tensor([[*prompt.tokens, *more]]),
        media_index_BT=torch.tensor([[*prompt.media_index, *[prompt.media_index[-1]] * len(more)]]),
        frames_FCHW=torch.cat(pixels) if pixels else given.frames_FCHW,
        frame_offsets_M1=torch.tensor([0, *torch.tensor(counts, dtype=torch.int64).cumsum(0).tolist()]),
    )


@torch.no_grad()
def without_cache(
    model: Flamingo, prompts: Sequence[Prompt], stop_ids: Sequence[int], settings: GenerateSettings
) -> list[list[int]]:
    """Greedy, prompt by prompt, each token by a whole pass over all before it."""
    outs = []
    for prompt in prompts:
        ids: list[int] = []
        while len(ids) < settings.max_new_tokens:
            token = int(model(as_batch(prompt, ids))[0, -1].argmax())
            if token in stop_ids:
                break
            ids.append(token)
        outs.append(ids)
    return outs


class Growing(Conditioning):
    """What is seen where every step computes the whole row again, however long it has become."""

    def __init__(self, model: Flamingo, prompt: Prompt) -> None:
        given = as_batch(prompt)
        self.index = given.media_index_BT[0].tolist()
        super().__init__(model.encode(given.frames_FCHW, given.frame_offsets_M1))

    @property
    def spans(self) -> MediaSpans:
        assert self.tokens_BT is not None
        rows, length = self.tokens_BT.shape
        row = self.index + self.index[-1:] * (length - len(self.index))
        return MediaSpans.of_index(torch.tensor([row] * rows))

    @spans.setter
    def spans(self, _: Any) -> None: ...


@torch.no_grad()
def beams_without_cache(model: Flamingo, prompt: Prompt) -> list[int]:
    lm: Any = model.lm
    model._conditioning = Growing(model, prompt)
    try:
        lm.config.vocab_size += 2  # some versions of transformers lay out beams by it
        out = lm.generate(
            input_ids=torch.tensor([prompt.tokens]),
            attention_mask=torch.ones(1, len(prompt.tokens), dtype=torch.int64),
            use_cache=False,
            num_beams=BEAM.beams,
            do_sample=False,
            max_new_tokens=BEAM.max_new_tokens,
            eos_token_id=END,
            pad_token_id=END,
        )
    finally:
        model._conditioning = None
        lm.config.vocab_size -= 2
    ids = out[0, len(prompt.tokens) :].tolist()
    return ids[: ids.index(END)] if END in ids else ids


def test_greedy_with_a_cache_is_greedy_without(model: Flamingo) -> None:
    outs = generate(model, some_prompts(), [END], GREEDY)
    assert outs == without_cache(model, some_prompts(), [END], GREEDY)
    assert len({tuple(out) for out in outs}) > 1


def test_beams_with_a_cache_are_beams_without(model: Flamingo) -> None:
    assert generate(model, some_prompts(), [END], BEAM) == [beams_without_cache(model, each) for each in some_prompts()]


@pytest.mark.parametrize("settings", [GREEDY, BEAM])
def test_a_prompt_gives_beside_others_what_it_gives_alone(model: Flamingo, settings: GenerateSettings) -> None:
    outs = generate(model, some_prompts(), [END], settings)
    assert outs == [generate(model, [prompt], [END], settings)[0] for prompt in some_prompts()]


@torch.no_grad()
def test_the_last_image_and_those_before_it_are_seen(model: Flamingo) -> None:
    two = some_prompts()[0]
    logits = [model(as_batch(prompt))[0, -1] for prompt in (two, _with_media(two, 7, 1), _with_media(two, 0, 7))]
    assert not torch.equal(logits[0], logits[1])
    assert not torch.equal(logits[0], logits[2])
    scores = [score(model, prompt, [[5]])[0][0] for prompt in (two, _with_media(two, 7, 1), _with_media(two, 0, 7))]
    for mine, expected in zip(scores, logits, strict=True):
        assert mine == pytest.approx(float(expected.log_softmax(-1)[5]), abs=1e-5)


def _with_media(prompt: Prompt, *seeds: int) -> Prompt:
    return Prompt(prompt.tokens, prompt.media_index, tuple(image(seed) for seed in seeds))


def test_it_stops_at_the_end_of_a_chunk(model: Flamingo) -> None:
    (ids,) = generate(model, some_prompts()[:1], [END], GREEDY)
    cut = generate(model, some_prompts(), [ids[2]], GREEDY)[0]
    assert cut == ids[: ids.index(ids[2])]


def test_the_end_of_a_chunk_is_a_token_that_can_be_chosen() -> None:
    model = flamingo()
    with torch.no_grad():
        model.new_logits.bias[1] = 100
    assert generate(model, some_prompts(), [END], GREEDY) == [[]] * 4
    assert generate(model, some_prompts(), [END], BEAM) == [[]] * 4


def test_drawing_depends_on_the_seed_alone(model: Flamingo) -> None:
    before = torch.get_rng_state()
    outs = [generate(model, some_prompts(), [END], DRAWN) for _ in range(2)]
    assert torch.equal(torch.get_rng_state(), before)
    assert outs[0] == outs[1]
    other = GenerateSettings(max_new_tokens=6, temperature=1.0, seed=1)
    assert generate(model, some_prompts(), [END], other) != outs[0]


@pytest.mark.parametrize("settings", [GREEDY, BEAM, DRAWN])
def test_what_a_model_folder_says_of_generation_does_not_count(settings: GenerateSettings) -> None:
    model = flamingo()
    outs = generate(model, some_prompts(), [END], settings)
    lm: Any = model.lm
    theirs = {"repetition_penalty": 5.0, "no_repeat_ngram_size": 1, "suppress_tokens": [outs[0][0]], "temperature": 0.1}
    lm.generation_config.update(**theirs)
    assert generate(model, some_prompts(), [END], settings) == outs
    assert lm.generation_config.repetition_penalty == 5.0


def test_an_error_inside_leaves_nothing_behind() -> None:
    model, prompt = flamingo(), some_prompts()[0]
    model.train()
    (expected,) = generate(model, [prompt], [END], GREEDY)
    wrong = Prompt((-5, 3), (-1, -1), ())
    with pytest.raises(IndexError):
        generate(model, [wrong], [END], GREEDY)
    assert model.training
    assert model._conditioning is None
    assert generate(model, [prompt], [END], GREEDY) == [expected]


@torch.no_grad()
def test_scores_are_those_of_the_whole_text(model: Flamingo) -> None:
    candidates = [[1, 2, 3], [4], [5, 6], [END]]
    for prompt in some_prompts():
        scores = score(model, prompt, candidates, batch_candidates=3)
        for candidate, mine in zip(candidates, scores, strict=True):
            logs = model(as_batch(prompt, candidate))[0].log_softmax(-1)
            start = len(prompt.tokens) - 1
            expected = [float(logs[start + n, token]) for n, token in enumerate(candidate)]
            assert mine == pytest.approx(expected, abs=1e-5)


def test_scores_do_not_depend_on_the_other_candidates(model: Flamingo) -> None:
    candidates, prompt = [[1, 2, 3], [4], [5, 6]], some_prompts()[3]
    scores = score(model, prompt, candidates)
    for mine, reversed_ in zip(scores, score(model, prompt, candidates[::-1])[::-1], strict=True):
        assert mine == pytest.approx(reversed_)
    assert score(model, prompt, []) == []


def test_a_prompt_is_laid_out_as_a_page_is() -> None:
    tokens = some_tokens()
    made = make_prompt(["a cat", image(0)[0], "mat", image(1)], tokens)
    a, b = tokens.encode("a cat"), tokens.encode("mat")
    assert tokens.bos_id is not None
    picture, end = tokens.image_id, tokens.end_of_chunk_id
    assert list(made.tokens) == [tokens.bos_id, *a, end, picture, *b, end, picture]
    assert list(made.media_index) == [-1] * (len(a) + 2) + [0] * (len(b) + 2) + [1]
    assert [medium.shape for medium in made.media] == [(1, 16, 16, 3)] * 2
    assert make_prompt([image(0), "x"], tokens).tokens[:2] == (tokens.bos_id, picture)


def test_a_prompt_without_a_token_is_refused(model: Flamingo) -> None:
    with pytest.raises(ValueError, match="candidate has no token"):
        score(model, some_prompts()[0], [[1], []])
    with pytest.raises(ValueError, match="no token"):
        generate(model, [Prompt((), (), ())], [END])


@pytest.mark.parametrize("wrong", [{"beams": 2, "temperature": 1.0}, {"top_p": 0.0}, {"max_new_tokens": 0}])
def test_settings_that_do_not_go_together_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        GenerateSettings(**wrong)


def test_while_it_generates_the_language_model_counts_the_new_tokens_to_its_vocabulary() -> None:
    """Some versions of transformers lay out beams by it; afterwards its config is as before."""
    model: Any = flamingo()
    assert model.settle_steps() == "whole"
    seen: list[tuple[int, int]] = []
    model.lm.register_forward_hook(lambda lm, args, out: seen.append((lm.config.vocab_size, out.logits.shape[-1])))
    generate(model, some_prompts()[:1], [END], GenerateSettings(max_new_tokens=2, beams=2))
    assert set(seen) == {(VOCABULARY + 2, VOCABULARY + 2)}
    assert model.lm.config.vocab_size == VOCABULARY
