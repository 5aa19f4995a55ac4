"""The settings of an evaluation."""

from typing import Literal

from model.evaluation.tasks import TaskSettings
from schemas.settings import Settings


class EvaluateConfig(Settings, frozen=True):
    """What is evaluated, and how. The defaults are the paper's."""

    tasks: tuple[TaskSettings, ...] = ()
    """At least one."""
    shots: tuple[int, ...] = (0, 4, 8, 16, 32)
    """Numbers of examples in context. 0 gives two examples without their media."""
    examples: Literal["random", "rices"] = "random"
    """`rices` takes the examples most alike to the query by the frozen vision encoder, the most alike last."""
    keep_features: str | None = None
    """A folder of this machine where the features that `rices` compares are kept for later runs with that encoder;
    null: none is."""
    beams: int = 3
    """Of what is generated."""
    seed: int = 0
    """Of the examples that are drawn."""
    clip_frames: int | None = None
    """Of a clip at most; null: as in training. The paper evaluates with 30."""
    clip_fps: float | None = None
    """Frames of a second; null: as in training. The paper evaluates with 3."""
    device: str = "auto"
    """`auto` takes the GPU if there is one."""
    strategy: Literal["replicas", "fsdp"] = "replicas"
    """With several processes: each has the whole model, or, for what does not fit one GPU, layers are shared out."""

    def __post_init__(self) -> None:
        if any(shots < 0 for shots in self.shots) or not self.shots or self.beams < 1:
            raise ValueError("shots are 0 or more, and there is one at least; beams is 1 or more")
        if any(given is not None and given <= 0 for given in (self.clip_frames, self.clip_fps)):
            raise ValueError("clip_frames and clip_fps are over 0, or null")

    @property
    def features(self) -> list[str]:
        """The folders of features, where no task needs a pixel; else none."""
        folders = [source.features for task in self.tasks for source in (task.support, task.query) if source]
        return folders if all(folders) else []
