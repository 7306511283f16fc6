"""Functions of the suite's layers as a LiteRT file of built-in ops alone, with free batch and time axes.

Keras' own export turns every recurrent layer into Flex ops, which the plain runtime cannot run. Here each `LSTM`
becomes one UNIDIRECTIONAL_SEQUENCE_LSTM, and each `SimpleRNN` one WHILE. A kernel of LiteRT has a fixed batch and
keeps its state from call to call. So it is given the rows of a batch one behind the other, as a single long sequence,
and before each row a step that brings its state to zero: nothing leaks from row to row, nor from call to call, and no
host needs to reset anything.
"""

import contextlib
import re
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from common.backend import keras, ops
from common.errors import WorkFailed
from common.flatbuffer import convolve_in_floats, count_ops, has_convolutions, is_built_in
from common.layers import LSTM, SimpleRNN
from common.litert import SIGNATURE, Arrays
from common.recurrence import lstm_step
from common.signature import Quantise, Signature

import tensorflow as tf  # isort: skip  # `common.backend` silences it first

Tensor = Any

# A gate whose pre-activation is so far below zero is shut, whatever else is added to it.
_SHUT = 1e4


def as_function(signature: Signature) -> Callable[[Arrays], Arrays]:
    """A function as Keras runs it through `tf.function`, from arrays to arrays."""
    compiled = tf.function(lambda arrays: signature.function(**arrays), autograph=False, reduce_retracing=True)

    def run(arrays: Arrays) -> Arrays:
        found = compiled({name: tf.convert_to_tensor(value) for name, value in arrays.items()})
        return {name: value.numpy() for name, value in found.items()}

    return run


def trace(signature: Signature) -> Any:
    """A function as a concrete function of TensorFlow, its weights constants in the graph."""
    specs = {name: tf.TensorSpec(spec.shape, spec.dtype, name) for name, spec in signature.inputs.items()}

    def serve(**arrays: Tensor) -> dict[str, Tensor]:
        with _Constants():
            found = signature.function(**arrays)
        return {name: tf.identity(value, name) for name, value in found.items()}

    return tf.function(serve, autograph=False).get_concrete_function(**specs)


def to_litert(
    signature: Signature, quantise: Quantise = "none", further: Mapping[str, Signature] | None = None
) -> bytes:
    """Converts a function to a LiteRT file.

    Args:
        signature: the function; keys of its outputs are those of the file.
        quantise: `float16` stores weights in half precision; `int8` in a byte, and computes products of matrices in
            whole numbers (dynamic range quantisation); kernels of convolutions are in half precision.
        further: other functions of the file by their names; weights that they share stand in it once.

    Raises:
        WorkFailed: the file needs an op that is not built in.
    """
    module = tf.Module()
    with _built_in_layers():
        module.traced = {name: trace(one) for name, one in {SIGNATURE: signature, **(further or {})}.items()}
    with tempfile.TemporaryDirectory() as folder:
        # Only by way of a SavedModel does the converter see the layers before they are inlined.
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        tf.saved_model.save(module, folder, signatures=dict(module.traced), options=options)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=list(module.traced))
        if quantise != "none":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if quantise == "float16":
            converter.target_spec.supported_types = [tf.float16]
        content = _convert(converter)
        if quantise == "int8" and has_convolutions(content):
            converter.optimizations = []
            content = convolve_in_floats(content, _convert(converter))
    if foreign := sorted(name for name in count_ops(content) if not is_built_in(name)):
        raise WorkFailed(f"the export needs ops that LiteRT has not built in: {', '.join(foreign)}")
    return content


def _convert(converter: Any) -> bytes:
    from tensorflow.lite.python.convert_phase import ConverterError

    try:
        return converter.convert()
    except ConverterError as error:
        wanted = sorted(set(re.findall(r"'(tf\.\w+)' op is neither", str(error)))) or [str(error).splitlines()[0]]
        raise WorkFailed(f"the export needs ops that LiteRT has not built in: {', '.join(wanted)}") from error


class _Constants(keras.StatelessScope):
    """Within it a variable is a constant of the graph that is being traced: kernels take no other weights."""

    def __init__(self) -> None:
        super().__init__()
        self._found: dict[tuple[int, int], Tensor] = {}

    def get_current_value(self, variable: Any) -> Tensor:
        # The body of a loop is a graph of its own, and a constant from outside would reach it as a variable.
        key = id(variable), id(tf.compat.v1.get_default_graph())
        if key not in self._found:
            self._found[key] = tf.constant(_value_of(variable))
        return self._found[key]


@contextlib.contextmanager
def _built_in_layers() -> Iterator[None]:
    """Within it the suite's layers and some ops trace as what the converter has kernels or plain loops for."""
    swaps = [
        (LSTM, "call", _in_one_sequence(_fused_lstm, LSTM.call)),
        (SimpleRNN, "call", _in_one_sequence(_loop, SimpleRNN.call)),
        (keras.layers.Embedding, "call", _look_up),
        (tf.Tensor, "__getitem__", _index_then_expand(tf.Tensor.__getitem__)),
        (ops, "scan", _scan),
    ]
    with contextlib.ExitStack() as stack:
        for owner, name, other in swaps:
            stack.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, other)
        yield


def _look_up(layer: keras.layers.Embedding, token_ids: Tensor) -> Tensor:
    """The layer as the op EMBEDDING_LOOKUP, which reads a quantised table by the row; a gather would unpack it all."""

    def look_up(table: Tensor, flat: Tensor) -> Tensor:
        return tf.gather(table, flat)

    # By this name the converter knows the op, and by the order of the arguments.
    known = tf.function(look_up, autograph=False, experimental_implements="embedding_matmul")
    vectors = known(tf.convert_to_tensor(layer.embeddings), tf.reshape(token_ids, [-1]))
    return tf.reshape(vectors, tf.concat([tf.shape(token_ids), [layer.output_dim]], 0))


def _scan(step: Callable, start: Any, given: Tensor, reverse: bool = False) -> tuple[Any, Any]:
    """`keras.ops.scan`, its outputs in arrays of their final size: lists of arrays of free sizes are not built in."""
    count, tree = tf.shape(given)[0], keras.tree
    _, example = step(start, given[0])
    places = tf.range(count)

    def room(value: Tensor) -> Tensor:
        return tf.zeros_like(value)[None] + tf.zeros(
            tf.concat([[count], tf.ones_like(tf.shape(value))], 0), value.dtype
        )

    def put(value: Tensor, outputs: Tensor, place: Tensor) -> Tensor:
        is_here = tf.reshape(tf.equal(places, place), [-1] + [1] * len(value.shape))
        return tf.ensure_shape(tf.where(is_here, tf.expand_dims(value, 0), outputs), outputs.shape)

    def body(time: Tensor, carry: Any, outputs: Any):
        place = count - 1 - time if reverse else time
        carry, found = step(carry, given[place])
        return time + 1, carry, tree.map_structure(lambda one, all_of: put(one, all_of, place), found, outputs)

    loop = tf.constant(0), start, tree.map_structure(room, example)
    _, carry, outputs = tf.while_loop(lambda time, *_: time < count, body, loop)
    return carry, outputs


def _index_then_expand(usual: Callable) -> Callable:
    """`array[:, None]` in two steps: no built-in op both cuts and adds an axis where sizes are free."""

    def index(array, places, *rest):
        places = places if isinstance(places, tuple) else (places,)
        if not any(place is None for place in places) or any(place is Ellipsis for place in places[1:]):
            return usual(array, places, *rest)
        if places[0] is Ellipsis:
            counted = sum(place is not None for place in places[1:])
            places = (slice(None),) * (len(array.shape) - counted) + places[1:]
        kept = tuple(place for place in places if place is not None)
        found = usual(array, kept, *rest) if kept else array
        axes = [place for place in places if place is None or isinstance(place, slice)]
        for axis in [axis for axis, place in enumerate(axes) if place is None]:
            found = tf.expand_dims(found, axis)
        return found

    return index


def _in_one_sequence(run: Callable[[Any, Tensor, Tensor], Tensor], usual: Callable) -> Callable:
    """A `call` of recurrent layers that lays the rows of a batch one behind the other.

    Args:
        run: layer, sequence `(time, features)` and where its state is to be zero, `(time, 1)` -> `(time, units)`.
        usual: the layer's own `call`, for those that do not start from zero.
    """

    def call(layer, sequences, padding_mask=None, initial_state=None, training=False):
        if initial_state is not None:
            return usual(layer, sequences, padding_mask, initial_state, training)
        batch, time, features = *ops.shape(sequences)[:2], sequences.shape[-1]
        real = ops.ones_like(sequences[..., :1])
        if padding_mask is not None:
            real = real * ops.expand_dims(ops.cast(padding_mask, real.dtype), -1)
        given = ops.concatenate([sequences, 1 - real], axis=-1)
        if layer.reverse:
            given = ops.flip(given, axis=1)
        before = ops.concatenate([ops.zeros_like(sequences[:, :1]), ops.ones_like(real[:, :1])], axis=-1)
        laid = ops.reshape(ops.concatenate([before, given], axis=1), (-1, features + 1))
        outputs = ops.reshape(run(layer, laid[:, :-1], laid[:, -1:]), (batch, time + 1, layer.units))[:, 1:]
        if layer.reverse:
            outputs = ops.flip(outputs, axis=1)
        # Of the state a kernel gives out no more than this.
        return outputs * real, [outputs[:, 0 if layer.reverse else -1]]

    return call


def _fused_lstm(layer: LSTM, sequence: Tensor, is_reset: Tensor) -> Tensor:
    """The layer as a function by whose name and form the converter knows its kernel.

    A further feature shuts the gates of input and forgetting, which leaves cell and output at zero. Its weights are no
    larger than others of the same gate, since a matrix is quantised by its largest, and its value is what shuts.
    """
    kernel, bias = _value_of(layer.kernel), _value_of(layer.bias)
    units = layer.units
    largest = [max(abs(kernel[:, gate * units : (gate + 1) * units]).max(), 1e-3) for gate in (0, 1)]
    row = [-largest[0]] * units + [-largest[1]] * units + [0.0] * (2 * units)
    kernel = tf.constant(np.vstack([kernel, np.float32([row])]))
    given = tf.concat([sequence, is_reset * (_SHUT / min(largest))], axis=-1)[None]
    zeros = tf.zeros((1, units))
    weights = kernel, tf.constant(_value_of(layer.recurrent_kernel)), tf.constant(bias)
    attributes = {
        "api_implements": f"lstm_{uuid.uuid4()}",
        "api_preferred_device": "CPU",
        "go_backwards": False,
        "time_major": False,
    }
    fusable = tf.function(_lstm, autograph=False, experimental_attributes=attributes)
    return fusable(given, zeros, zeros, *weights)[1][0]


def _lstm(inputs: Tensor, hidden: Tensor, cell: Tensor, kernel: Tensor, recurrent_kernel: Tensor, bias: Tensor):
    """What the kernel computes, for a sequence `(1, time, features)`, in the form that the converter looks for."""
    projected = tf.expand_dims(tf.matmul(inputs[0], kernel) + bias, 1)
    hiddens, cells = tf.scan(lambda state, z: lstm_step(z, *state, recurrent_kernel)[:2], projected, (hidden, cell))
    return hiddens[-1], tf.transpose(hiddens, (1, 0, 2)), hiddens[-1], cells[-1], tf.constant(1.0)


def _loop(layer: SimpleRNN, sequence: Tensor, is_reset: Tensor) -> Tensor:
    """The layer as a loop over rows of one, whose shapes are all known."""
    projected = tf.matmul(sequence, tf.constant(_value_of(layer.kernel))) + tf.constant(_value_of(layer.bias))
    steps = tf.concat([projected, 1 - is_reset], axis=-1)
    count = tf.shape(steps)[0]

    def step(time: Tensor, hidden: Tensor, outputs: Any):
        recurrent_kernel = tf.constant(_value_of(layer.recurrent_kernel))
        given = steps[time][None]
        hidden = tf.tanh(given[:, :-1] + tf.matmul(hidden, recurrent_kernel)) * given[:, -1:]
        return time + 1, hidden, outputs.write(time, hidden)

    start = 0, tf.zeros((1, layer.units)), tf.TensorArray(tf.float32, size=count, element_shape=(1, layer.units))
    _, _, outputs = tf.while_loop(lambda time, *_: time < count, step, start)
    return outputs.stack()[:, 0]


def _value_of(variable: Any) -> Any:
    """The numbers of a variable, also while a graph is traced."""
    with tf.init_scope():
        return variable._value.numpy()
