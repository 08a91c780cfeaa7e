"""A second opinion on generated images: CLIP's probability that each shows the class it was made for.

Zero-shot as in Radford et al. (2021), section 3.1: softmax over the classes' captions `a photo of a {class}`. It is
recorded, never acted upon: what to leave out is decided where all sources are treated alike, by the teacher's audit.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from distillery.generation.prompts import with_article
from distillery.jobs import UserError, log, one_line, progress
from distillery.storage.records import ImageRecord
from distillery.storage.store import Store

BATCH = 64  # images at a time
Entries = list[tuple[ImageRecord, bytes | None]]


class ClipScorer:
    """CLIP, loaded when the first image needs it.

    Args:
        model: a CLIP model's id on the Hugging Face hub, or a folder.
        classes: the names among which it chooses.
    """

    def __init__(self, model: str, classes: Sequence[str]):
        self.model, self.classes = model, list(classes)
        self._loaded: tuple[Any, Any] | None = None

    def clip_scorer(self, entries: Entries, kept: Store) -> Entries:
        """Entries of one class with the probability of it (`clip_score`, and by whom); those scored before as they are.

        New opinions go into the store, so that no image is scored twice.
        """
        fresh = [i for i, (record, data) in enumerate(entries) if data is not None and not self._knows(record)]
        entries = list(entries)
        batches = [fresh[start : start + BATCH] for start in range(0, len(fresh), BATCH)]
        for batch in progress(batches, label="judging", unit="batches"):
            found = self.probabilities([entries[i][1] for i in batch])
            for i, row in zip(batch, found, strict=True):
                record, data = entries[i]
                probability = round(float(row[self.classes.index(record.label)]), 6)
                entries[i] = replace(record, clip_scorer=self._name(), clip_score=probability), data
                kept.put(record.origin, *entries[i])
        return entries

    def probabilities(self, images: Sequence[bytes]) -> np.ndarray:
        """Of every class for each image: float [N, C], rows sum to 1."""
        import torch

        network, processor = self._load()
        texts = [f"a photo of {with_article(name)}" for name in self.classes]
        decoded = [Image.open(io.BytesIO(data)).convert("RGB") for data in images]
        given = processor(text=texts, images=decoded, return_tensors="pt", padding=True).to(network.device)
        with torch.inference_mode():
            return network(**given).logits_per_image.softmax(dim=1).float().cpu().numpy()

    def _name(self) -> str:
        """Who judges, and among what."""
        return f"{self.model}: {', '.join(self.classes)}"

    def _knows(self, record: ImageRecord) -> bool:
        return record.clip_scorer == self._name()

    def _load(self) -> tuple[Any, Any]:
        if self._loaded is None:
            import torch
            from transformers import CLIPModel, CLIPProcessor

            try:
                network = CLIPModel.from_pretrained(self.model).eval()
                processor = CLIPProcessor.from_pretrained(self.model)
            except Exception as error:  # the hub and transformers share no type of error
                reason = one_line(error, 200)
                raise UserError(
                    f"clip_scorer {self.model} cannot be loaded as a CLIP model ({reason}). Check its path or id."
                ) from error
            self._loaded = network.to("cuda" if torch.cuda.is_available() else "cpu"), processor
            log.info("judging with %s", self.model)
        return self._loaded
