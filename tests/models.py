"""Tiny models with random weights, in the layouts in which real ones come."""

import json
from pathlib import Path

import numpy as np
import onnx
import tokenizers
from onnx import TensorProto, helper, numpy_helper

SIDE, DIMENSIONS, WORDS = 8, 16, 64
_PREPROCESSOR = {
    "size": {"shortest_edge": SIDE},
    "crop_size": {"height": SIDE, "width": SIDE},
    "image_mean": [0.5] * 3,
    "image_std": [0.5] * 3,
}


def write_clip(folder: Path, seed: int = 0) -> Path:
    """CLIP as optimum exports it: linear on pixels, and a mean of word vectors."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    pixels = 3 * SIDE * SIDE
    _write(
        folder / "vision_model.onnx",
        [helper.make_node("Flatten", ["pixel_values"], ["flat"]), _matmul("flat", "weight", "image_embeds")],
        [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])],
        ("image_embeds", [None, DIMENSIONS]),
        {"weight": rng.normal(size=(pixels, DIMENSIONS)).astype(np.float32)},
    )
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["n", "length"])
    _write(
        folder / "text_model.onnx",
        [
            helper.make_node("Gather", ["vectors", "input_ids"], ["words"]),
            helper.make_node("ReduceMean", ["words", "axis"], ["text_embeds"], keepdims=0),
        ],
        [ids],
        ("text_embeds", [None, DIMENSIONS]),
        {"vectors": rng.normal(size=(WORDS, DIMENSIONS)).astype(np.float32), "axis": np.array([1], np.int64)},
    )
    vocabulary = {"[UNK]": 0, "[PAD]": 1} | {word: 2 + i for i, word in enumerate("the river of a letter".split())}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "preprocessor_config.json").write_text(json.dumps(_PREPROCESSOR))
    return folder


def write_classifier(folder: Path, label: str = "nsfw") -> Path:
    """Logit of the label: ten times the mean of the red channel, which is -1 to 1."""
    folder.mkdir(parents=True)
    weight = np.zeros((3 * SIDE * SIDE, 2), np.float32)
    weight[: SIDE * SIDE, 1] = 10 / (SIDE * SIDE)
    _write(
        folder / "model.onnx",
        [helper.make_node("Flatten", ["pixel_values"], ["flat"]), _matmul("flat", "weight", "logits")],
        [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])],
        ("logits", [None, 2]),
        {"weight": weight},
    )
    (folder / "config.json").write_text(json.dumps({"id2label": {"0": "normal", "1": label}}))
    (folder / "preprocessor_config.json").write_text(json.dumps(_PREPROCESSOR))
    return folder


def write_head(path: Path) -> Path:
    """An aesthetic score: the sum of the embedding."""
    _write(
        path,
        [_matmul("embedding", "weight", "score")],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", DIMENSIONS])],
        ("score", [None, 1]),
        {"weight": np.ones((DIMENSIONS, 1), np.float32)},
    )
    return path


def _matmul(left: str, right: str, out: str) -> onnx.NodeProto:
    return helper.make_node("MatMul", [left, right], [out])


def _write(
    path: Path,
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    output: tuple[str, list[int | None]],
    weights: dict[str, np.ndarray],
) -> None:
    outputs = [helper.make_tensor_value_info(output[0], TensorProto.FLOAT, output[1])]
    constants = [numpy_helper.from_array(values, name) for name, values in weights.items()]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, str(path))
