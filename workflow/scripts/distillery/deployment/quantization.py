"""Quantizes an exported student to 8-bit integers, by onnxruntime's own tools, calibrated on train images."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from distillery.deployment.export import without_traces
from distillery.jobs import UserError, log, one_line
from distillery.storage.files import atomic_write
from distillery.storage.onnx_digest import KEY, with_digest

IMAGES = 256  # for calibration; the ranges of activations hardly change with more
# each range is the mean over batches: one unusual image does not stretch it, as it does where the smallest and largest
# value of all images count. Larger batches stretch it more, single images cut off too much
BATCH = 8
# layers whose inputs and weights become integers; scaling, normalization, reduction and softmax stay in float32
QUANTIZED = ("Conv", "Gemm", "Add", "MaxPool", "AveragePool", "GlobalAveragePool")


class TrainImages(CalibrationDataReader):
    """Batches of train images in the file's input format: uint8 [B, S, S, 3]."""

    def __init__(self, images: np.ndarray):
        self.batches: Iterator[np.ndarray] = iter(
            np.ascontiguousarray(images[start : start + BATCH]) for start in range(0, len(images), BATCH)
        )

    def get_next(self) -> dict[str, np.ndarray] | None:
        batch = next(self.batches, None)
        return None if batch is None else {"images": batch}


@contextmanager
def without_advice() -> Iterator[None]:
    """Hide what onnxruntime's tools log at every call: they warn through the root logger."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(before)


def quantize_student(model: str | Path, images: np.ndarray, output: str | Path) -> None:
    """Write a statically quantized file with the same inputs, outputs and metadata; same images give the same bytes.

    Activations have 8 bits. Weights have 7, with a scale for each channel: with 8 bits, sums would saturate on a CPU
    with AVX2 but without VNNI. An activation's range is the mean of its ranges in batches of images.

    Args:
        model: the float32 `.onnx`.
        images: uint8 [N, S, S, 3], train images without augmented copies.
        output: the `.onnx` to write.

    Raises:
        UserError: there are no images, or onnxruntime cannot quantize the network.
    """
    if not len(images):
        raise UserError(f"{output}: there are no train images to calibrate it on")
    chosen = images[np.linspace(0, len(images) - 1, min(IMAGES, len(images))).round().astype(int)]
    with without_advice(), tempfile.TemporaryDirectory() as folder:
        prepared, quantized = Path(folder) / "prepared.onnx", Path(folder) / "int8.onnx"
        try:
            quant_pre_process(str(model), str(prepared), skip_symbolic_shape=True)
            quantize_static(
                str(prepared),
                str(quantized),
                TrainImages(chosen),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=list(QUANTIZED),
                nodes_to_exclude=before_first_convolution(onnx.load(str(prepared))),
                per_channel=True,
                reduce_range=True,
                extra_options={"CalibMovingAverage": True},
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
        except Exception as error:  # the tools' errors share no narrower base class
            raise UserError(f"{output}: {model} cannot be quantized ({one_line(error, 160)})") from error
        found = with_short_names(without_traces(onnx.load(str(quantized))))
    about = {each.key: each.value for each in onnx.load(str(model)).metadata_props if each.key != KEY}
    onnx.helper.set_model_props(found, about | {"precision": "int8"})
    onnx.checker.check_model(found)
    data = with_digest(found.SerializeToString(deterministic=True))
    log.info("%d bytes instead of %d, calibrated on %d images", len(data), Path(model).stat().st_size, len(chosen))
    atomic_write(output, data)


def with_short_names(model: Any) -> Any:
    """Shorten all names but those of inputs and outputs, in place: names take a twentieth of the file."""
    kept = {value.name for value in (*model.graph.input, *model.graph.output)}
    names: dict[str, str] = {}

    def short(name: str) -> str:
        return name if not name or name in kept else names.setdefault(name, f"v{len(names)}")

    for node in model.graph.node:
        node.name = ""
        node.input[:] = [short(name) for name in node.input]
        node.output[:] = [short(name) for name in node.output]
    for tensor in model.graph.initializer:
        tensor.name = short(tensor.name)
    del model.graph.value_info[:]  # shapes of activations, which the runtime infers itself
    return model


def before_first_convolution(model: Any) -> list[str]:
    """Names of the nodes before the first convolution, which prepare the images."""
    names = []
    for node in model.graph.node:
        if node.op_type == "Conv":
            break
        names.append(node.name)
    return names
