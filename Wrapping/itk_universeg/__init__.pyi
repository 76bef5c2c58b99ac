import os
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

_File: TypeAlias = str | os.PathLike[str]
_Normalization: TypeAlias = (
    Literal["minmax", "minmax-volume", "percentile", "none"] | tuple[Literal["window", "percentile"], float, float]
)

__version__: str

class DeviceTensor:
    def __init__(self, array: Any, device: str = "cuda") -> None: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[np.float32]: ...
    @property
    def device(self) -> str: ...
    def numpy(self) -> npt.NDArray[np.float32]: ...
    def __dlpack__(
        self,
        *,
        stream: int | None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any: ...
    def __dlpack_device__(self) -> tuple[int, int]: ...
    @property
    def __cuda_array_interface__(self) -> dict[str, Any]: ...

class Model:
    file: str | None
    def __init__(self, file: _File | None = None) -> None: ...
    @property
    def description(self) -> dict[str, Any]: ...
    def to_itk(self) -> Any: ...
    def __call__(
        self,
        target: Any,
        support_images: Any,
        support_labels: Any,
        *,
        device: Any = None,
        backend: str = "auto",
        precision: str = "float32",
        threads: int | None = None,
    ) -> Any: ...

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
    nearest_supports: int = 0,
    support_slices: Sequence[int] | None = None,
    soft_labels: bool = False,
    channel_axis: int | None = None,
    device: str = "cpu",
    precision: str = "float32",
    threads: int | None = None,
) -> Any: ...
