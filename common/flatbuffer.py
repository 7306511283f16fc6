"""LiteRT files as trees of objects: what ops they have, and what a converter has no setting for."""

from collections import Counter
from collections.abc import Iterator

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


def has_convolutions(content: bytes) -> bool:
    """Whether a LiteRT file convolves."""
    return bool(set(_CONVOLUTIONS) & set(_codes(_unpack(content))))


def convolve_in_floats(content: bytes, whole: bytes) -> bytes:
    """A file quantised by dynamic range, its convolutions in float32 again, with kernels stored as float16.

    Convolutions that round what goes into each to 256 steps, and their kernels as well, add up these errors from layer
    to layer. The runtime unpacks the kernels once, when it starts.

    Args:
        content: the quantised file.
        whole: the same functions in float32.
    """
    model = _unpack(content)
    unpack = _code_of(model, schema.BuiltinOperator.DEQUANTIZE, version=3)
    codes, kernels = _codes(model), _kernels(_unpack(whole))
    for graph in model.subgraphs:
        operators = []
        for op in graph.operators:
            if codes[op.opcodeIndex] in _CONVOLUTIONS:
                kernel, stored = next(kernels), graph.tensors[op.inputs[1]]
                if stored.type == schema.TensorType.INT8:
                    _store_halves(model, stored, kernel)
                    operators.append(_unpacking(graph, op, unpack))
            operators.append(op)
        graph.operators = operators
    return _pack(model)


def _kernels(model: schema.ModelT) -> Iterator[np.ndarray]:
    """The kernels of all convolutions of a file in float32, in their order, flat."""
    codes = _codes(model)
    for graph in model.subgraphs:
        for op in graph.operators:
            if codes[op.opcodeIndex] in _CONVOLUTIONS:
                yield np.frombuffer(bytes(model.buffers[graph.tensors[op.inputs[1]].buffer].data), np.float32)


def _store_halves(model: schema.ModelT, tensor: schema.TensorT, kernel: np.ndarray) -> None:
    """Stores a kernel as float16 in the place of a quantised one; functions of a file may share it."""
    buffer = model.buffers[tensor.buffer]
    buffer.data = np.frombuffer(kernel.astype(np.float16).tobytes(), np.uint8)
    tensor.type, tensor.quantization = schema.TensorType.FLOAT16, None


def _unpacking(graph: schema.SubGraphT, op: schema.OperatorT, code: int) -> schema.OperatorT:
    """What turns the kernel of a convolution to float32, which then takes that in its place."""
    place = len(graph.tensors)
    stored, floats, unpacking = graph.tensors[op.inputs[1]], schema.TensorT(), schema.OperatorT()
    floats.name, floats.shape, floats.type = stored.name + b"_float32", stored.shape, schema.TensorType.FLOAT32
    graph.tensors.append(floats)
    unpacking.opcodeIndex = code
    unpacking.inputs, unpacking.outputs = np.array([op.inputs[1]], np.int32), np.array([place], np.int32)
    unpacking.builtinOptionsType = schema.BuiltinOptions.DequantizeOptions
    unpacking.builtinOptions = schema.DequantizeOptionsT()
    op.inputs = np.array([op.inputs[0], place, *op.inputs[2:]], np.int32)
    return unpacking


def _code_of(model: schema.ModelT, builtin: int, version: int) -> int:
    """The place of a built-in op among those that a file uses, where it is put if need be."""
    if builtin not in _codes(model):
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = builtin
        model.operatorCodes.append(code)
    place = _codes(model).index(builtin)
    model.operatorCodes[place].version = max(version, model.operatorCodes[place].version or 1)
    return place


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
