"""The embeddings of `<image>` and the end of a chunk: rows of their own beside a vocabulary that stays as it is.

Shapes: B rows, T tokens, K new tokens, D width, V vocabulary with the new tokens.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from schemas.settings import SettingsError

_SAMPLED_IDS = 4096
_UNKNOWN_TOKENS = 4  # that a tokenizer may have beside those of its model: Gemma 3 1B and 270M have one, of images


class NewEmbeddings(nn.Module):
    """Puts the rows of the new tokens in place of what the frozen embedding gave."""

    def __init__(self, ids: Sequence[int], dim: int) -> None:
        super().__init__()
        self.ids = tuple(ids)
        self.weight = nn.Parameter(torch.zeros(len(ids), dim))

    def forward(self, tokens_BT: torch.Tensor, embedded_BTD: torch.Tensor) -> torch.Tensor:
        for row_D, token in zip(self.weight.to(embedded_BTD.dtype).unbind(0), self.ids, strict=True):
            embedded_BTD = torch.where((tokens_BT == token)[..., None], row_D, embedded_BTD)
        return embedded_BTD


class NewLogits(nn.Module):
    """Adds the columns of the new tokens to the logits of the frozen head."""

    ids_K: torch.Tensor

    def __init__(self, ids: Sequence[int], dim: int, vocabulary: int) -> None:
        super().__init__()
        self.ids, self.vocabulary = tuple(ids), vocabulary
        self.size = max(vocabulary, max(ids) + 1)  # of the logits with the new tokens
        self.register_buffer("ids_K", torch.tensor(self.ids), persistent=False)
        self.weight = nn.Parameter(torch.zeros(len(ids), dim))
        self.bias = nn.Parameter(torch.zeros(len(ids)))

    def make_buffers(self) -> None:
        """What no file holds: made anew where the model was laid out without memory."""
        self.ids_K.copy_(torch.tensor(self.ids))

    def forward(self, hidden_BTD: torch.Tensor, logits_BTV: torch.Tensor) -> torch.Tensor:
        hidden_BTD = hidden_BTD.to(self.weight.dtype)
        new_BTK = F.linear(hidden_BTD, self.weight, self.bias).to(logits_BTV.dtype)
        if self.ids == tuple(range(self.vocabulary, self.vocabulary + len(self.ids))):
            if logits_BTV.is_cuda and logits_BTV.requires_grad:
                # Its gradient is cut out of rows that are a few columns longer. Of rows that do not begin at a multiple
                # of 16 bytes the head's product takes three times as long as this copy and the product together.
                logits_BTV.register_hook(torch.Tensor.contiguous)
            return torch.cat([logits_BTV, new_BTK], dim=-1)
        # A vocabulary padded to a round size has unused columns: the new tokens stand in them. Tokens between them and
        # the vocabulary, which the model never knew, are never said.
        unsaid = torch.finfo(logits_BTV.dtype).min
        padded_BTV = F.pad(logits_BTV, (0, self.size - self.vocabulary), value=unsaid)
        return padded_BTV.index_copy(-1, self.ids_K, new_BTK)


def check_ids(ids: Sequence[int], vocabulary: int) -> None:
    """Raises `SettingsError` where the ids of new tokens stand far behind the model's vocabulary."""
    beyond = sorted(token for token in ids if token >= vocabulary)
    if (
        len(set(ids)) < len(ids)
        or min(ids, default=0) < 0
        or beyond != list(range(min(beyond, default=0), max(beyond, default=-1) + 1))
        or min(beyond, default=0) > vocabulary + _UNKNOWN_TOKENS
    ):
        raise SettingsError(
            f"the new tokens have ids {tuple(ids)}, but the language model knows {vocabulary} tokens: "
            "tokenizer and model do not belong together"
        )


@torch.no_grad()
def start(embeddings: NewEmbeddings, logits: NewLogits, embedding: nn.Module, head: nn.Linear) -> None:
    """First values: in, drawn like the rows the model has (the paper: at random); out, their mean.

    The mean gives a new token at most the share of an average one (J. Hewitt, Initializing new word embeddings, 2021).
    """
    known = torch.arange(min(logits.vocabulary, _SAMPLED_IDS), device=head.weight.device)
    # What the module gives, not its weights: some models scale there.
    rows = embedding(known).float()
    drawn = rows.mean(0) + rows.std(0) * torch.randn_like(embeddings.weight)
    embeddings.weight.copy_(drawn)
    logits.weight.copy_(head.weight.float().mean(0).expand_as(logits.weight))
    if head.bias is not None:
        logits.bias.copy_(head.bias.float().mean())
