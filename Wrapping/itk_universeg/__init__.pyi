import os
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

_File: TypeAlias = str | os.PathLike[str]
_Normalization: TypeAlias = (
    Literal["minmax", "minmax-volume", "percentile", "none"] | tuple[Literal["window", "percentile"], float, float]
)

__version__: str

class Model:
    file: str | None
    def __init__(self, file: _File | None = None) -> None: ...
    @property
    def description(self) -> dict[str, Any]: ...
    def to_itk(self) -> Any: ...

class SupportSet:
    soft_labels: bool
    def __init__(self, *, soft_labels: bool = False) -> None: ...
    def add(
        self,
        image: Any,
        label: Any,
        *,
        slice_axis: int | None = None,
        slices: Sequence[int] | None = None,
        channel_axis: int | None = None,
    ) -> None: ...
    @property
    def labels(self) -> list[int]: ...
    def to_itk(self) -> Any: ...
    def __len__(self) -> int: ...

def model(file: _File | None = None) -> Model: ...
def support_set(
    images: Any,
    labels: Any,
    *,
    slice_axis: int | None = None,
    slices: Sequence[int] | None = None,
    soft_labels: bool = False,
    channel_axis: int | None = None,
) -> SupportSet: ...
def segment(
    target: Any,
    support_images: Any,
    support_labels: Any = None,
    *,
    model: Model | _File | None = None,
    slice_axis: int | None = None,
    ensemble: int = 1,
    threshold: float = 0.5,
    backend: str = "auto",
    progress: bool | Callable[[float], Any] = False,
    normalize: _Normalization = "minmax",
    probabilities: bool = False,
    foreground_value: int = 1,
    include_background: bool = True,
    grid: int | tuple[int, int] | None = None,
    ensemble_size: int = 0,
    seed: int = 0,
    max_supports: int = 0,
    support_slices: Sequence[int] | None = None,
    soft_labels: bool = False,
    channel_axis: int | None = None,
    device: str = "cpu",
    precision: str = "float32",
    threads: int | None = None,
) -> Any: ...
