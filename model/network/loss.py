"""The loss of each token.

Shapes: B rows, T tokens, V vocabulary with the new tokens.
"""

import torch
import torch.nn.functional as F

_NOTHING = -100  # no token


def token_loss(logits_BTV: torch.Tensor, tokens_BT: torch.Tensor) -> torch.Tensor:
    """Cross-entropy [B, T] of token t given the logits at t - 1; 0 at the first of a row.

    The loss of a batch is its sum weighted by `loss_weight_BT`, which is 0 where a document or padding begins.
    """
    # Tokens are moved to the logits, which are large, and not these to them. The last of a row predict nothing.
    next_BT = F.pad(tokens_BT[:, 1:], (0, 1), value=_NOTHING)
    losses = F.cross_entropy(
        logits_BTV.flatten(0, 1).float(), next_BT.flatten(), reduction="none", ignore_index=_NOTHING
    )
    return F.pad(losses.view(tokens_BT.shape)[:, :-1], (1, 0))
