"""Runs LiteRT files, and reads the model folders they stand in, without TensorFlow and without Keras."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from common.config import Runtime
from common.errors import UserError
from common.model_folder import ModelFolder, load_model
from common.terminal import silent_stderr

LITERT = "model.tflite"
SIGNATURE = "serving_default"
Arrays = dict[str, np.ndarray]


class LiteRTNetwork:
    """A signature of a LiteRT file as a function from arrays to arrays; batch and time may change from call to call.

    Args:
        content: of the file.
        signature: name of the function.
        threads: that it may use.

    Attributes:
        inputs: their names.
        outputs: their shapes by name, -1 where an axis is free.
        signatures: names of all functions of the file.

    Raises:
        UserError: it is no such file, or has no such signature.
    """

    def __init__(self, content: bytes, signature: str = SIGNATURE, threads: int | None = None):
        from ai_edge_litert.interpreter import Interpreter

        try:
            # LiteRT greets whenever it starts, and no setting of its own stops it.
            with silent_stderr():
                self._interpreter = Interpreter(model_content=content, num_threads=threads)
                self._interpreter.allocate_tensors()
                run = self._interpreter.get_signature_runner(signature)
        except (ValueError, RuntimeError) as error:
            raise UserError(f"{LITERT}: not a file that LiteRT can run: {str(error).splitlines()[0]}") from error
        self.inputs = list(run.get_input_details())
        self.outputs = {name: tuple(one["shape_signature"]) for name, one in run.get_output_details().items()}
        self.signatures = list(self._interpreter.get_signature_list())
        self._run = self.function(signature)

    def __call__(self, arrays: Arrays) -> Arrays:
        """Arrays by the names of the inputs -> arrays by the names of the outputs."""
        return self._run(arrays)

    def function(self, signature: str) -> Callable[[Arrays], Arrays]:
        """Another function of the same file."""
        run = self._interpreter.get_signature_runner(signature)
        names = list(run.get_input_details())
        return lambda arrays: run(**{name: arrays[name] for name in names})


def load_exported(folder: Path, app: str, runtime: Runtime) -> tuple[ModelFolder, LiteRTNetwork] | None:
    """A model folder with all its files but the weights, checked, and the network in its LiteRT file.

    Returns:
        None where Keras is to run the model: it is asked for, or with `auto` there is no such file.

    Raises:
        UserError: LiteRT is to run it, and it is missing, not a model, of another app, damaged, or was never exported.
    """
    has_file = (folder / LITERT).is_file()
    if runtime == "litert" and not has_file:
        raise UserError(f"--runtime litert: no {LITERT} in {folder}; make it with python -m apps export {folder}")
    if runtime == "keras" or not has_file:
        return None
    saved = load_model(folder, app, with_weights=False, remedy="export it again")
    files = dict(saved.files)
    if LITERT not in files:
        raise UserError(f"{folder}/{LITERT}: not in config.json; make it with python -m apps export {folder}")
    network = LiteRTNetwork(files.pop(LITERT))
    return replace(saved, files=files), network
