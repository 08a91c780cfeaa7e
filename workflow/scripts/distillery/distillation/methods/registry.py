"""All methods by their names in the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from distillery.distillation.methods.arm import Arm
from distillery.distillation.methods.faulty_methods import (
    FaultyCrossEntropy,
    FaultyKD,
    PublishedCrossEntropy,
    PublishedKD,
)
from distillery.distillation.methods.feature_methods import AttentionTransfer, FitNet
from distillery.distillation.methods.label_methods import CrossEntropy, LabelSmoothing, UniformTeacher
from distillery.distillation.methods.logit_methods import DIST, DKD, KD, HardTeacher, StandardizedKD
from distillery.jobs import UserError

METHODS: dict[str, type[Arm]] = {
    arm.method: arm
    for arm in (
        *(CrossEntropy, LabelSmoothing),
        *(KD, DKD, DIST, StandardizedKD, AttentionTransfer, FitNet),
        *(HardTeacher, UniformTeacher),
        *(FaultyCrossEntropy, FaultyKD, PublishedCrossEntropy, PublishedKD),
    )
}


def arm_of(section: Mapping[str, Any]) -> Arm:
    """An arm from its section of the configuration.

    Raises:
        UserError: the method or one of its settings is unknown, or a setting is missing.
    """
    settings = dict(section)
    method = settings.pop("method")
    if method not in METHODS:
        raise UserError(f"arm: method {method!r} is unknown; choose one of {', '.join(METHODS)}")
    known = [field.name for field in fields(METHODS[method])]
    if unknown := sorted(set(settings) - set(known)):
        raise UserError(f"arm: {method} has no {', '.join(unknown)}; it has {', '.join(known) or 'no settings'}")
    if missing := [name for name in known if name not in settings]:
        raise UserError(f"arm: {method} needs {', '.join(missing)}")
    return METHODS[method](**{name: _value(value) for name, value in settings.items()})


def _value(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else float(value)
