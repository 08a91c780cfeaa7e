"""From a student's weights to one ONNX file that needs neither this program nor PyTorch.

Input `images`: uint8 [N, S, S, 3], RGB as Pillow gives it. Output `probabilities`: float32 [N, K], of the classes
trained on. The scale, the normalization and the softmax are in the graph, so that a program around it has nothing to
get wrong but the preparation of the images; the names of the classes and S are in the file's metadata.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from distillery.deployment.card import Words, read_facts, write_card
from distillery.jobs import UserError, log
from distillery.models.weights import load_weights
from distillery.storage.files import atomic_write

OPSET = 18  # the exporter's own, so that nothing is converted; ONNX Runtime 1.18 (2024) and later read the file
TOLERANCE = 1e-5  # of a probability; float32 added in another order differs by 1e-7 or so
SAMPLES = 16  # images that file and network must agree on


class Deployed(nn.Module):
    """A network with all that stands before and after it: images in, probabilities out.

    Args:
        network: RGB in [0, 1], float [N, 3, S, S] → logits [N, C].
        trained: int64 [K], the classes it was trained on; the others' logits mean nothing.
    """

    def __init__(self, network: nn.Module, trained: Sequence[int]):
        super().__init__()
        self.network = network
        self.register_buffer("trained", torch.tensor(trained))

    def forward(self, images: Tensor) -> Tensor:
        """uint8 [N, S, S, 3] → probabilities [N, K]."""
        views = images.permute(0, 3, 1, 2).float() / 255
        return self.network(views).index_select(1, self.trained).softmax(dim=1)


def export_student(
    weights: str | Path,
    metrics: str | Path,
    runs: str | Path,
    plan: str | Path,
    words: Words,
    model: str | Path,
    card: str | Path,
) -> None:
    """Write a student as ONNX, and its card; neither unless the file answers as the network does.

    Args:
        weights, metrics: of the run, as `train_student` writes them.
        runs: the table of all runs of its scenario.
        plan: its scenario's, which says what it was trained and tested on.
        words: what the configuration says of it.
        model: the `.onnx` to write.
        card: the `.md` to write.

    Raises:
        UserError: a file is damaged or of another run, or the exported model answers differently.
    """
    student = load_weights(weights)
    facts = read_facts(metrics, runs, plan, student.classes)
    deployed = Deployed(student.network, facts.labels).eval()
    metadata = {
        "title": words.title,
        "label": words.label,
        "scenario": facts.scenario,
        "arm": facts.arm,
        "seed": str(facts.seed),
        "network": student.name,
        "classes": json.dumps(facts.classes),
        "image_size": str(student.image_size),
    }
    data = to_onnx(deployed, student.image_size, metadata)
    difference = largest_difference(data, deployed, sample_images(student.image_size))
    if not difference <= TOLERANCE:  # also where it is not a number
        raise UserError(
            f"{model}: the exported model's probabilities differ from the network's by {difference:.2g}, more than"
            f" {TOLERANCE:g}. Nothing was written; install the versions of onnx, onnxscript and onnxruntime that"
            " requirements.txt names."
        )
    log.info("%d bytes; on %d images at most %.1e from the network", len(data), SAMPLES, difference)
    write_card(card, facts, words, student, model=Path(model).name, size=len(data), opset=OPSET)
    atomic_write(model, data)


def to_onnx(deployed: Deployed, side: int, metadata: dict[str, str]) -> bytes:
    """The file's bytes: graph, weights and metadata in one; the same network gives the same bytes.

    Args:
        deployed: in eval mode, on the CPU.
        side: S, pixels.
        metadata: read back by `InferenceSession.get_modelmeta().custom_metadata_map`.
    """
    example = torch.zeros(2, side, side, 3, dtype=torch.uint8)  # of one image, N would be taken for a constant
    program = torch.onnx.export(
        deployed,
        (example,),
        dynamo=True,
        input_names=["images"],
        output_names=["probabilities"],
        dynamic_shapes={"images": {0: torch.export.Dim("N")}},
        opset_version=OPSET,
        verbose=False,
    )
    proto = without_traces(program.model_proto)
    onnx.helper.set_model_props(proto, metadata)
    onnx.checker.check_model(proto)
    return proto.SerializeToString(deterministic=True)


def without_traces(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Take out what the exporter notes on every node: lines of this program, with the paths they have here."""
    graph = proto.graph
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    return proto


def sample_images(side: int) -> np.ndarray:
    """LabelIssues from faint to full contrast, uint8 [SAMPLES, side, side, 3]; the same every time."""
    noise = np.random.default_rng(0).uniform(-1, 1, (SAMPLES, side, side, 3))
    contrast = np.linspace(0, 1, SAMPLES).reshape(-1, 1, 1, 1)
    return (127.5 + 127.5 * contrast * noise).astype(np.uint8)


def largest_difference(data: bytes, deployed: Deployed, images: np.ndarray) -> float:
    """How far the probabilities of an ONNX file are from the network's, over all classes of images [N, S, S, 3]."""
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    (found,) = session.run(["probabilities"], {"images": images})
    with torch.inference_mode():
        wanted = deployed(torch.from_numpy(images)).numpy()
    return float(np.abs(found - wanted).max())
