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
"""Tensors of other packages, in and out without a copy.

What is on a GPU comes and goes by DLPack (https://dmlc.github.io/dlpack) or by CUDA's
array interface; none of the packages is imported.
"""

import contextlib
import ctypes
import sys
from collections.abc import Iterator
from ctypes import c_char_p, c_int, c_int32, c_int64, c_uint8, c_uint16, c_uint32, c_uint64, c_void_p
from typing import Any, NamedTuple

import numpy as np

from . import _native, _pixels

_FLOAT32 = np.dtype(np.float32)
# Kinds of DLPack's devices whose memory is the CPU's or CUDA's.
_KINDS = {1: _native.CPU, 2: _native.CUDA, 3: _native.CPU, 13: _native.CUDA}
_TYPES = {0: "int", 1: "uint", 2: "float", 4: "bfloat", 5: "complex", 6: "bool"}
_LEGACY_STREAM = 1


class _DLTensor(ctypes.Structure):
    _fields_ = [
        ("data", c_void_p),
        ("device", c_int32),
        ("device_index", c_int32),
        ("rank", c_int32),
        ("type_code", c_uint8),
        ("type_bits", c_uint8),
        ("type_lanes", c_uint16),
        ("shape", ctypes.POINTER(c_int64)),
        ("strides", ctypes.POINTER(c_int64)),
        ("byte_offset", c_uint64),
    ]


class _DLManaged(ctypes.Structure):
    _fields_ = [("tensor", _DLTensor), ("context", c_void_p), ("deleter", c_void_p)]


class _DLManagedWithVersion(ctypes.Structure):
    _fields_ = [
        ("major", c_uint32),
        ("minor", c_uint32),
        ("context", c_void_p),
        ("deleter", c_void_p),
        ("flags", c_uint64),
        ("tensor", _DLTensor),
    ]


# Names before and after the elements were taken; capsules refer to them.
_CAPSULES = (
    (b"dltensor_versioned", b"used_dltensor_versioned", _DLManagedWithVersion),
    (b"dltensor", b"used_dltensor", _DLManaged),
)
# With the interpreter's lock held: some deleters need it.
_Deleter = ctypes.PYFUNCTYPE(None, c_void_p)
_is_valid = ctypes.PYFUNCTYPE(c_int, ctypes.py_object, c_char_p)(("PyCapsule_IsValid", ctypes.pythonapi))
_get_pointer = ctypes.PYFUNCTYPE(c_void_p, ctypes.py_object, c_char_p)(("PyCapsule_GetPointer", ctypes.pythonapi))
_set_name = ctypes.PYFUNCTYPE(c_int, ctypes.py_object, c_char_p)(("PyCapsule_SetName", ctypes.pythonapi))


class _Borrowed(NamedTuple):
    """float32 elements of somebody else, contiguous."""

    what: str
    data: int
    shape: tuple[int, ...]
    kind: int = _native.CPU
    index: int = 0
    stream: int | None = None
    keep: Any = None

    @property
    def device(self) -> str:
        return "cpu" if self.kind == _native.CPU else f"cuda:{self.index}"

    def native(self) -> _native.Tensor:
        shape = (c_int64 * 5)(*self.shape)
        return _native.Tensor(self.data, shape, len(self.shape), self.kind, self.index, self.stream)


class _Memory:
    """Elements of the CPU, for NumPy."""

    def __init__(self, address: int, shape: tuple[int, ...], strides: tuple[int, ...] | None):
        self.__array_interface__ = {
            "shape": shape,
            "typestr": _FLOAT32.str,
            "data": (address, True),
            "strides": strides,
            "version": 3,
        }


class DeviceTensor:
    """float32 elements in the memory of a CUDA device, for GPU packages to read where
    they are: by DLPack (``torch.from_dlpack``, ``cupy.from_dlpack``,
    ``jax.dlpack.from_dlpack``) and by ``__cuda_array_interface__`` (Numba).

    What a call of a :class:`Model` returns for tensors of such a device that are not
    torch's or CuPy's. Made from an array or a tensor of the CPU, of float32 and at most
    five axes, it is a copy on ``device``, "cuda" or "cuda:1".
    """

    def __init__(self, array: Any, device: str = "cuda"):
        with _borrow(array, "array") as borrowed:
            if borrowed.kind != _native.CPU:
                raise ValueError(f"The array is on {borrowed.device}; it should be on the CPU")
            if not 1 <= len(borrowed.shape) <= 5:
                raise ValueError(f"The array has shape {borrowed.shape}; it should have from 1 to 5 axes")
            if str(device).partition(":")[0] != "cuda":
                raise ValueError(f"device is {str(device)!r}; it should be 'cuda' or of the form 'cuda:1'")
            self._elements = _native.copy(borrowed.native(), str(device))

    @classmethod
    def _of(cls, elements: _native.Elements) -> "DeviceTensor":
        made = cls.__new__(cls)
        made._elements = elements
        return made

    @property
    def shape(self) -> tuple[int, ...]:
        return self._elements.shape

    @property
    def dtype(self) -> np.dtype:
        return _FLOAT32

    @property
    def device(self) -> str:
        return f"cuda:{self._elements.view().device_index}"

    def numpy(self) -> np.ndarray:
        """A copy on the CPU."""
        return np.asarray(_native.copy(self._elements.view(), "cpu"))

    def __dlpack_device__(self) -> tuple[int, int]:
        view = self._elements.view()
        return view.device, view.device_index

    def __dlpack__(
        self,
        *,
        stream: int | None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """The elements were written before this object was made: every stream may read
        them at once."""
        if dl_device is not None and tuple(map(int, dl_device)) != self.__dlpack_device__():
            raise BufferError(f"The tensor is on {self.device}; it goes to no other device by DLPack")
        if copy:
            raise BufferError("The tensor shares its elements; it makes no copy for DLPack")
        return self._elements.capsule(max_version is not None and max_version[0] >= 1)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {
            "shape": self.shape,
            "typestr": _FLOAT32.str,
            "data": (self._elements.view().data, False),
            "strides": None,
            "version": 3,
            "stream": None,
        }

    def __repr__(self) -> str:
        return f"<itk_universeg.DeviceTensor of shape {self.shape} on {self.device}>"


def predict(
    model: _native.Model,
    target: Any,
    support_images: Any,
    support_labels: Any,
    *,
    device: Any,
    backend: str,
    precision: str,
    threads: int,
) -> Any:
    """See Model.__call__()."""
    with contextlib.ExitStack() as stack:
        given = [
            stack.enter_context(_borrow(value, what))
            for value, what in (
                (target, "target"),
                (support_images, "tensor support_images"),
                (support_labels, "tensor support_labels"),
            )
        ]
        _check_shapes(*given)
        name = _choose_device(given, device)
        tensors = tuple(each.native() for each in given)
        elements = _native.predict(model, tensors, str(backend), name, str(precision), threads)
    return _restore(elements, target)


def _check_shapes(target: _Borrowed, images: _Borrowed, labels: _Borrowed) -> None:
    if len(target.shape) != 4 or target.shape[1] != 1:
        raise ValueError(f"The target has shape {target.shape}; it should be [B, 1, H, W]")
    batch, _, height, width = target.shape
    for each in (images, labels):
        fits = len(each.shape) == 5 and each.shape[0] in (1, batch) and each.shape[2:] == (1, height, width)
        if not fits or each.shape != images.shape:
            supports = images.shape[1] if each is labels and len(images.shape) == 5 else "S"
            batches = "1" if batch == 1 else f"{batch} or 1"
            raise ValueError(
                f"The {each.what} has shape {each.shape}; it should be [{batches}, {supports}, 1, {height}, {width}] "
                "for the target, images and labels alike"
            )


def _choose_device(given: list[_Borrowed], device: Any) -> str:
    target = given[0]
    for other in given[1:]:
        if other.device != target.device:
            raise ValueError(
                f"The {other.what} is on {other.device} and the target on {target.device}; they should be on the same "
                "device"
            )
    wanted = target.device if device is None else str(device)
    if target.kind == _native.CPU:
        return wanted
    if wanted not in (target.device, "cuda", "auto"):
        raise ValueError(
            f"device is {wanted!r}, but the tensors are on {target.device}, where they are read; it should be None or "
            f"{target.device!r}"
        )
    return target.device


def _restore(elements: _native.Elements, like: Any) -> Any:
    """As the kind of tensor that the target was."""
    if elements.view().device == _native.CPU:
        array = np.asarray(elements)
        return sys.modules["torch"].from_numpy(array) if _pixels.is_instance(like, "torch", "Tensor") else array
    tensor = DeviceTensor._of(elements)
    if _pixels.is_instance(like, "torch", "Tensor"):
        return sys.modules["torch"].from_dlpack(tensor)
    if _pixels.is_instance(like, "cupy", "ndarray"):
        return sys.modules["cupy"].from_dlpack(tensor)
    return tensor


@contextlib.contextmanager
def _borrow(value: Any, what: str) -> Iterator[_Borrowed]:
    """The elements of a tensor, for the time of the block."""
    if not isinstance(value, np.ndarray) and hasattr(value, "__dlpack__") and hasattr(value, "__dlpack_device__"):
        with _of_dlpack(value, what) as borrowed:
            yield borrowed
    elif hasattr(value, "__cuda_array_interface__"):
        yield _of_cuda_interface(value, what)
    elif hasattr(value, "__array_interface__") or hasattr(value, "__array__"):
        yield _of_array(np.asarray(value), what)
    else:
        raise TypeError(
            f"The {what} is of type {type(value).__name__}; it should have __dlpack__, as tensors of torch, CuPy and "
            "JAX do, or __cuda_array_interface__, or be an array for NumPy"
        )


@contextlib.contextmanager
def _of_dlpack(value: Any, what: str) -> Iterator[_Borrowed]:
    number, index = map(int, value.__dlpack_device__())
    kind = _KINDS.get(number)
    if kind is None:
        raise TypeError(f"The {what} is on a device of DLPack's kind {number}; it should be on the CPU (1) or CUDA (2)")
    # The producer makes this stream wait for its own work, and the library waits for this stream.
    options = {"stream": _LEGACY_STREAM} if kind == _native.CUDA else {}
    try:
        capsule = value.__dlpack__(max_version=(1, 0), **options)
    except TypeError:
        # Of before version 1.
        capsule = value.__dlpack__(**options)
    with _take(capsule, what) as tensor:
        number_type = _TYPES.get(tensor.type_code, "type_") + str(tensor.type_bits)
        number_type += f"x{tensor.type_lanes}" if tensor.type_lanes != 1 else ""
        shape = tuple(tensor.shape[: tensor.rank])
        strides = tuple(4 * stride for stride in tensor.strides[: tensor.rank]) if tensor.strides else None
        address = (tensor.data or 0) + tensor.byte_offset
        _check_elements(what, number_type, shape)
        if kind == _native.CUDA:
            borrowed = _Borrowed(what, address, shape, kind, index, _LEGACY_STREAM)
            _check_contiguous(borrowed, strides)
            yield borrowed
        else:
            memory = _Memory(address, shape, strides)
            yield _of_array(np.asarray(memory), what)


@contextlib.contextmanager
def _take(capsule: Any, what: str) -> Iterator[_DLTensor]:
    """The tensor of a capsule, which is given back behind the block, whatever happens in it."""
    for name, used, form in _CAPSULES:
        if _is_valid(capsule, name):
            address = _get_pointer(capsule, name)
            _set_name(capsule, used)
            break
    else:
        raise BufferError(f"The __dlpack__() of the {what} gave no capsule of DLPack")
    managed = form.from_address(address)
    try:
        version = getattr(managed, "major", 1)
        if version != 1:
            raise BufferError(f"The {what} is of version {version} of DLPack; it should be of version 1")
        yield managed.tensor
    finally:
        if managed.deleter:
            _Deleter(managed.deleter)(address)


def _of_cuda_interface(value: Any, what: str) -> _Borrowed:
    interface = value.__cuda_array_interface__
    shape, address = tuple(interface["shape"]), interface["data"][0]
    # Before version 3 nothing was said of streams.
    stream = interface.get("stream") if interface.get("version", 0) >= 3 else _LEGACY_STREAM
    _check_elements(what, interface["typestr"], shape)
    if interface.get("mask") is not None:
        raise ValueError(f"The {what} has a mask, which is not supported; it should have none")
    if stream == 0:
        raise ValueError(f"The {what} names the stream 0, which is ambiguous; it should be 1, 2 or that of a handle")
    borrowed = _Borrowed(what, address, shape, _native.CUDA, _native.find_device(address), stream)
    _check_contiguous(borrowed, interface.get("strides"))
    return borrowed


def _of_array(array: np.ndarray, what: str) -> _Borrowed:
    _check_elements(what, array.dtype.str, array.shape)
    array = np.ascontiguousarray(array)
    return _Borrowed(what, array.ctypes.data, array.shape, keep=array)


def _check_elements(what: str, kind: str, shape: tuple[int, ...]) -> None:
    if kind not in ("float32", _FLOAT32.str):
        raise TypeError(f"The {what} holds {kind}; it should hold float32")
    if 0 in shape:
        raise ValueError(f"The {what} has no elements; its shape is {shape}")


def _check_contiguous(borrowed: _Borrowed, strides: tuple[int, ...] | None) -> None:
    """strides are in bytes, None for a contiguous tensor."""
    step = _FLOAT32.itemsize
    for extent, stride in zip(reversed(borrowed.shape), reversed(strides or ())):
        if extent != 1 and stride != step:
            raise ValueError(
                f"The {borrowed.what} on {borrowed.device} has shape {borrowed.shape} and strides of {strides} bytes; "
                "it should be contiguous, since it is read where it is"
            )
        step *= extent
