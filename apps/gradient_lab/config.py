"""The settings of the lab, each declared once."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from common.config import Settings


class LabSettings(Settings):
    """Measures how gradients vanish and explode, and what LSTM and clipping do about it; a page with pictures."""

    out: Path = Field(Path("runs/gradient_lab"), description="folder for report.html, report.json and the pictures")
    steps: tuple[Annotated[int, Field(ge=4, le=1000)], ...] = Field(
        (10, 25, 50, 100), min_length=1, description="length of the tasks to learn; may be given several times"
    )
    flow_steps: int = Field(400, ge=20, le=2000, description="steps that a gradient is followed through")
    seeds: int = Field(3, gt=0, le=100, description="how often each training is repeated, from another start")
    units: int = Field(64, gt=0, le=1024, description="size of the recurrent layers")
    batch: int = Field(64, gt=0, le=4096, description="sequences in a batch")
    updates: int = Field(1000, gt=0, description="updates of a training, at most; one that has solved its task stops")
    workers: int = Field(2, gt=0, le=64, description="trainings at a time, in a process of about 1 GB each")
    quick: bool = Field(False, description="small and short: whether all of it runs, not what comes out")
    model: Path | None = Field(None, description="measure the gradients of this model folder instead")
    data: str | None = Field(None, description="with --model: sample, tfds:NAME or a path (default: the model's own)")
    split: str = Field("test", description="with --model: which part of the data")
    as_json: bool = Field(False, alias="json", description="the report as JSON on standard output")

    def shortened(self) -> "LabSettings":
        """With `quick`, small values for what was not given."""
        small = {"steps": (5, 10), "flow_steps": 50, "seeds": 1, "units": 8, "batch": 8, "updates": 20}
        changes = {name: value for name, value in small.items() if name not in self.model_fields_set}
        return self.model_copy(update=changes) if self.quick else self
