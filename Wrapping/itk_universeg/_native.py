# ==========================================================================
#
#   Copyright itk-universeg developers
#
#   Licensed under the Apache License, Version 2.0 (the "License");
#   you may not use this file except in compliance with the License.
#   You may obtain a copy of the License at
#
#          https://www.apache.org/licenses/LICENSE-2.0.txt
#
#   Unless required by applicable law or agreed to in writing, software
#   distributed under the License is distributed on an "AS IS" BASIS,
#   WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
#   See the License for the specific language governing permissions and
#   limitations under the License.
#
# ==========================================================================*/
"""The library of the package, by ctypes: see Wrapping/native/universegNative.h.

It holds the filter itself, and the network alone for tensors. ITK's wrapping, which takes seconds and hundreds of
megabytes to load, is not needed to call it.
"""

import ctypes
import functools
import os
from collections.abc import Callable
from ctypes import POINTER, byref, c_char_p, c_double, c_float, c_int32, c_int64, c_uint16, c_uint32, c_uint64, c_void_p
from typing import Any

import numpy as np

_PIXEL_TYPES = {np.dtype(t): i for i, t in enumerate((np.uint8, np.int16, np.uint16, np.float32, np.float64))}
_Progress = ctypes.CFUNCTYPE(c_int32, c_double)


class Error(RuntimeError):
    """What the library says about a call that failed."""


class Image(ctypes.Structure):
    _fields_ = [
        ("data", c_void_p),
        ("pixel", c_int32),
        ("components", c_int32),
        ("dimension", c_int32),
        ("size", c_int64 * 3),
    ]

    @classmethod
    def of(cls, array: np.ndarray, has_channels: bool = False) -> "Image":
        """The image in a contiguous array, which must outlive it."""
        spatial = array.shape[:-1] if has_channels else array.shape
        size = (c_int64 * 3)(*reversed(spatial))
        components = array.shape[-1] if has_channels else 1
        return cls(array.ctypes.data, _PIXEL_TYPES[array.dtype], components, len(spatial), size)


# Kinds of devices, as DLPack numbers them.
CPU, CUDA = 1, 2


class Tensor(ctypes.Structure):
    _fields_ = [
        ("data", c_void_p),
        ("shape", c_int64 * 5),
        ("rank", c_int32),
        ("device", c_int32),
        ("device_index", c_int32),
        ("stream", c_void_p),
    ]


class _Computation(ctypes.Structure):
    _fields_ = [("backend", c_char_p), ("device", c_char_p), ("precision", c_char_p), ("threads", c_uint32)]


class _Capsules(ctypes.Structure):
    _fields_ = [("make", c_void_p), ("is_valid", c_void_p), ("get_pointer", c_void_p)]


class Parameters(ctypes.Structure):
    _fields_ = [
        ("threshold", c_double),
        ("lower_percentile", c_double),
        ("upper_percentile", c_double),
        ("window_minimum", c_double),
        ("window_maximum", c_double),
        ("slice_batch_size", c_uint64),
        ("grid_columns", c_uint64),
        ("grid_rows", c_uint64),
        ("ensemble_size", c_uint64),
        ("ensemble_support_size", c_uint64),
        ("seed", c_uint64),
        ("maximum_number_of_supports", c_uint64),
        ("number_of_nearest_supports", c_uint64),
        ("slice_axis", c_uint32),
        ("number_of_work_units", c_uint32),
        ("normalization", c_int32),
        ("include_background", c_int32),
        ("foreground_value", c_uint16),
        ("backend", c_char_p),
        ("device", c_char_p),
        ("precision", c_char_p),
    ]


_FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "libuniverseg.so")


@functools.cache
def _library() -> ctypes.CDLL:
    """Loaded when first used: itk imports this package whether or not it is."""
    library = ctypes.CDLL(_FILE)
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "universeg_error": (c_char_p, []),
        "universeg_release": (None, [c_void_p]),
        "universeg_model_read": (c_void_p, [c_char_p]),
        "universeg_model_describe": (c_char_p, [c_void_p]),
        "universeg_supports_new": (c_void_p, [c_int32]),
        "universeg_supports_add": (
            c_int32,
            [c_void_p, POINTER(Image), POINTER(Image), c_uint32, POINTER(c_int64), c_int64],
        ),
        "universeg_supports_count": (c_int64, [c_void_p]),
        "universeg_supports_labels": (c_int64, [c_void_p, POINTER(c_int64), c_int64]),
        "universeg_parameters_default": (None, [POINTER(Parameters)]),
        "universeg_output_labels": (c_int64, [c_void_p, c_int32, POINTER(c_int64), c_int64]),
        "universeg_segment": (
            c_int32,
            [
                c_void_p,
                c_void_p,
                POINTER(Parameters),
                POINTER(Image),
                POINTER(c_uint16),
                POINTER(c_float),
                _Progress,
            ],
        ),
        "universeg_predict": (c_void_p, [c_void_p, *[POINTER(Tensor)] * 3, POINTER(_Computation)]),
        "universeg_tensor_copy": (c_void_p, [POINTER(Tensor), c_char_p]),
        "universeg_tensor_view": (c_int32, [c_void_p, POINTER(Tensor)]),
        "universeg_find_device": (c_int32, [c_void_p]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def _check(succeeded: Any) -> Any:
    if not succeeded:
        raise Error(_library().universeg_error().decode("utf-8", "replace"))
    return succeeded


class _Object:
    def __init__(self, handle: int | None):
        self.handle = _check(handle)
        # Kept, since at the interpreter's end this module may be gone first.
        self._release = _library().universeg_release

    def __del__(self) -> None:
        if getattr(self, "handle", None):
            self._release(self.handle)


class Model(_Object):
    def __init__(self, file_name: str | None):
        super().__init__(_library().universeg_model_read(None if file_name is None else os.fsencode(file_name)))

    def describe(self) -> str:
        return _check(_library().universeg_model_describe(self.handle)).decode("utf-8")


def _read_labels(call: Callable[[Any, int], int]) -> list[int]:
    count = call(None, 0)
    if count < 0:
        _check(False)
    values = (c_int64 * count)()
    call(values, count)
    return list(values)


class Supports(_Object):
    def __init__(self, soft_labels: bool):
        super().__init__(_library().universeg_supports_new(soft_labels))

    def add(self, image: Image, label: Image, axis: int, slices: list[int]) -> None:
        indices = (c_int64 * len(slices))(*slices)
        _check(_library().universeg_supports_add(self.handle, byref(image), byref(label), axis, indices, len(slices)))

    def count(self) -> int:
        return _library().universeg_supports_count(self.handle)

    def labels(self) -> list[int]:
        return _read_labels(lambda values, n: _library().universeg_supports_labels(self.handle, values, n))

    def output_labels(self, include_background: bool) -> list[int]:
        return _read_labels(
            lambda values, n: _library().universeg_output_labels(self.handle, include_background, values, n)
        )


def default_parameters() -> Parameters:
    parameters = Parameters()
    _library().universeg_parameters_default(byref(parameters))
    return parameters


def segment(
    model: Model,
    supports: Supports,
    parameters: Parameters,
    array: np.ndarray,
    has_channels: bool,
    number_of_probabilities: int,
    progress: Callable[[float], None] | None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Labels of 16 bits, and if asked for [label, ...] probabilities. An exception
    of progress, KeyboardInterrupt too, aborts the run and is raised again."""
    spatial = array.shape[:-1] if has_channels else array.shape
    labels = np.empty(spatial, np.uint16)
    probabilities = np.empty((number_of_probabilities, *spatial), np.float32) if number_of_probabilities else None
    raised: list[BaseException] = []

    def report(part: float) -> int:
        # Runs Python's signal handlers too, so Ctrl-C ends a long run.
        try:
            if progress is not None:
                progress(part)
        except BaseException as error:
            raised.append(error)
        return len(raised)

    status = _library().universeg_segment(
        model.handle,
        supports.handle,
        byref(parameters),
        byref(Image.of(array, has_channels)),
        labels.ctypes.data_as(POINTER(c_uint16)),
        None if probabilities is None else probabilities.ctypes.data_as(POINTER(c_float)),
        _Progress(report),
    )
    if raised:
        raise raised[0]
    _check(status == 1)
    return labels, probabilities


@functools.cache
def _make_capsule() -> Callable[[int, int, Any], Any]:
    """The function that calls Python's interface, with the interpreter's lock held."""
    function = ctypes.PyDLL(_FILE).universeg_tensor_capsule
    function.restype, function.argtypes = ctypes.py_object, [c_void_p, c_int32, POINTER(_Capsules)]
    names = ("PyCapsule_New", "PyCapsule_IsValid", "PyCapsule_GetPointer")
    capsules = _Capsules(*(ctypes.cast(getattr(ctypes.pythonapi, name), c_void_p) for name in names))
    return lambda handle, has_version: function(handle, has_version, byref(capsules))


class Elements(_Object):
    """A tensor of the library: its memory stays as long as this or a capsule does."""

    def view(self) -> Tensor:
        view = Tensor()
        _check(_library().universeg_tensor_view(self.handle, byref(view)))
        return view

    def capsule(self, has_version: bool) -> Any:
        return _make_capsule()(self.handle, has_version)

    @property
    def shape(self) -> tuple[int, ...]:
        view = self.view()
        return tuple(view.shape[: view.rank])

    @property
    def __array_interface__(self) -> dict[str, Any]:
        """Of a tensor of the CPU."""
        return {
            "shape": self.shape,
            "typestr": np.dtype(np.float32).str,
            "data": (self.view().data, False),
            "version": 3,
        }


def predict(
    model: Model, tensors: tuple[Tensor, Tensor, Tensor], backend: str, device: str, precision: str, threads: int
) -> Elements:
    """The logits of target, support images and support labels."""
    computation = _Computation(backend.encode(), device.encode(), precision.encode(), threads)
    return Elements(_library().universeg_predict(model.handle, *map(byref, tensors), byref(computation)))


def copy(tensor: Tensor, device: str) -> Elements:
    return Elements(_library().universeg_tensor_copy(byref(tensor), device.encode()))


def find_device(address: int) -> int:
    """Index of the CUDA device that an address belongs to."""
    index = _library().universeg_find_device(address)
    _check(index >= 0)
    return index
