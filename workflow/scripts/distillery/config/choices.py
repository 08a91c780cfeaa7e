"""The values that keys of the configuration accept, and the names that a user may choose.

Standard library only: jobs that train or crawl import these lists and must not wait for pydantic to load.
"""

from typing import Literal, get_args

WebSearch = Literal["google", "bing", "openverse", "commons", "inaturalist"]
SourceKind = Literal[WebSearch, "urls", "folder", "huggingface", "diffusion"]
Network = Literal[
    "resnet8_half", "resnet8", "resnet20", "resnet8x4", "resnet18", "convnet_s", "convnet_m", "convnet_l", "convnet_xl"
]
# of the name of a network of timm, with or without a tag for its weights
TIMM_PATTERN = r"timm/[a-z0-9_]+(\.[a-z0-9_]+)?"
# of a commit on the hub, a revision that never changes; a branch or a tag may
COMMIT_PATTERN = r"[0-9a-f]{40}"
TrainedPart = Literal["all", "head"]
View = Literal["auto", "pad_crop", "resized_crop"]
Optimizer = Literal["sgd", "muon"]
Schedule = Literal["cosine", "triangular", "constant"]
PromptStyle = Literal["published", "composed"]
Fill = Literal["reflect", "edge", "gray"]
Augmentation = Literal["none", "color", "rotation"]
TeacherKind = Literal["train", "checkpoint", "zero_shot", "several"]
MemberKind = Literal["train", "checkpoint", "zero_shot"]
OnnxOutput = Literal["logits", "probabilities"]
ClassPrior = Literal["study", "model"]
TeacherDataKind = Literal["cifar10", "folder", "huggingface", "sources", "drawn", "none"]
Unavailable = Literal["stop", "skip"]
ImageKind = Literal[
    "photo", "drawing", "icon", "text", "screenshot", "collage", "blurred", "dark", "extreme_aspect"
]  # as `curation.kinds` finds them

UNLABELED = "unlabeled"  # in place of the class, for images without a label
ScratchFault = Literal["double_softmax", "class_ordered", "optimizer", "budget", "no_augmentation"]
Fault = Literal["double_softmax", "trained_teacher", "class_ordered", "optimizer", "budget", "no_augmentation"]

# of the names of classes, sources, arms and scenarios. File names of at most 255 characters contain up to two of them
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$"
RESERVED_NAMES = {  # by section: names that mean something else in tables and figures
    "classes": ("all",),
    "sources": ("common", "own", "own_test", "attempts"),
    "arms": ("teacher", "distilled", "from_scratch"),
    "scenarios": ("teacher",),
}
WEB_SEARCHES: tuple[str, ...] = get_args(WebSearch)
SOURCE_KINDS: tuple[str, ...] = get_args(SourceKind)
NETWORKS: tuple[str, ...] = get_args(Network)
OPTIMIZERS: tuple[str, ...] = get_args(Optimizer)
SCHEDULES: tuple[str, ...] = get_args(Schedule)
