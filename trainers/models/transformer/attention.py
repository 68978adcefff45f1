"""Masks of one row per function, where every token may see every other: the library's own have a row per token.

On a CPU the library's masks cost a small model a tenth of its training time.
"""

from typing import Any

from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import bidirectional_mask_function, sdpa_mask

USUAL = "sdpa"
ROW_MASKS = "sdpa_row_masks"


def use_row_masks(model: Any) -> None:
    """Have the model's attention read masks of shape (B, 1, 1, T); its outputs and what is saved stay the same.

    A model that does not attend by the library's usual function is left alone.

    Args:
        model: From AutoModelForSequenceClassification; changed in place.
    """
    if model.config._attn_implementation != USUAL:
        return
    AttentionInterface.register(ROW_MASKS, sdpa_attention_forward)
    AttentionMaskInterface.register(ROW_MASKS, _row_mask)
    model.set_attn_implementation(ROW_MASKS)


def _row_mask(*, q_length: int, mask_function: Any, **options: Any) -> Tensor | None:
    """Return the library's mask, null where a batch has no padding; its row for one token serves all of them."""
    rows = 1 if mask_function is bidirectional_mask_function else q_length
    mask: Tensor | None = sdpa_mask(q_length=rows, mask_function=mask_function, **options)
    return mask
