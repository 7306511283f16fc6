"""LiteRT files as trees of objects: what ops they have, and what a converter has no setting for."""

from collections import Counter

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

_CONVOLUTIONS = (schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.DEPTHWISE_CONV_2D)


def describe(content: bytes, text: str) -> bytes:
    """The file with a description in it, which says what goes in and comes out."""
    model = _unpack(content)
    model.description = text
    return _pack(model)


def count_ops(content: bytes) -> dict[str, int]:
    """How often a LiteRT file has each op, in all its subgraphs; those not built in under the name they give."""
    model = _unpack(content)
    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
    codes, customs = _codes(model), [op.customCode for op in model.operatorCodes]
    counts: Counter[str] = Counter()
    for graph in model.subgraphs:
        for op in graph.operators:
            custom = customs[op.opcodeIndex]
            counts[custom.decode() if custom else names[codes[op.opcodeIndex]]] += 1
    return dict(sorted(counts.items()))


def is_built_in(name: str) -> bool:
    """Whether LiteRT has an op of this name built in."""
    return hasattr(schema.BuiltinOperator, name)


def convolve_in_floats(content: bytes) -> bytes:
    """A file quantised by dynamic range, its convolutions in float32 again, their kernels still stored as int8.

    The runtime unpacks the kernels once, when it starts. Left as they were, convolutions would round what goes into
    each to 256 steps, and these errors add up from layer to layer.
    """
    model = _unpack(content)
    codes = _codes(model)
    if not set(_CONVOLUTIONS) & set(codes):
        return content
    unpack = _code_of(model, schema.BuiltinOperator.DEQUANTIZE)
    for graph in model.subgraphs:
        operators = []
        for op in graph.operators:
            is_convolution = codes[op.opcodeIndex] in _CONVOLUTIONS
            if is_convolution and graph.tensors[op.inputs[1]].type == schema.TensorType.INT8:
                unpacking, place = _unpacking(graph, op.inputs[1], unpack)
                operators.append(unpacking)
                op.inputs = np.array([op.inputs[0], place, *op.inputs[2:]], np.int32)
            operators.append(op)
        graph.operators = operators
    return _pack(model)


def _unpacking(graph: schema.SubGraphT, tensor: int, code: int) -> tuple[schema.OperatorT, int]:
    """An op that turns an int8 tensor of a graph to float32, and the place of its new output among the tensors."""
    stored, floats, op = graph.tensors[tensor], schema.TensorT(), schema.OperatorT()
    floats.name, floats.shape, floats.type = stored.name + b"_float32", stored.shape, schema.TensorType.FLOAT32
    graph.tensors.append(floats)
    op.opcodeIndex, op.inputs = code, np.array([tensor], np.int32)
    op.outputs = np.array([len(graph.tensors) - 1], np.int32)
    op.builtinOptionsType, op.builtinOptions = schema.BuiltinOptions.DequantizeOptions, schema.DequantizeOptionsT()
    return op, len(graph.tensors) - 1


def _code_of(model: schema.ModelT, builtin: int) -> int:
    """The place of a built-in op among those that a file uses, where it is put if need be."""
    if builtin not in _codes(model):
        code = schema.OperatorCodeT()
        # As of version 2 it takes int8.
        code.builtinCode, code.deprecatedBuiltinCode, code.version = builtin, builtin, 2
        model.operatorCodes.append(code)
    return _codes(model).index(builtin)


def _codes(model: schema.ModelT) -> list[int]:
    """Which built-in op each of those that a file uses is."""
    # Files of the first years have the code in a field of one byte.
    return [max(op.builtinCode, op.deprecatedBuiltinCode) for op in model.operatorCodes]


def _unpack(content: bytes) -> schema.ModelT:
    return schema.ModelT.InitFromPackedBuf(content, 0)


def _pack(model: schema.ModelT) -> bytes:
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
