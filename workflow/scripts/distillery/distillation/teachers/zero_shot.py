"""Zero-shot teachers: CLIP or SigLIP with prompts for each class."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distillery.display_names import class_words
from distillery.jobs import UserError, log, one_line
from distillery.models.adopted import ZeroShotNetwork
from distillery.storage.hub_access import hub_or_cache
from distillery.storage.hub_errors import hub_error

# mean and standard deviation of OpenAI's models, for models without a preprocessor configuration
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
OTHER_TEACHERS = "docs/teachers.md has teachers that need no download."


def load_zero_shot(key: str, settings: Mapping[str, Any], classes: Sequence[str]) -> tuple[ZeroShotNetwork, str]:
    """A CLIP or SigLIP with the embeddings of the classes' prompts, and its name.

    Args:
        key: the configuration's key, for messages.
        settings: its section `zero_shot`.
        classes: of the study.

    Raises:
        UserError: the model cannot be loaded, or is neither CLIP nor SigLIP.
    """
    import transformers

    model = settings["model"]
    transformers.utils.logging.set_verbosity_error()
    try:
        with hub_or_cache(model):
            whole = transformers.AutoModel.from_pretrained(model, use_safetensors=True, dtype=torch.float32).eval()
            tokenizer = transformers.AutoTokenizer.from_pretrained(model)
            image = _image_processing(model)
    except Exception as error:  # transformers, the hub and safetensors have no common error
        if known := hub_error(model, "", error):
            raise UserError(f"{key}.model: {known} {OTHER_TEACHERS}") from error
        raise UserError(
            f"{key}.model: {model} cannot be loaded ({one_line(error, 160)}). Give the id of a CLIP or SigLIP with"
            " safetensors on the hub, or its folder."
        ) from error
    finally:
        transformers.utils.logging.set_verbosity(logging.WARNING)
    family = {"clip": "clip", "siglip": "siglip"}.get(whole.config.model_type)
    if not family:
        raise UserError(f"{key}.model: {model} is a {whole.config.model_type}; a CLIP or a SigLIP is needed")
    sentences = class_sentences(classes, settings)
    log.info("prompts: %s", "; ".join(f"{name}: {', '.join(parts)}" for name, parts in sentences.items()))
    text = torch.stack([_embed(whole, tokenizer, parts, family) for parts in sentences.values()])
    vision = whole.config.vision_config
    about = {
        "type": "zero_shot",
        "family": family,
        "config": vision.to_diff_dict() | {"projection_dim": getattr(whole.config, "projection_dim", text.shape[1])},
        "classes": len(classes),
        "width": text.shape[1],
        "side": vision.image_size,
        "interpolation": "bicubic",
    }
    about["config"] = json.loads(json.dumps(about["config"], default=str))
    scale = float(whole.logit_scale.detach().exp())
    network = ZeroShotNetwork(about, *image, text, scale)
    network.vision.load_state_dict(_vision_weights(whole, network.vision))
    log.info("the model's own logit scale is %.1f", scale)
    return network, Path(model).name


def _vision_weights(whole: nn.Module, vision: nn.Module) -> dict[str, Tensor]:
    """The weights of a model's image part under the names that `vision` expects.

    CLIP's part has the prefix `vision_model.` in its names, like the whole model; SigLIP's has not.
    """
    own = vision.state_dict().keys()
    named = {
        name if name in own else name.removeprefix("vision_model."): value for name, value in whole.state_dict().items()
    }
    return {name: value for name, value in named.items() if name in own}


def class_sentences(classes: Sequence[str], settings: Mapping[str, Any]) -> dict[str, list[str]]:
    """The prompts of each class: every template with every word for the class."""
    return {
        name: [template.replace("{}", word) for template in settings["templates"] for word in words]
        for name, words in class_words(classes, settings["prompts"]).items()
    }


@torch.inference_mode()
def _embed(whole: Any, tokenizer: Any, sentences: Sequence[str], family: str) -> Tensor:
    """The mean of the sentences' embeddings [D]. Each embedding and the mean are scaled to length 1."""
    # SigLIP was trained on texts padded to the full length, without an attention mask
    padding, given = ("max_length", ["input_ids"]) if family == "siglip" else (True, ["input_ids", "attention_mask"])
    tokens = tokenizer(list(sentences), padding=padding, truncation=True, return_tensors="pt")
    found = whole.get_text_features(**{name: tokens[name] for name in given})
    found = found if isinstance(found, Tensor) else found.pooler_output
    return F.normalize(F.normalize(found.float(), dim=1).mean(dim=0), dim=0).clone()


def _image_processing(model: str) -> tuple[Sequence[float], Sequence[float]]:
    """Mean and standard deviation [3] each, from a model's preprocessor configuration."""
    from transformers.utils import cached_file

    try:
        path = cached_file(model, "preprocessor_config.json")
        found = json.loads(Path(path or "").read_text(encoding="utf-8"))
        return found["image_mean"], found["image_std"]
    except (OSError, KeyError, TypeError):
        log.info("%s gives no mean and standard deviation of images; CLIP's are used", model)
        return CLIP_MEAN, CLIP_STD
