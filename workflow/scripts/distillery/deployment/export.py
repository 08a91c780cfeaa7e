"""Exports a student as one ONNX file that needs neither Distillery nor PyTorch.

Input `images`: uint8 [N, S, S, 3], RGB as Pillow gives it. Output `probabilities`: float32 [N, K], of the classes
trained on. Scale, normalization and softmax are in the graph, so that a program only has to prepare the images. The
names of the classes and S are in the file's metadata.
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

from distillery.deployment.card import CardSettings, write_card
from distillery.deployment.student_facts import read_facts
from distillery.display_names import not_run_text
from distillery.jobs import OUTCOME, UserError, log
from distillery.models.weights import load_weights
from distillery.splits.refused_sources import RETRY
from distillery.splits.scenario_plan import not_run_reason
from distillery.storage.files import atomic_write
from distillery.storage.onnx_digest import with_digest

OPSET = 18  # the exporter's native opset, so that nothing is converted; ONNX Runtime 1.18 (2024) and later read it
TOLERANCE = 1e-5  # of a probability; float32 sums in another order differ by about 1e-7
SAMPLES = 16  # images on which file and network must agree


class Deployed(nn.Module):
    """A network with its pre- and postprocessing: images in, probabilities out.

    Args:
        network: RGB in [0, 1], float [N, 3, S, S] → logits [N, C].
        trained: int64 [K], the classes it was trained on. Logits of other classes are left out.
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
    predictions: str | Path,
    runs: str | Path,
    plan: str | Path,
    settings: CardSettings,
    model: str | Path,
    card: str | Path,
) -> None:
    """Write a student as ONNX, and its card; neither if the file's predictions differ from the network's.

    Args:
        weights: of the run, as `train_student` writes them.
        metrics, predictions: of the run, as `evaluate_students` writes them.
        runs: the table of all runs of the scenario.
        plan: the scenario's plan, which lists the train images.
        settings: what the configuration says about the student.
        model: the `.onnx` to write.
        card: the `.md` to write.

    Raises:
        UserError: the scenario is not run, a file is damaged or of another run, or the exported model predicts
            differently.
    """
    if reason := not_run_reason(plan):
        raise UserError(f"{model}: there is no student to export, its scenario is {not_run_text(reason)}. {RETRY}.")
    student = load_weights(weights)
    facts = read_facts(metrics, predictions, runs, plan, student.classes)
    deployed = Deployed(student.network, facts.labels).eval()
    metadata = {
        "title": settings.title,
        "label": settings.label,
        "scenario": facts.scenario,
        "arm": facts.arm,
        "seed": str(facts.seed),
        "network": student.name,
        "classes": json.dumps(facts.classes),
        "image_size": str(student.image_size),
    }
    data = with_digest(to_onnx(deployed, student.image_size, metadata))
    difference = largest_difference(data, deployed, sample_images(student.image_size))
    if not difference <= TOLERANCE:  # also if it is NaN
        raise UserError(
            f"{model}: the exported model's probabilities differ from the network's by {difference:.2g}, more than"
            f" {TOLERANCE:g}. Nothing was written; install the versions of onnx, onnxscript and onnxruntime that"
            " requirements.txt names."
        )
    message = "%d bytes; on %d images of noise the file's probabilities differ from the network's by at most %.1e"
    log.info(message, len(data), SAMPLES, difference)
    write_card(card, facts, settings, student, model=Path(model).name, size=len(data), opset=OPSET)
    atomic_write(model, data)
    log.log(OUTCOME, "%s, and its card beside it", Path(model).resolve())


def to_onnx(deployed: Deployed, side: int, metadata: dict[str, str]) -> bytes:
    """The file's bytes, with graph, weights and metadata; the same network gives the same bytes.

    Args:
        deployed: in eval mode, on the CPU.
        side: S, pixels.
        metadata: read back by `InferenceSession.get_modelmeta().custom_metadata_map`.
    """
    example = torch.zeros(2, side, side, 3, dtype=torch.uint8)  # with one image, N would become a constant
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
    assert program is not None  # None only without dynamo=True
    proto = without_traces(program.model_proto)
    onnx.helper.set_model_props(proto, metadata)
    onnx.checker.check_model(proto)
    return proto.SerializeToString(deterministic=True)


def without_traces(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Remove the exporter's notes on every node: source lines of this program, with paths of this machine."""
    graph = proto.graph
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    return proto


def sample_images(side: int) -> np.ndarray:
    """Noise from faint to full contrast, uint8 [SAMPLES, side, side, 3]; the same every time."""
    noise = np.random.default_rng(0).uniform(-1, 1, (SAMPLES, side, side, 3))
    contrast = np.linspace(0, 1, SAMPLES).reshape(-1, 1, 1, 1)
    return (127.5 + 127.5 * contrast * noise).astype(np.uint8)


def largest_difference(data: bytes, deployed: Deployed, images: np.ndarray) -> float:
    """The largest difference between the probabilities of an ONNX file and of the network, over images and classes.

    Args:
        data: the file's bytes.
        deployed: the network.
        images: uint8 [N, S, S, 3].
    """
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    (found,) = session.run(["probabilities"], {"images": images})
    with torch.inference_mode():
        wanted = deployed(torch.from_numpy(images)).numpy()
    return float(np.abs(found - wanted).max())
