"""How much work a checked study is, for the forecast of its running time."""

from __future__ import annotations

from collections.abc import Iterator

from distillery.config.choices import WEB_SEARCHES
from distillery.config.defaults import arm_defaults
from distillery.config.queries.retrieval_queries import preflight_sources
from distillery.config.queries.source_queries import Study, classes_of, sources_of_kind
from distillery.config.queries.training_queries import (
    adopted_members,
    curated_size,
    recipe_of,
    tuning_of,
    uses_teacher,
)
from distillery.storage.work import SpeedRequest, Training, Work

PUBLISHED_EPOCHS = 7  # of the published recipe
# part of the name of a CLIP or SigLIP → the network of timm that is as large; the last one also for any other model
VISION = {
    "base-patch32": ("timm/vit_base_patch32_224", 224),
    "large-patch14-336": ("timm/vit_large_patch14_224", 336),
    "large-patch14": ("timm/vit_large_patch14_224", 224),
    "so400m": ("timm/vit_so400m_patch14_siglip_224", 224),
    "": ("timm/vit_base_patch16_224", 224),
}


def work_of(study: Study, *, gpus: int, without_gpu: bool) -> Work:
    """The work of a checked study; see `Work`.

    Args:
        gpus: number of GPUs that its jobs may use.
        without_gpu: whether it trains the networks for a machine without a GPU.
    """
    trained = study["teacher"]["kind"] == "train"
    used, sources = set(preflight_sources(study)), study["sources"]
    images = {name: sources[name]["per_class"] * len(classes_of(study, name)) for name in used}
    return Work(
        {name: (sources[name]["kind"], images[name]) for name in sources_of_kind(study, *WEB_SEARCHES) if name in used},
        {
            name: (sources[name]["model"], images[name], sources[name]["steps"], sources[name]["size"] ** 2)
            for name in sources_of_kind(study, "diffusion")
            if name in used
        },
        list(_trainings(study)),
        study["teacher"]["steps"] if trained else 0,
        (study["teacher"]["network"] if trained else "", study["student"]["network"]),
        study["contact"],
        "demo" in study,
        gpus,
        without_gpu,
    )


def _trainings(study: Study) -> Iterator[Training]:
    """The trainings of students, then of trials, of each scenario and arm."""
    steps = study["student"]["steps"]
    for scenario, settings in study["scenarios"].items():
        tuned, sources = set(), list(settings["train"])
        for name in settings["arms"]:
            method = study["arms"][name]["method"]
            teacher = uses_teacher(study, name)
            if method.startswith("published") or "budget" in study["arms"][name].get("faults", ()):
                images = sum(settings["train"].values()) * (1 if settings["augment"] == "none" else 2)
                batches = PUBLISHED_EPOCHS * images / study["student"]["batch"]  # counted in the student's batches
                yield Training(scenario, sources, study["seeds"], batches, teacher)
                continue
            yield Training(scenario, sources, study["seeds"], steps, teacher)
            found = tuning_of(study, scenario, name)
            if found and found[0] not in tuned:
                tuned.add(found[0])
                grid = found[1]
                trials = len(grid["lr"]) * len(grid["weight_decay"]) * grid["seeds"]
                yield Training(scenario, sources, trials, steps, teacher and found[0] != scenario)


def speed_request_of(study: Study) -> SpeedRequest:
    """The training steps to time before a forecast."""
    teacher = recipe_of(study, "teacher") if study["teacher"]["kind"] == "train" else {}
    student, classes = recipe_of(study, "student"), len(study["classes"])
    return SpeedRequest(
        teacher, student, curated_size(study), classes, arm_defaults("ce"), arm_defaults("kd"), list(_adopted(study))
    )


def _adopted(study: Study) -> Iterator[tuple[str, int]]:
    """The networks of teachers that the study does not train, as far as the configuration names them."""
    for member in adopted_members(study).values():
        settings = member[member["kind"]]
        if member["kind"] == "zero_shot":
            yield next(network for part, network in VISION.items() if part in settings["model"].lower())
        elif settings["network"].startswith("timm/"):
            yield settings["network"], settings["input_size"] or 224
