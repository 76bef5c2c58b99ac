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
"""Images of every kind that Python users have, to arrays and back.

The network looks at pixels only, so what goes in is an array; what comes out
takes its geometry from the object that came in.
"""

import os
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Pixels(NamedTuple):
    """Pixels in NumPy's order, [z,] y, x and then channels if there are any, and
    how an array of their spatial shape becomes the kind that they came from."""

    array: np.ndarray
    has_channels: bool
    restore: Callable[[np.ndarray], Any]

    @property
    def dimension(self) -> int:
        return self.array.ndim - self.has_channels


def read_pixels(value: Any, what: str, channel_axis: int | None = None) -> Pixels:
    """The pixels of an itk.Image (or of the output of a filter), a NumPy array, an
    xarray.DataArray, a torch.Tensor, a MONAI MetaTensor, a SimpleITK.Image or an
    image file."""
    if isinstance(value, (str, os.PathLike)):
        return _from_file(value, what)
    if _is_itk(value):
        return _from_itk(value, what)
    if is_instance(value, "SimpleITK", "Image"):
        return _from_simpleitk(value, what)
    if is_instance(value, "torch", "Tensor"):
        if channel_axis is None and type(value).__name__ == "MetaTensor":
            return _from_metatensor(value, what)
        return _from_torch(value, what, channel_axis)
    if is_instance(value, "xarray", "DataArray"):
        return _from_xarray(value, what, channel_axis)
    if isinstance(value, np.ndarray) or hasattr(value, "__array__"):
        array, has_channels = _split_channels(np.asarray(value), channel_axis, what)
        return Pixels(array, has_channels, lambda result: result)
    raise TypeError(
        f"The {what} is of type {type(value).__name__}; it should be an itk.Image, a NumPy array, an "
        "xarray.DataArray, a torch.Tensor, a SimpleITK.Image or the name of an image file"
    )


def intensities(pixels: Pixels, what: str) -> np.ndarray:
    """With a pixel type that the library takes, contiguous."""
    array = _numbers(pixels.array, what)
    kinds = {"u1": np.uint8, "i1": np.int16, "u2": np.uint16, "i2": np.int16}
    return np.ascontiguousarray(array, kinds.get(array.dtype.str[1:], np.float32))


def labels(pixels: Pixels, what: str) -> np.ndarray:
    if pixels.has_channels:
        raise ValueError(f"The {what} has {pixels.array.shape[-1]} channels; it should have one value a pixel")
    array = _numbers(pixels.array, what)
    kinds = {"u1": np.uint8, "i1": np.int16, "u2": np.uint16, "i2": np.int16, "f4": np.float32, "f2": np.float32}
    return np.ascontiguousarray(array, kinds.get(array.dtype.str[1:], np.float64))


def is_image(value: Any) -> bool:
    """Whether value is one image, and not a sequence of images."""
    return not isinstance(value, (list, tuple))


def _numbers(array: np.ndarray, what: str) -> np.ndarray:
    if array.dtype.kind == "b":
        return array.astype(np.uint8)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"The {what} holds {array.dtype}; it should hold numbers")
    if array.size == 0:
        raise ValueError(f"The {what} has no pixels; its shape is {array.shape}")
    return array


def is_instance(value: Any, module: str, name: str) -> bool:
    """Whether value is of a module's class; the module is not imported, since an
    object of it exists only where somebody has."""
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(value, kind)


def _is_itk(value: Any) -> bool:
    return type(value).__module__.startswith("itk.")


def _split_channels(array: np.ndarray, channel_axis: int | None, what: str) -> tuple[np.ndarray, bool]:
    """The array with its channels last, and whether there are any."""
    if channel_axis is not None:
        if not -array.ndim <= channel_axis < array.ndim:
            raise ValueError(f"channel_axis is {channel_axis}, but the {what} has {array.ndim} axes")
        array = np.moveaxis(array, channel_axis, -1)
        if array.shape[-1] not in (1, 3, 4):
            raise ValueError(
                f"The {what} has {array.shape[-1]} channels along axis {channel_axis}; it should have 1, 3 (RGB) or "
                "4 (RGBA)"
            )
        if array.shape[-1] == 1:
            array, channel_axis = array[..., 0], None
    spatial = array.ndim - (channel_axis is not None)
    if spatial not in (2, 3):
        raise ValueError(
            f"The {what} has {spatial} spatial axes; it should have 2 (an image) or 3 (a volume). Name an axis of "
            "channels with channel_axis"
        )
    return array, channel_axis is not None


def _from_file(value: Any, what: str) -> Pixels:
    import itk

    name = os.fspath(value)
    if not os.path.exists(name):
        raise FileNotFoundError(f"The {what} '{name}' does not exist")
    return _from_itk(itk.imread(name), what)


def _from_itk(value: Any, what: str) -> Pixels:
    import itk

    image = itk.output(value)
    dimension = getattr(image, "GetImageDimension", lambda: 0)()
    if dimension not in (2, 3):
        raise TypeError(
            f"The {what} is of the class {type(image).__name__}; it should be an image of 2 or 3 dimensions"
        )
    image.UpdateOutputInformation()
    image.SetRequestedRegionToLargestPossibleRegion()
    image.Update()
    array = itk.array_view_from_image(image)
    has_channels = array.ndim > dimension
    array, has_channels = _split_channels(array, -1 if has_channels else None, what)

    def restore(result: np.ndarray) -> Any:
        made = itk.image_from_array(result)
        made.CopyInformation(image)
        made.SetRegions(image.GetLargestPossibleRegion())
        return made

    return Pixels(array, has_channels, restore)


def _from_simpleitk(value: Any, what: str) -> Pixels:
    import SimpleITK

    array = SimpleITK.GetArrayViewFromImage(value)
    channels = value.GetNumberOfComponentsPerPixel() > 1
    array, has_channels = _split_channels(array, -1 if channels else None, what)

    def restore(result: np.ndarray) -> Any:
        made = SimpleITK.GetImageFromArray(result)
        made.CopyInformation(value)
        return made

    return Pixels(array, has_channels, restore)


def _from_xarray(value: Any, what: str, channel_axis: int | None) -> Pixels:
    import xarray

    if channel_axis is None and "c" in value.dims:
        channel_axis = value.dims.index("c")
    array, has_channels = _split_channels(value.values, channel_axis, what)
    dropped = None if channel_axis is None else value.dims[channel_axis]
    dims = tuple(d for d in value.dims if d != dropped)

    def restore(result: np.ndarray) -> Any:
        coords = {name: coord for name, coord in value.coords.items() if dropped not in coord.dims}
        return xarray.DataArray(result, coords=coords, dims=dims, attrs=value.attrs, name=value.name)

    return Pixels(array, has_channels, restore)


def _torch_array(value: Any) -> np.ndarray:
    import torch

    tensor = value.detach()
    if type(tensor) is not torch.Tensor:
        tensor = tensor.as_subclass(torch.Tensor)
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.float()
    return tensor.cpu().resolve_conj().resolve_neg().numpy()


def _torch_tensor(result: np.ndarray, device: Any) -> Any:
    import torch

    # Much of torch does not take its unsigned types of 16 bits.
    result = result.astype(np.int32) if result.dtype == np.uint16 else result
    return torch.from_numpy(np.ascontiguousarray(result)).to(device)


def _from_torch(value: Any, what: str, channel_axis: int | None) -> Pixels:
    array, has_channels = _split_channels(_torch_array(value), channel_axis, what)

    def restore(result: np.ndarray) -> Any:
        tensor = _torch_tensor(result, value.device)
        return tensor if channel_axis is None else tensor.unsqueeze(channel_axis)

    return Pixels(array, has_channels, restore)


def _from_metatensor(value: Any, what: str) -> Pixels:
    """MONAI keeps channels first and then x, y, z, the reverse of NumPy's order."""
    spatial = len(value.meta.get("spatial_shape", ())) or value.ndim - 1
    array = _torch_array(value)
    channels = value.ndim == spatial + 1
    array = np.transpose(array, (*range(array.ndim - 1, 0, -1), 0) if channels else None)
    array, has_channels = _split_channels(array, -1 if channels else None, what)

    def restore(result: np.ndarray) -> Any:
        tensor = _torch_tensor(result.T, value.device)
        tensor = tensor.unsqueeze(0) if channels else tensor
        # The affine is in the metadata.
        return type(value)(tensor, meta=dict(value.meta), applied_operations=list(value.applied_operations))

    return Pixels(array, has_channels, restore)
