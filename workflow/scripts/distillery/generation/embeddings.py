"""Prompts as the denoiser reads them, each text encoded once: ten published prompts make a thousand images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

MOST = 256  # texts to remember; of Stable Diffusion 3 with T5 each takes 3 MB
# pipelines whose negative prompts are encoded as any other text, and what `encode_prompt` gives of one
RESULTS = {
    "StableDiffusionPipeline": ("prompt_embeds",),
    "StableDiffusion3Pipeline": ("prompt_embeds", "pooled_prompt_embeds"),
}


class PromptEncoder:
    """The text part of a pipeline of diffusers.

    Args:
        pipeline: of `load_pipeline`; one that is not in `RESULTS` is given the texts as they are.
    """

    def __init__(self, pipeline: Any):
        self.pipeline = pipeline
        self.names = RESULTS.get(type(pipeline).__name__)
        self._known: dict[str, tuple[Any, ...]] = {}

    def arguments(self, prompts: Sequence[str], negative: str, guided: bool) -> dict[str, Any]:
        """What to call the pipeline with: embeddings [B, …], or texts.

        Args:
            prompts: B texts.
            negative: the negative prompt of all; may be empty.
            guided: whether classifier-free guidance is used, which needs the negative prompt.
        """
        if self.names is None:
            unwanted = {"negative_prompt": [negative] * len(prompts)} if negative else {}
            return {"prompt": list(prompts), **unwanted}
        found = dict(zip(self.names, self._encoded(prompts), strict=True))
        if guided:
            names = [f"negative_{name}" for name in self.names]
            found |= zip(names, self._encoded([negative] * len(prompts)), strict=True)
        return found

    def _encoded(self, texts: Sequence[str]) -> list[Any]:
        import torch

        if new := [text for text in dict.fromkeys(texts) if text not in self._known]:
            more = {"prompt_2": None, "prompt_3": None} if len(self.names) > 1 else {}
            device = self.pipeline._execution_device
            given = {"device": device, "num_images_per_prompt": 1, "do_classifier_free_guidance": False}
            results = self.pipeline.encode_prompt(prompt=new, **more, **given)[
                ::2
            ]  # the others are of negative prompts
            self._known |= {text: parts for text, *parts in zip(new, *results, strict=True)}
        stacked = [torch.stack(parts) for parts in zip(*(self._known[text] for text in texts), strict=True)]
        while len(self._known) > MOST:
            del self._known[next(iter(self._known))]
        return stacked
