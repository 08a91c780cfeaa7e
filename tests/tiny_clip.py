"""A CLIP and a SigLIP with random weights and a tokenizer of bytes, for tests."""

from pathlib import Path
from typing import Any


def save_tiny_clip(folder: str | Path, layers: int = 1) -> Any:
    """Save a CLIP for images of 32 pixels in a folder; its weights depend only on the number of layers.

    Returns:
        Its tokenizer, which is not saved.
    """
    from transformers import CLIPConfig, CLIPModel

    from distillery_demo.pipelines import byte_tokenizer, seeded

    tokenizer = byte_tokenizer()
    ids = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    small = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": layers, "num_attention_heads": 2}
    config = CLIPConfig(
        text_config=small | ids | {"vocab_size": len(tokenizer)},
        vision_config=small | {"image_size": 32, "patch_size": 8},
        projection_dim=32,
    )
    seeded(0, lambda: CLIPModel(config)).save_pretrained(folder)
    return tokenizer


def save_tiny_siglip(folder: str | Path) -> None:
    """Save a SigLIP of one layer for images of 32 pixels in a folder, with its tokenizer."""
    from transformers import SiglipConfig, SiglipModel

    from distillery_demo.pipelines import byte_tokenizer, seeded

    tokenizer = byte_tokenizer()
    ids = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    small = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    length = {"vocab_size": len(tokenizer), "max_position_embeddings": tokenizer.model_max_length}
    config = SiglipConfig(text_config=small | ids | length, vision_config=small | {"image_size": 32, "patch_size": 8})
    seeded(0, lambda: SiglipModel(config)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
