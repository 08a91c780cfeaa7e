"""CLIP scores of generated images: the probability, by CLIP, that an image shows the class it was generated for.

Zero-shot classification as in Radford et al. (2021), section 3.1: softmax over the captions `a photo of a {class}`. The
score is recorded; images are dropped by it only if the source has `keep`. The label audit
(`data_quality.label_audit`) finds wrong labels in all sources in the same way.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from distillery.generation.prompts import with_article
from distillery.generation.scoring.scores import Scorer
from distillery.jobs import UserError, log, one_line
from distillery.storage.hub_access import hub_or_cache


class ClipScorer(Scorer):
    """A CLIP model that scores images. It is loaded when the first image needs a score.

    Args:
        model: id of a CLIP model on the Hugging Face hub, or a folder.
        classes: the names of the classes to choose from.
    """

    by = "clip"

    def __init__(self, model: str, classes: Sequence[str]):
        super().__init__(classes)
        self.model = model
        self._loaded: tuple[Any, Any] | None = None

    @property
    def name(self) -> str:
        """The model and its classes: what `clip_scorer` records."""
        return f"{self.model}: {', '.join(self.classes)}"

    def probabilities(self, images: Sequence[bytes]) -> np.ndarray:
        """Probability of every class for each image (encoded as JPEG or PNG): float [N, C], rows sum to 1."""
        import torch

        network, processor = self._load()
        texts = [f"a photo of {with_article(name)}" for name in self.classes]
        decoded = [Image.open(io.BytesIO(data)).convert("RGB") for data in images]
        inputs = processor(text=texts, images=decoded, return_tensors="pt", padding=True).to(network.device)
        with torch.inference_mode():
            return network(**inputs).logits_per_image.softmax(dim=1).float().cpu().numpy()

    def _load(self) -> tuple[Any, Any]:
        if self._loaded is None:
            import torch
            from transformers import CLIPModel, CLIPProcessor

            try:
                with hub_or_cache(self.model):
                    network = CLIPModel.from_pretrained(self.model).eval()
                    processor = CLIPProcessor.from_pretrained(self.model)
            except Exception as error:  # the hub and transformers share no type of error
                reason = one_line(error, 200)
                raise UserError(
                    f"clip_scorer {self.model} cannot be loaded as a CLIP model ({reason}). Check its path or id."
                ) from error
            self._loaded = network.to("cuda" if torch.cuda.is_available() else "cpu"), processor
            log.info("scoring with %s", self.model)
        return self._loaded
