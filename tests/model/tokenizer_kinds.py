"""Tokenizers as the families of language models have them, small and trained here, and what weft reads of each: a row
of the table in docs/model-exchange.md."""

import json
from collections.abc import Callable
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import tokenizers
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from model.data.tokens import END_OF_CHUNK, IMAGE, Tokens, load_tokens
from model.network.generate import make_prompt
from tests.model.makers import WORDS

_SPACE = "▁"
_CORPUS = [" ".join(WORDS), "A photo of a cat. Two dogs; 3 houses!", "Output: the mat\n\nQuestion: what?"]
#: What tokenizers stumble over: nothing, spaces at either end, lines, letters and signs that none has seen.
TEXTS = (
    "",
    "the cat",
    " the cat",
    "a cat \n\n on a mat ",
    "Ünïcödé, 日本, 🙂",
    "a  b\tc",
    "<s></s><image><|im_start|>",
)


def byte_level(bos: str | None, eos: str, template: bool = False, added: tuple[str, ...] = ()) -> Any:
    """GPT-2's way: every byte is a letter."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(_CORPUS * 4, trainer)
    return _finished(tokenizer, bos, eos, template, added)


def byte_fallback(prefix_space: bool, added: tuple[str, ...] = ()) -> Any:
    """Sentencepiece's BPE: letters, and bytes for those that it does not know; a BOS by template."""
    spaced = [_SPACE + text.replace(" ", _SPACE) for text in _CORPUS]
    trained = tokenizers.Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Split(_SPACE, "merged_with_next")
    trained.train_from_iterator(spaced * 4, trainers.BpeTrainer(vocab_size=120, show_progress=False))
    learnt = json.loads(trained.to_str())["model"]
    names = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *learnt["vocab"]]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(names))}
    merges = [tuple(pair) for pair in learnt["merges"]]
    tokenizer = tokenizers.Tokenizer(
        models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    )
    replace = normalizers.Replace(" ", _SPACE)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(_SPACE), replace]) if prefix_space else replace
    parts = [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence([*parts, *([decoders.Strip(" ", 1, 0)] if prefix_space else [])])
    return _finished(tokenizer, "<s>", "</s>", True, added)


def unigram() -> Any:
    """Sentencepiece's other way, with bytes for what it does not know."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    words = sorted({_SPACE + word for text in _CORPUS for word in text.split()} | {_SPACE, *"".join(_CORPUS)} - {" "})
    scores = [(piece, -20.0) for piece in pieces] + [(word, -float(len(word) ** 0.5)) for word in words]
    tokenizer = tokenizers.Tokenizer(models.Unigram(scores, 0, True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(prepend_scheme="first")])
    return _finished(tokenizer, "<s>", "</s>", True, ())


#: By name: the families that have it, and how it is made.
KINDS: dict[str, tuple[str, Callable[[], Any]]] = {
    "bytes, BOS named": ("GPT-2, GPT-NeoX, MPT", lambda: byte_level("<|end|>", "<|end|>")),
    "bytes, no BOS, added tokens": (
        "Qwen 2.5, Qwen 3",
        lambda: byte_level(None, "<|end|>", added=("<|im_start|>", "<|im_end|>")),
    ),
    "bytes, BOS by template": ("Llama 3", lambda: byte_level("<|begin|>", "<|end|>", template=True)),
    "bytes, BOS and EOS one, by template": ("OPT", lambda: byte_level("</s>", "</s>", template=True)),
    "letters and bytes, a space before all": ("Llama 2, Mistral", lambda: byte_fallback(True)),
    "letters and bytes, spaces as they are": (
        "Gemma 2, Gemma 3",
        lambda: byte_fallback(False, added=("<start_of_image>", "<image_soft_token>")),
    ),
    "Unigram and bytes, a space at the start": ("models of sentencepiece's default", unigram),
}


def tokenizer_row(name: str) -> tuple[str, ...]:
    """Read from a folder as `save_pretrained` leaves it. Raises `AssertionError` for a special token where none is."""
    families, make = KINDS[name]
    theirs = make()
    with TemporaryDirectory() as folder:
        theirs.save_pretrained(folder)
        tokens = load_tokens(folder)
    assert tokens.bos_id == theirs.bos_token_id
    assert tokens.eos_id == theirs.eos_token_id
    assert tokens.image_id not in theirs.get_vocab().values()
    own = theirs("the cat")["input_ids"]
    pixels = np.zeros((1, 4, 4, 3), np.uint8)
    row = make_prompt(["the cat", pixels, "a mat"], tokens).tokens
    starts = tokens.bos_id is not None
    text = [*tokens.encode("the cat"), tokens.end_of_chunk_id, tokens.image_id, *tokens.encode("a mat")]
    assert list(row) == ([tokens.bos_id, *text] if starts else text)
    called = "yes" if starts and own[0] == tokens.bos_id else "no"
    return (name, families, called, "yes" if starts else "no", "yes" if _equal(tokens, theirs) else "no")


def _equal(tokens: Tokens, theirs: Any) -> bool:
    """Ids to the last one, and texts but for spaces at either end."""
    special = {tokens.image_id, tokens.end_of_chunk_id, *theirs.all_special_ids} - {theirs.unk_token_id}
    for text in TEXTS:
        ids = tokens.encode(text)
        assert not special & set(ids), f"{text!r} holds a special token"
        own = theirs(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        if special & set(own):
            continue  # their own call takes what a text writes for a special token, and is no measure
        if ids != own:
            return False
        if tokens.decode(ids).strip() != text.strip():
            return False
    return tokens.decode([tokens.image_id, tokens.end_of_chunk_id]).replace(" ", "") == IMAGE + END_OF_CHUNK


def _finished(tokenizer: Any, bos: str | None, eos: str, template: bool, added: tuple[str, ...]) -> Any:
    names = dict.fromkeys([*([bos] if bos else []), eos, *added])
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in names])
    if template:
        start = (bos, tokenizer.token_to_id(bos))
        tokenizer.post_processor = processors.TemplateProcessing(f"{bos} $A", f"{bos} $A {bos} $B", [start])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=bos, eos_token=eos)
