"""Settings: each declared once, as a typed field, and from there a flag, a recipe's key and a line of `config.json`."""

import argparse
import sys
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from typing_extensions import Self

from common.errors import UserError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

T = TypeVar("T", bound="Settings")
Precision = Literal["float32", "mixed_bfloat16", "auto"]
Runtime = Literal["auto", "keras", "litert"]


class Settings(BaseModel):
    """A frozen record of settings; unknown keys and values out of range are refused.

    A field's annotation, default and description give the flag, its check and its help.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def from_values(cls, values: dict[str, Any], where: str) -> Self:
        """Checks plain values, such as a parsed `config.json`.

        Raises:
            UserError: names the setting, what came and `where` it came from.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise UserError(f"{where}: {_first_problem(error)}") from error


class TrainingSettings(Settings):
    """What every training has, whatever is trained."""

    out: Path = Field(Path("runs/model"), description="folder for the trained model")
    config: Path | None = Field(None, description="a recipe: a TOML file of settings, which flags override")
    overwrite: bool = Field(False, description="replace the folder if it is there")
    resume: bool = Field(False, description="go on from the last checkpoint of a run that was stopped")
    seed: int = Field(1, ge=0, description="seed of weights, order and dropout")
    epochs: int = Field(5, gt=0, description="passes over the training data")
    learning_rate: float = Field(1e-3, gt=0, description="rate at the end of the warm-up, from where it decays")
    warmup: float = Field(0.1, ge=0, lt=1, description="share of all steps in which the rate rises from zero")
    weight_decay: float = Field(1e-4, ge=0, description="decoupled weight decay of AdamW, on matrices only")
    clip: Literal["global_norm", "norm", "value", "adaptive", "none"] = Field(
        "global_norm", description="how gradients are clipped"
    )
    clip_at: float = Field(1.0, gt=0, description="the norm, value or ratio of norms that clipping begins at")
    average: float = Field(0.0, ge=0, lt=1, description="momentum of the average of the weights used; 0: none")
    patience: int = Field(3, gt=0, description="epochs without improvement before the training stops")
    precision: Precision = Field(
        "auto", description="type of the arithmetic; auto: bfloat16 where the processor multiplies it faster"
    )
    checkpoint_seconds: float = Field(60.0, ge=0, description="least time between two checkpoints")
    tensorboard: bool = Field(False, description="write TensorBoard logs beside the model")


class AppTrainingSettings(TrainingSettings):
    """What the training of every app has, which ends in a model folder with figures."""

    storage: Literal["float32", "float16", "int8"] = Field("float32", description="type of the stored weights")
    fail_below_baseline: bool = Field(False, description="exit with status 1 if a baseline is at least as good")


class InferSettings(Settings):
    """How every app gives its answers; an app adds its model and its inputs."""

    as_json: bool = Field(False, alias="json", description="one JSON document on standard output")
    as_csv: bool = Field(False, alias="csv", description="CSV on standard output")
    runtime: Runtime = Field(
        "auto", description="what runs the network; auto: LiteRT where the model was exported to it, without TensorFlow"
    )


class EvaluateSettings(Settings):
    """How every app is measured; an app adds its model and its data."""

    split: str = Field("test", description="which part of the data")
    as_json: bool = Field(False, alias="json", description="one JSON document on standard output")
    record: bool = Field(False, description="write the figures into the model's metrics.json")
    plot: Path | None = Field(None, description="folder for pictures")
    precision: Precision = Field("float32", description="type of the arithmetic of Keras")
    runtime: Literal["keras", "litert"] = Field(
        "keras", description="what runs the network; figures of litert stand beside those of keras"
    )


def parse_settings(settings_class: type[T], arguments: list[str], prog: str) -> T:
    """Reads a command line into `settings_class`; a recipe named by `--config` gives what the flags do not.

    Raises:
        UserError: an unknown flag or key, or a value that does not fit, named with what would.
    """
    given = vars(_build_parser(settings_class, prog).parse_args(arguments))
    recipe = read_recipe(Path(given["config"])) if given.get("config") else {}
    # A wrong recipe is refused even where a flag hides it; flags fill in what it leaves out.
    settings_class.from_values({**given, **recipe}, f"--config {given['config']}" if recipe else prog)
    return settings_class.from_values({**recipe, **given}, prog)


def read_recipe(path: Path) -> dict[str, Any]:
    """The settings in a TOML file, unchecked.

    Raises:
        UserError: the file is missing or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"--config {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"--config {path}: not a TOML file of settings: {error}") from error


class _Parser(argparse.ArgumentParser):
    def error(self, message: str):
        raise UserError(f"{self.prog}: {message}; see {self.prog} --help")


def _build_parser(settings_class: type[Settings], prog: str) -> argparse.ArgumentParser:
    """A flag for each field; fields marked `positional` take what stands without a flag. Pydantic checks the values."""
    parser = _Parser(
        prog=prog, description=settings_class.__doc__, argument_default=argparse.SUPPRESS, allow_abbrev=False
    )
    for name, field in settings_class.model_fields.items():
        # `json` would hide a method of pydantic's, so its field has another name and this alias.
        name = field.alias or name
        options: dict[str, Any] = {"help": _help(field)}
        if (field.json_schema_extra or {}).get("positional"):
            several = get_origin(field.annotation) is tuple
            parser.add_argument(name, nargs="*" if several else "?", metavar=name.upper(), **options)
            continue
        if field.annotation is bool:
            options["action"] = argparse.BooleanOptionalAction
        else:
            options["metavar"] = _metavar(field.annotation)
            if get_origin(field.annotation) in (list, tuple):
                options["action"] = "append"
        parser.add_argument("--" + name.replace("_", "-"), dest=name, **options)
    return parser


def _help(field: FieldInfo) -> str:
    if field.default in (None, "", [], (), PydanticUndefined):
        return field.description or ""
    default = " ".join(map(str, field.default)) if isinstance(field.default, list | tuple) else field.default
    return f"{field.description} (default: {default})".replace("%", "%%")


def _metavar(annotation: Any) -> str:
    """`Literal["a", "b"]` -> `a|b`, `Path | None` -> `PATH`, `tuple[str, ...]` -> `STR`."""
    if get_origin(annotation) is Literal:
        return "|".join(map(str, get_args(annotation)))
    inner = [argument for argument in get_args(annotation) if argument not in (type(None), Ellipsis)]
    return _metavar(inner[0]) if inner else annotation.__name__.upper()


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    name = ".".join(str(part) for part in problem["loc"])
    return f"`{name}`: {problem['msg']}. Received: {problem['input']!r}"
