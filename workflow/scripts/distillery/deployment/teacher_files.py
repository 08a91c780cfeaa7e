"""The teacher as a file that can be measured: exported, or the user's own ONNX file.

Adopted teachers resize images with antialiasing, which PyTorch's ONNX exporter lacks. An exported teacher applies the
same filter as two products with a constant matrix, computed by PyTorch's interpolation.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import NamedTuple

import onnx
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distillery.deployment.export import Deployed, largest_difference, sample_images, to_onnx
from distillery.jobs import one_line
from distillery.models.adopted import AdoptedNetwork, OnnxNetwork, runs_on_cpu
from distillery.models.weights import TrainedNetwork

TOLERANCE = 1e-3  # of a probability; a zero-shot teacher multiplies cosines, and their rounding errors, by about 100
FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16, onnx.TensorProto.DOUBLE)


class TeacherFile(NamedTuple):
    """A teacher's file, or why there is none.

    Attributes:
        path: of the file; None if there is none.
        shape: of one image in the input format of a user's own file, which has its own classes; else empty.
        reason: why there is no file, in words.
    """

    path: Path | None
    shape: tuple[int, ...] = ()
    reason: str = ""


class MatrixResize(nn.Module):
    """Resizes images [B, 3, S, S] to [B, 3, T, T] like F.interpolate with antialiasing; values are not clamped.

    Args:
        side, target: S and T, pixels.
        mode: bicubic or bilinear.
    """

    matrix: Tensor

    def __init__(self, side: int, target: int, mode: str):
        super().__init__()
        # the matrix's columns are the resized unit vectors
        rows = torch.eye(side).reshape(side, 1, side, 1).expand(-1, 1, -1, side)
        found = F.interpolate(rows, (target, target), mode=mode, antialias=True)
        self.register_buffer("matrix", found[:, 0, :, 0].T.contiguous())

    def forward(self, x: Tensor) -> Tensor:
        return self.matrix @ x @ self.matrix.T


def write_teacher_file(trained: TrainedNetwork, folder: str | Path) -> TeacherFile:
    """Export a teacher to a folder; write a teacher that is an ONNX file as it is.

    Args:
        trained: of any kind.
    """
    path, network = Path(folder) / "teacher.onnx", trained.network
    if isinstance(network, OnnxNetwork):
        path.write_bytes(network.content.cpu().numpy().tobytes())
        side = network.about["side"]
        return TeacherFile(path, (side, side, 3) if network.about["channels_last"] else (3, side, side))
    if runs_on_cpu(network):
        return TeacherFile(None, reason="one of its members is an ONNX file, which cannot be exported with the others")
    deployed = Deployed(_with_matrices(network, trained.image_size), range(len(trained.classes))).eval()
    metadata = {"classes": json.dumps(trained.classes), "image_size": str(trained.image_size)}
    try:
        data = to_onnx(deployed, trained.image_size, metadata)
        images = sample_images(trained.image_size)
        difference = largest_difference(data, Deployed(network, range(len(trained.classes))).eval(), images)
    except Exception as error:  # the exporter and onnxruntime have no common error
        return TeacherFile(None, reason=f"it cannot be exported ({one_line(error, 120)})")
    if not difference <= TOLERANCE:  # also if it is NaN
        return TeacherFile(None, reason=f"exported, its probabilities differ by {difference:.2g}")
    path.write_bytes(data)
    return TeacherFile(path)


def _with_matrices(network: nn.Module, side: int) -> nn.Module:
    """A copy of a network whose adopted parts resize by matrices."""
    copied = copy.deepcopy(network)
    for part in copied.modules():
        if isinstance(part, AdoptedNetwork) and part.about["side"] != side:
            part.resize = MatrixResize(side, part.about["side"], part.about["interpolation"])
    return copied


def count_weights(path: str | Path) -> int:
    """The number of weights in an ONNX file: elements of its constants of floating-point or 8-bit type."""
    kept = (*FLOATS, onnx.TensorProto.INT8, onnx.TensorProto.UINT8)
    return sum(
        int(torch.tensor(part.dims).prod()) for part in onnx.load(str(path)).graph.initializer if part.data_type in kept
    )
