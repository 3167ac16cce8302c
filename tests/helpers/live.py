"""A live session without devices: a model that costs nothing, plans, and sound through them."""

import os
from pathlib import Path

import numpy as np
import pytest

from isolde.core.signal.features import Features
from isolde.live.plan import make_plan
from isolde.models.card import Card
from isolde.models.catalogue import save
from isolde.separation.settings import SeparationSettings

RATE = 44100
LOOK_AHEAD = 2
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
PATIENCE = 30.0
"""Seconds to wait for the worker where a test is about sound and not about time."""


def small_model(folder):
    """A model that costs nothing: mask = sigmoid(frames - 2), for the frame two before."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    shape = ["batch", "n", 513]
    nodes = [
        helper.make_node("Add", ["frames", "bias"], ["shifted"]),
        helper.make_node("Sigmoid", ["shifted"], ["mask"]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("frames", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("mask", TensorProto.FLOAT, shape)],
        [helper.make_tensor("bias", TensorProto.FLOAT, [1], [-2.0])],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    card = Card(
        name="small",
        summary="for tests",
        stems=("vocals",),
        residual="accompaniment",
        look_ahead=LOOK_AHEAD,
        past=0,
        features=Features(),
        sha256="",
        licence="none",
    )
    return str(save(folder, card, made.SerializeToString()).path)


def plan_for(model, **settings):
    fields = SeparationSettings.__dataclass_fields__.keys() & settings.keys()
    separation = SeparationSettings(str(model), **{name: settings.pop(name) for name in fields})
    usual = {"sample_rate": RATE, "n_channels": 2, "seconds": 60.0}
    return make_plan(separation, **{**usual, **settings})


def run(pipeline, audio, *, patience=PATIENCE):
    """All of `audio` through a pipeline as a sound card would, and what it plays, in full."""
    block = pipeline.plan.block
    whole = np.pad(audio, ((0, 0), (0, pipeline.plan.delay + block)))
    heard = []
    for at in range(0, whole.shape[1] - block, block):
        pipeline.push(whole[:, at : at + block])
        heard.append(pipeline.pull(block, patience=patience))
    return np.concatenate(heard, 1)
