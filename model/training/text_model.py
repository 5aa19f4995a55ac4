"""A small language model made on the spot: a byte-level BPE and a Llama, trained on the text of the datasets.

It stands in for a pre-trained one where nothing may be downloaded. What it learns is how the texts go; what a picture
shows it cannot know. In texts that repeat themselves it also learns to look back and repeat, which is what learning in
context builds on.
"""

import json
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import tokenizers
import torch

from model.data.config import DatasetSettings
from model.data.documents import Document
from model.data.plain import read_documents, text_of
from model.training.config import TextModelSettings
from schemas.settings import SettingsError
from schemas.storage import new_attempt

BOS, EOS = "<s>", "</s>"
_MAX_DOCUMENTS = 20_000  # of each dataset; the texts are held in memory
_POSITIONS = 2048
_CLIP = 1.0


def make_text_model(
    settings: TextModelSettings,
    datasets: Sequence[DatasetSettings],
    on_loss: Callable[[int, float], None] = lambda step, loss: None,
) -> bool:
    """Train and write the model to `settings.folder`; False if it is there. `on_loss` gets steps and losses.

    Raises `SettingsError` where the datasets hold too little text.
    """
    folder = Path(settings.folder)
    if (folder / "config.json").exists():
        return False
    pages = [text_of(document) for dataset in datasets for document in _some(dataset)]
    if not pages:
        raise SettingsError("the datasets hold no text to train a language model on")
    tokenizer = train_tokenizer((text for page in pages for text in page), settings.vocabulary)
    stream = _token_stream(tokenizer, pages, settings.seed)
    if len(stream) < 2 * settings.row_tokens:
        raise SettingsError(f"the datasets hold {len(stream)} tokens, too few to train a language model on")
    model = _train(settings, tokenizer.get_vocab_size(), stream, on_loss)
    aside = folder.with_name(f".{new_attempt()}.{folder.name}.tmp")
    aside.mkdir(parents=True)
    model.save_pretrained(aside)
    tokenizer.save(str(aside / "tokenizer.json"))
    (aside / "tokenizer_config.json").write_text(json.dumps({"bos_token": BOS, "eos_token": EOS}))
    shutil.rmtree(folder, ignore_errors=True)  # of a folder without config.json
    aside.rename(folder)
    return True


def train_tokenizer(texts: Iterator[str], vocabulary: int) -> tokenizers.Tokenizer:
    """A byte-level BPE: every text has tokens, none is unknown."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocabulary,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[BOS, EOS],
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def _some(dataset: DatasetSettings) -> Iterator[Document]:
    for number, document in enumerate(read_documents(dataset.shards, dataset.kind)):
        if number == _MAX_DOCUMENTS:
            return
        yield document


def _token_stream(tokenizer: tokenizers.Tokenizer, pages: list[list[str]], seed: int) -> torch.Tensor:
    """All pages in one line, shuffled: BOS, the texts with line ends between them, EOS."""
    random.Random(seed).shuffle(pages)
    bos, eos = tokenizer.token_to_id(BOS), tokenizer.token_to_id(EOS)
    encoded = tokenizer.encode_batch(["\n".join(page) for page in pages], add_special_tokens=False)
    return torch.tensor([token for page in encoded for token in (bos, *page.ids, eos)])


def _train(
    settings: TextModelSettings, vocabulary: int, stream: torch.Tensor, on_loss: Callable[[int, float], None]
) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(settings.seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=settings.width,
            intermediate_size=3 * settings.width,
            num_hidden_layers=settings.layers,
            num_attention_heads=settings.heads,
            max_position_embeddings=_POSITIONS,
            tie_word_embeddings=True,
            initializer_range=0.08,
            bos_token_id=0,
            eos_token_id=1,
        )
    )
    optimiser = torch.optim.AdamW(model.parameters(), settings.learning_rate, betas=(0.9, 0.95), weight_decay=0.01)
    length = settings.row_tokens
    for step in range(settings.steps):
        starts = torch.randint(len(stream) - length, (settings.rows,))
        rows = torch.stack([stream[start : start + length + 1] for start in starts])
        for group in optimiser.param_groups:
            done = step / settings.steps
            group["lr"] = settings.learning_rate * min(1.0, (step + 1) / 50, 2 * (1 - done))
        logits = model(rows[:, :-1], use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), _CLIP)
        optimiser.step()
        on_loss(step + 1, loss.detach().item())
    return model.eval()
