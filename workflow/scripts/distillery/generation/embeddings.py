"""Text embeddings of prompts, each text encoded once: a thousand images may share ten prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

MAX_CACHED = 256  # texts; Stable Diffusion 3 with T5 takes 3 MB for each
# pipelines that encode a negative prompt like any other text, and the names of the embeddings of a text
EMBEDDINGS = {
    "StableDiffusionPipeline": ("prompt_embeds",),
    "StableDiffusionImg2ImgPipeline": ("prompt_embeds",),
    "StableDiffusion3Pipeline": ("prompt_embeds", "pooled_prompt_embeds"),
    "StableDiffusion3Img2ImgPipeline": ("prompt_embeds", "pooled_prompt_embeds"),
}


class PromptEncoder:
    """Encodes the prompts of a diffusers pipeline, with a cache.

    Args:
        pipeline: from `load_pipeline`. A pipeline that is not in `EMBEDDINGS` gets the texts and encodes them itself.
    """

    def __init__(self, pipeline: Any):
        self.pipeline = pipeline
        self.names = EMBEDDINGS.get(type(pipeline).__name__)
        self._cache: dict[str, tuple[Any, ...]] = {}

    def arguments(self, prompts: Sequence[str], negative: str, guided: bool) -> dict[str, Any]:
        """Keyword arguments for the pipeline: embeddings [B, …], or texts.

        Args:
            prompts: B texts.
            negative: the negative prompt of all images; may be empty.
            guided: whether classifier-free guidance is used, which needs the negative prompt.
        """
        if self.names is None:
            unwanted = {"negative_prompt": [negative] * len(prompts)} if negative else {}
            return {"prompt": list(prompts), **unwanted}
        found = dict(zip(self.names, self._encoded(prompts, len(self.names) > 1), strict=True))
        if guided:
            names = [f"negative_{name}" for name in self.names]
            found |= zip(names, self._encoded([negative] * len(prompts), len(self.names) > 1), strict=True)
        return found

    def _encoded(self, texts: Sequence[str], several_encoders: bool) -> list[Any]:
        """The embeddings of texts, one tensor [B, …] for each name in `names`."""
        import torch

        if new := [text for text in dict.fromkeys(texts) if text not in self._cache]:
            more = {"prompt_2": None, "prompt_3": None} if several_encoders else {}
            device = self.pipeline._execution_device
            options = {"device": device, "num_images_per_prompt": 1, "do_classifier_free_guidance": False}
            results = self.pipeline.encode_prompt(prompt=new, **more, **options)
            results = results[::2]  # every second result belongs to the negative prompt
            self._cache |= {text: parts for text, *parts in zip(new, *results, strict=True)}
        stacked = [torch.stack(parts) for parts in zip(*(self._cache[text] for text in texts), strict=True)]
        while len(self._cache) > MAX_CACHED:
            del self._cache[next(iter(self._cache))]
        return stacked
