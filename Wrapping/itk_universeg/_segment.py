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
"""The package's functions and the objects that they share."""

import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import _native, _pixels, _tensors

_NORMALIZATIONS = ("minmax", "minmax-volume", "percentile", "window", "none")


class Model:
    """A loaded model, which any number of calls and threads can share.

    Made by :func:`model`.
    """

    def __init__(self, file: str | os.PathLike | None = None):
        self.file = None if file is None else os.fspath(file)
        if self.file is not None and not os.path.isfile(self.file):
            raise FileNotFoundError(f"The model file '{self.file}' does not exist")
        self._native = _native.Model(self.file)

    @property
    def description(self) -> dict[str, Any]:
        """Network, configuration, grid, model card, tensors and totals."""
        return json.loads(self._native.describe())

    def to_itk(self) -> Any:
        """The same model as an itk.SegmentationModel, for UniverSegImageFilter."""
        import itk

        return itk.SegmentationModel.GetDefault() if self.file is None else itk.SegmentationModel.Read(self.file)

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
    ) -> Any:
        """Run the network on tensors as they are, as the model of the official UniverSeg
        package is called: no normalisation, no resampling, no sigmoid.

        Parameters
        ----------
        target
            [B, 1, H, W], values in [0, 1]; H and W are multiples of 8 for the official
            architecture.
        support_images, support_labels
            [B, S, 1, H, W], or [1, S, 1, H, W] for one support set of all targets;
            labels are 0 and 1, or parts between.

            All three hold float32 at every ``precision`` and are on the same device:
            tensors of torch, CuPy, JAX or any other package with ``__dlpack__``, objects
            with ``__cuda_array_interface__``, or arrays for NumPy. Those on a CUDA device
            should be contiguous, and are read where they are. What another stream than
            the producer's own still writes to them is the caller's to order.
        device
            None: that of the tensors. For tensors of the CPU also "cuda", "cuda:1" or
            "auto": they are copied there, and the result back.
        backend
            "auto", or the name of one.
        precision
            What is computed with: "float32" or "float64", on CUDA "tf32", "bfloat16" and
            "float16" too.
        threads
            Of the CPU. None: as many as ITK uses.

        Returns
        -------
        Logits [B, 1, H, W] of float32; a pixel is foreground where they are above 0, and
        their sigmoid is its probability. For tensors of a CUDA device they are there, and
        done. A torch.Tensor or a CuPy array for a target of that kind, else a NumPy array,
        on a CUDA device a :class:`DeviceTensor`. There are no gradients.

        Nothing is kept between calls but plans for the last few shapes: :func:`segment`
        with a :class:`SupportSet` works on the supports once only.

        Raises
        ------
        TypeError, ValueError
            For tensors of another type, shape or place. What a package raises itself
            passes, as torch's BufferError for a tensor that requires a gradient.
        RuntimeError
            For what the network or the device refuses.
        """
        return _tensors.predict(
            self._native,
            target,
            support_images,
            support_labels,
            device=device,
            backend=backend,
            precision=precision,
            threads=0 if threads is None else _count(threads, "threads", 65535, 1),
        )

    def __repr__(self) -> str:
        d = self.description
        source = "embedded" if self.file is None else self.file
        return f"<itk_universeg.Model {d['network']}, {d['number_of_parameters']} parameters, {source}>"


class SupportSet:
    """Images with their label images, prepared once for any number of targets.

    Made by :func:`support_set`; :meth:`add` adds another pair.
    """

    def __init__(self, *, soft_labels: bool = False):
        self.soft_labels = bool(soft_labels)
        self._native = _native.Supports(self.soft_labels)
        self._pairs: list[tuple[np.ndarray, bool, np.ndarray, int, list[int]]] = []

    def add(
        self,
        image: Any,
        label: Any,
        *,
        slice_axis: int | None = None,
        slices: Sequence[int] | None = None,
        channel_axis: int | None = None,
    ) -> None:
        """Add a 2-D pair, or the slices of a volume: ``slices``, indices along
        ``slice_axis`` from 0, or all that have a label. The other parameters are
        those of :func:`segment`."""
        number = len(self._pairs)
        what = f"image of support {number}"
        pixels = _pixels.read_pixels(image, what, channel_axis)
        label_axis = channel_axis if getattr(label, "ndim", 0) == getattr(image, "ndim", None) else None
        label_pixels = _pixels.read_pixels(label, "label " + what, label_axis)
        array, labels = _pixels.intensities(pixels, what), _pixels.labels(label_pixels, "label " + what)
        spatial = array.shape[: pixels.dimension]
        if spatial != labels.shape:
            raise ValueError(
                f"The {what} has shape {spatial} and its label image {labels.shape}; they should be the same"
            )
        axis = _slice_axis(slice_axis)
        indices = [] if slices is None else [int(i) for i in slices]
        self._native.add(_native.Image.of(array, pixels.has_channels), _native.Image.of(labels), axis, indices)
        self._pairs.append((array, pixels.has_channels, labels, axis, indices))

    @property
    def labels(self) -> list[int]:
        """The distinct values of all label images, ascending."""
        return self._native.labels()

    def to_itk(self) -> Any:
        """The same set as an itk.UniverSegSupportSet, for UniverSegImageFilter."""
        import itk

        made = itk.UniverSegSupportSet.New()
        made.SetSoftLabels(self.soft_labels)
        for array, has_channels, labels, axis, slices in self._pairs:
            ttype = _itk_colour_type(array, labels.ndim) if has_channels else None
            image = itk.image_from_array(array) if ttype is None else itk.image_from_array(array, ttype=ttype)
            if labels.ndim == 2:
                made.PushBackSupport(image, itk.image_from_array(labels))
            else:
                made.PushBackSupportVolume(image, itk.image_from_array(labels), axis, slices)
        return made

    def __len__(self) -> int:
        return self._native.count()

    def __repr__(self) -> str:
        return f"<itk_universeg.SupportSet of {len(self)}, labels {self.labels}>"


def _itk_colour_type(array: np.ndarray, dimension: int) -> Any:
    import itk

    component = {np.uint8: itk.UC, np.uint16: itk.US, np.float32: itk.F}[array.dtype.type]
    pixel = itk.RGBPixel if array.shape[-1] == 3 else itk.RGBAPixel
    return itk.Image[pixel[component], dimension]


def model(file: str | os.PathLike | None = None) -> Model:
    """Load a model file, a safetensors file or a PyTorch ``.pt`` file of weights;
    without a name the model that the package carries.

    Nothing in a file is executed. A model that is used for several images is
    loaded and prepared once when it is kept:

    >>> model = itk.universeg_model("universeg_v1_nf64_ss64_STA.pt")
    >>> masks = [itk.universeg_segment(image, supports, model=model) for image in images]

    Raises FileNotFoundError, and RuntimeError for a file that is no model.
    """
    return Model(file)


def support_set(
    images: Any,
    labels: Any,
    *,
    slice_axis: int | None = None,
    slices: Sequence[int] | None = None,
    soft_labels: bool = False,
    channel_axis: int | None = None,
) -> SupportSet:
    """Images and their label images as one object, for several calls of
    :func:`segment`, which then prepare it once.

    The parameters are those of :func:`segment`; ``slices`` is its
    ``support_slices``.
    """
    made = SupportSet(soft_labels=soft_labels)
    images = [images] if _pixels.is_image(images) else images
    labels = [labels] if _pixels.is_image(labels) else labels
    if len(images) != len(labels):
        raise ValueError(f"There are {len(images)} support images and {len(labels)} label images")
    if not images:
        raise ValueError("The support set is empty; it needs at least one image and its label image")
    for image, label in zip(images, labels):
        made.add(image, label, slice_axis=slice_axis, slices=slices, channel_axis=channel_axis)
    return made


def segment(
    target: Any,
    support_images: Any,
    support_labels: Any = None,
    *,
    model: Model | str | os.PathLike | None = None,
    slice_axis: int | None = None,
    ensemble: int = 1,
    threshold: float = 0.5,
    backend: str = "auto",
    progress: bool | Callable[[float], Any] = False,
    normalize: str | tuple = "minmax",
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
) -> Any:
    """Segment an image as a few examples show.

    Parameters
    ----------
    target
        A 2-D image, or a volume, which is segmented slice by slice: an itk.Image
        or a filter with one as its output, a NumPy array, an xarray.DataArray, a
        torch.Tensor, a MONAI MetaTensor, a SimpleITK.Image or the name of a file.
        A list or tuple of targets gives a list of results.
    support_images, support_labels
        The examples: lists of images of any of these kinds, in the same order, or
        a single pair. Sizes may differ from the target's. A pair of volumes gives
        the slices that have a label. Label images hold integers; masks are 0 and
        1 or any other value. In place of both, a :class:`SupportSet`.
    model
        A :class:`Model`, a file as in :func:`model`, or None for the
        embedded model.
    slice_axis
        Axis across which volumes are cut: 0 is x, 1 y, 2 z (the default) for every
        kind of image. In a NumPy array, indexed [z, y, x], z is the first axis.
    ensemble, ensemble_size, seed
        Average the probabilities of so many random subsets of the supports, each
        of so many draws with replacement (0: as many as there are supports).
    threshold
        A pixel is foreground when its probability is above it.
    backend, device, precision
        "auto", "onednn" or "reference"; "cpu"; "float32" or "float64".
    progress
        True for a bar on standard error, or a function that is called with the
        part done, from 0 to 1. An exception that it raises ends the run.
    normalize
        How intensities are brought to [0, 1], those of supports and targets
        alike: "minmax" of each slice, "minmax-volume", "percentile" or
        ("percentile", low, high) in percent, ("window", low, high) in intensities,
        "none" for images that are in [0, 1].
    probabilities
        Return the probabilities too.
    foreground_value
        Value of the result's foreground when the examples have one label.
    include_background
        With several labels, whether the background competes as one of them.
    grid
        Extent of the grid that the network works on, one number or (columns,
        rows); None: the model's.
    max_supports
        Use the first supports only; 0: all.
    nearest_supports
        Segment each slice with so many of the supports, those whose images are most
        like it; 0: with all.
    support_slices
        Indices, from 0, of the slices to take from support volumes, also those
        without a label.
    soft_labels
        The label images hold parts from 0 to 1 instead of label values.
    channel_axis
        Axis of the channels, 1, 3 (RGB) or 4 (RGBA), of targets and supports that
        are NumPy arrays, torch tensors or DataArrays without a dimension "c".
        Label images have one value a pixel, with or without this axis.
    threads
        None: as many as ITK uses.

    Returns
    -------
    The label image, of the target's kind and with its geometry: 8 bits, or 16 when
    a label is above 255. The result for a file is an itk.Image. With
    ``probabilities=True`` a tuple of it and a dict that maps each label to an image
    of float32.

    Raises
    ------
    TypeError, ValueError
        For arguments that cannot be used.
    RuntimeError
        With the filter's own message for images or models that it refuses.

    Butoi et al., "UniverSeg: Universal Medical Image Segmentation", ICCV 2023.
    """
    supports = _supports(
        support_images,
        support_labels,
        slice_axis=slice_axis,
        slices=support_slices,
        soft_labels=soft_labels,
        channel_axis=channel_axis,
    )
    foreground = [label for label in supports.labels if label != 0]
    wide = (max(foreground) if len(foreground) > 1 else foreground_value) > 255
    network = model if isinstance(model, Model) else Model(_model_file(model))
    parameters = _native.default_parameters()
    parameters.threshold = threshold
    parameters.slice_axis = _slice_axis(slice_axis)
    parameters.foreground_value = _count(foreground_value, "foreground_value", 65535)
    parameters.include_background = bool(include_background)
    parameters.ensemble_size = _count(ensemble, "ensemble")
    parameters.ensemble_support_size = _count(ensemble_size, "ensemble_size")
    parameters.seed = _count(seed, "seed")
    parameters.maximum_number_of_supports = _count(max_supports, "max_supports")
    parameters.number_of_nearest_supports = _count(nearest_supports, "nearest_supports")
    parameters.grid_columns, parameters.grid_rows = _grid(grid)
    parameters.number_of_work_units = 0 if threads is None else _count(threads, "threads", 65535, 1)
    parameters.backend, parameters.device, parameters.precision = (
        str(text).encode() for text in (backend, device, precision)
    )
    _set_normalization(parameters, normalize)
    maps = supports._native.output_labels(parameters.include_background) if probabilities else []
    targets = [target] if _pixels.is_image(target) else target
    results = []
    for i, each in enumerate(targets):
        what = "target" if _pixels.is_image(target) else f"target {i}"
        pixels = _pixels.read_pixels(each, what, channel_axis)
        with _Progress(progress, i, len(targets)) as report:
            labels, planes = _native.segment(
                network._native,
                supports._native,
                parameters,
                _pixels.intensities(pixels, what),
                pixels.has_channels,
                len(maps),
                report,
            )
        result = pixels.restore(labels if wide else labels.astype(np.uint8))
        if probabilities:
            result = (result, {label: pixels.restore(plane) for label, plane in zip(maps, planes)})
        results.append(result)
    return results[0] if _pixels.is_image(target) else results


def _supports(images: Any, labels: Any, **options: Any) -> SupportSet:
    if isinstance(images, SupportSet):
        if labels is not None:
            raise TypeError("support_labels is given beside a SupportSet, which has its own")
        return images
    if type(images).__name__.startswith("itkUniverSegSupportSet"):
        raise TypeError(
            "An itk.UniverSegSupportSet goes with itk.UniverSegImageFilter; make the set for this function with "
            "itk.universeg_support_set(), whose to_itk() gives one for the filter"
        )
    if labels is None:
        raise TypeError("support_labels is missing; every support image needs its label image")
    return support_set(images, labels, **options)


def _model_file(value: Any) -> Any:
    if value is None or isinstance(value, (str, os.PathLike)):
        return value
    if type(value).__name__.startswith("itkSegmentationModel"):
        import itk

        return None if value == itk.SegmentationModel.GetDefault() else value.GetFileName()
    raise TypeError(f"model is a {type(value).__name__}; it should be a Model, the name of a file, or None")


def _slice_axis(axis: int | None) -> int:
    return 2 if axis is None else _count(axis, "slice_axis", 2)


def _count(value: Any, name: str, greatest: int = 2**53, least: int = 0) -> int:
    number = value.__index__() if hasattr(value, "__index__") else None
    if number is None or not least <= number <= greatest:
        raise ValueError(f"{name} is {value!r}; it should be an integer from {least} to {greatest}")
    return number


def _grid(grid: Any) -> tuple[int, int]:
    if grid is None:
        return 0, 0
    columns, rows = (grid, grid) if hasattr(grid, "__index__") else grid
    return _count(columns, "grid", least=1), _count(rows, "grid", least=1)


def _set_normalization(parameters: _native.Parameters, normalize: Any) -> None:
    name, *given = (normalize,) if isinstance(normalize, str) else normalize
    if name not in _NORMALIZATIONS:
        raise ValueError(f"normalize is {name!r}; it should be one of {', '.join(_NORMALIZATIONS)}")
    parameters.normalization = _NORMALIZATIONS.index(name)
    if name == "window" and len(given) != 2 or name == "percentile" and len(given) not in (0, 2):
        raise ValueError(f'normalize is {normalize!r}; it should have the form ("{name}", low, high)')
    if name not in ("window", "percentile") and given:
        raise ValueError(f"normalize is {normalize!r}; {name!r} has no range")
    if given and name == "window":
        parameters.window_minimum, parameters.window_maximum = given
    elif given:
        parameters.lower_percentile, parameters.upper_percentile = given


class _Progress:
    """The function to call with the part done of one of several targets, or None."""

    def __init__(self, progress: bool | Callable[[float], Any], number: int, count: int):
        self._call = progress if callable(progress) else self._draw if progress else None
        self._drawn = self._call == self._draw
        self._number, self._count = number, count

    def __enter__(self) -> Callable[[float], None] | None:
        if self._call is None:
            return None
        return lambda part: self._call((self._number + part) / self._count)

    def __exit__(self, *_: Any) -> None:
        if self._drawn and (sys.exc_info()[0] is not None or self._number + 1 == self._count):
            print(file=sys.stderr)

    def _draw(self, part: float) -> None:
        done = int(30 * part)
        print(
            f"\rSegmenting [{'#' * done}{'-' * (30 - done)}] {100 * part:3.0f} %", end="", file=sys.stderr, flush=True
        )
