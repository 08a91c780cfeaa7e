"""Configuration sections for teachers that are not trained by the study, and a function that writes ONNX files."""

import onnx
import torch

from distillery.config.defaults import defaults_of
from distillery.config.models.teachers import CheckpointConfig, ZeroShotConfig

NAMES = ["Red", "light_green", "dark green", "blue"]
TABLE = {"green": ["1-2"]}


def checkpoint(model, **settings):
    return {"kind": "checkpoint", "checkpoint": defaults_of(CheckpointConfig) | {"model": str(model)} | settings}


def zero_shot(model, **settings):
    return {"kind": "zero_shot", "zero_shot": defaults_of(ZeroShotConfig) | {"model": str(model)} | settings}


def torch_onnx(network, path, example, batch=True):
    shapes = ({0: torch.export.Dim("N")},) if batch else None
    program = torch.onnx.export(
        network, (example,), dynamo=True, input_names=["x"], output_names=["y"], dynamic_shapes=shapes, verbose=False
    )
    onnx.save(program.model_proto, path)
