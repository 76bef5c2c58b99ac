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
"""universeg_segment() and its companions."""

import inspect
import io
import itertools
import threading
import time
from contextlib import redirect_stderr

import itk
import itk_universeg
import numpy as np
import pytest
from conftest import dice, import_other, make_ball, make_disk, resident, run_filter


def make_itk(array, index=(7, -3), is_vector=False):
    """An itk image with a geometry of its own, in the array's order of axes."""
    image = itk.image_from_array(array, is_vector=is_vector)
    dimension = image.GetImageDimension()
    image.SetSpacing([0.5, 2.0, 3.0][:dimension])
    image.SetOrigin([-10.0, 20.0, 5.0][:dimension])
    direction = np.eye(dimension)
    direction[0, 0], direction[0, 1], direction[1, 0], direction[1, 1] = 0.0, -1.0, 1.0, 0.0
    image.SetDirection(direction)
    region = image.GetLargestPossibleRegion()
    region.SetIndex([*index, 4][:dimension])
    image.SetRegions(region)
    return image


def same_geometry(a, b):
    return (
        a.GetSpacing() == b.GetSpacing()
        and a.GetOrigin() == b.GetOrigin()
        and np.array_equal(itk.array_from_matrix(a.GetDirection()), itk.array_from_matrix(b.GetDirection()))
        and a.GetLargestPossibleRegion() == b.GetLargestPossibleRegion()
        and a.GetBufferedRegion() == b.GetBufferedRegion()
    )


def test_numpy_is_the_filter_bit_for_bit(pairs, target, expected):
    image, mask = target
    result = itk.universeg_segment(image, *pairs)
    assert isinstance(result, np.ndarray) and result.dtype == np.uint8
    assert np.array_equal(result, expected)
    assert dice(result, mask) > 0.9
    assert np.array_equal(itk_universeg.segment(image, *pairs), expected)


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint16", "int32", "int64", "float16", "float32", "float64", ">f4"])
def test_every_number_type(dtype, pairs, target, expected):
    images, masks = pairs
    # Halved so that they fit the smallest type; min-max normalisation does not see it.
    cast = [(image // 2).astype(dtype) for image in images]
    reference = itk.universeg_segment(target[0] // 2, [image // 2 for image in images], masks)
    assert np.array_equal(itk.universeg_segment((target[0] // 2).astype(dtype), cast, masks), reference)
    assert np.array_equal(itk.universeg_segment(target[0], images, [mask.astype(dtype) for mask in masks]), expected)


def test_bool_masks_and_arrays_in_any_layout(pairs, target, expected):
    images, masks = pairs
    fortran = [np.asfortranarray(image) for image in images]
    flipped = np.ascontiguousarray(target[0][::-1])[::-1]
    assert np.array_equal(itk.universeg_segment(flipped, fortran, [mask.astype(bool) for mask in masks]), expected)


def test_itk_image_keeps_its_geometry(pairs, target, expected):
    image = make_itk(target[0])
    result = itk.universeg_segment(image, *pairs)
    assert type(result) is type(itk.Image[itk.UC, 2].New())
    assert same_geometry(result, image)
    assert np.array_equal(itk.array_from_image(result), expected)
    assert np.array_equal(itk.array_from_image(image), target[0])
    assert np.array_equal(
        itk.array_from_image(
            itk.universeg_segment(image, [make_itk(a) for a in pairs[0]], [make_itk(a) for a in pairs[1]])
        ),
        expected,
    )


def test_output_of_a_filter_is_updated(pairs, target, expected):
    cast = itk.CastImageFilter[itk.Image[itk.UC, 2], itk.Image[itk.D, 2]].New(make_itk(target[0]))
    result = itk.universeg_segment(cast, *pairs)
    assert same_geometry(result, cast.GetOutput())
    assert np.array_equal(itk.array_from_image(result), expected)


def test_simpleitk_keeps_its_geometry(pairs, target, expected):
    sitk = import_other("SimpleITK")
    image = sitk.GetImageFromArray(target[0])
    image.SetSpacing((0.5, 2.0))
    image.SetOrigin((-1.0, 7.0))
    image.SetDirection((0.0, -1.0, 1.0, 0.0))
    result = itk.universeg_segment(image, *pairs)
    assert isinstance(result, sitk.Image) and result.GetPixelID() == sitk.sitkUInt8
    assert (result.GetSpacing(), result.GetOrigin(), result.GetDirection()) == (
        image.GetSpacing(),
        image.GetOrigin(),
        image.GetDirection(),
    )
    assert np.array_equal(sitk.GetArrayFromImage(result), expected)


def test_xarray_keeps_coordinates_and_attributes(pairs, target, expected):
    xarray = import_other("xarray")
    image = xarray.DataArray(
        target[0],
        dims=("y", "x"),
        coords={"y": np.arange(40) * 2.0, "x": np.arange(48) * 0.5 - 3, "patient": 12},
        attrs={"direction": np.eye(2)},
        name="scan",
    )
    result = itk.universeg_segment(image, *pairs)
    assert isinstance(result, xarray.DataArray) and result.name == "scan" and result.attrs is not None
    assert result.coords.equals(image.coords) and np.array_equal(result.attrs["direction"], np.eye(2))
    assert np.array_equal(result.values, expected)
    colour = xarray.concat([image, image, image], dim="c").transpose("y", "x", "c")
    assert itk.universeg_segment(colour, *pairs).dims == ("y", "x")


def test_torch(pairs, target, expected):
    torch = import_other("torch")
    image = torch.from_numpy(target[0].copy()).requires_grad_(False)
    result = itk.universeg_segment(
        image, [torch.from_numpy(a) for a in pairs[0]], [torch.from_numpy(a).bool() for a in pairs[1]]
    )
    assert type(result) is torch.Tensor and result.dtype == torch.uint8
    assert np.array_equal(result.numpy(), expected)
    half = itk.universeg_segment(image.bfloat16().requires_grad_(), *pairs)
    assert dice(half, expected) > 0.99
    channelled = itk.universeg_segment(
        image[None].float(), [a[None] for a in pairs[0]], [a[None] for a in pairs[1]], channel_axis=0
    )
    assert channelled.shape == (1, 40, 48) and np.array_equal(channelled[0].numpy(), expected)


def test_metatensor_is_channel_first_and_transposed(pairs, target, expected):
    torch = import_other("torch")
    MetaTensor = import_other("monai.data").MetaTensor

    affine = torch.diag(torch.tensor([-0.5, -2.0, 3.0, 1.0], dtype=torch.float64))
    affine[:3, 3] = torch.tensor([10.0, -20.0, 5.0])
    meta = {"spatial_shape": np.array([48, 40]), "filename_or_obj": "scan.nii.gz"}
    image = MetaTensor(torch.from_numpy(target[0].T[None].astype(np.float32)), affine=affine, meta=meta)
    result = itk.universeg_segment(image, *pairs)
    assert isinstance(result, MetaTensor) and result.shape == image.shape and result.dtype == torch.uint8
    assert torch.equal(result.affine, image.affine) and result.meta["filename_or_obj"] == "scan.nii.gz"
    assert np.array_equal(result[0].numpy().T, expected)

    supports = [MetaTensor(torch.from_numpy(a.T[None].copy())) for a in pairs[0]]
    masks = [MetaTensor(torch.from_numpy(a.T[None].copy())) for a in pairs[1]]
    assert np.array_equal(itk.universeg_segment(target[0], supports, masks), expected)


def test_metatensor_volume(pairs):
    torch = import_other("torch")
    MetaTensor = import_other("monai.data").MetaTensor

    volume, _ = make_ball(40)
    reference = itk.universeg_segment(volume, *pairs, slice_axis=0)
    result = itk.universeg_segment(MetaTensor(torch.from_numpy(volume.T[None].copy())), *pairs, slice_axis=0)
    assert result.shape == (1, *volume.T.shape)
    assert np.array_equal(result[0].numpy().T, reference)


def test_files(tmp_path, pairs, target, expected):
    for i, (image, mask) in enumerate(zip(*pairs)):
        itk.imwrite(itk.image_from_array(image), tmp_path / f"{i}.png")
        itk.imwrite(itk.image_from_array(mask), tmp_path / f"{i}_mask.png")
    image = make_itk(target[0], index=(0, 0))
    itk.imwrite(image, tmp_path / "target.mha")
    result = itk.universeg_segment(
        tmp_path / "target.mha",
        [str(tmp_path / f"{i}.png") for i in range(8)],
        [tmp_path / f"{i}_mask.png" for i in range(8)],
    )
    assert same_geometry(result, image)
    assert np.array_equal(itk.array_from_image(result), expected)


def test_colours(pairs, target):
    images, masks = pairs
    colour = [np.stack([image, image // 2, image // 3], -1) for image in images]
    image = np.stack([target[0], target[0] // 2, target[0] // 3], -1)
    supports = itk.UniverSegSupportSet.New()
    for each, mask in zip(colour, masks):
        supports.PushBackSupport(itk.image_from_array(each, is_vector=True), itk.image_from_array(mask))
    reference = itk.array_from_image(run_filter(itk.image_from_array(image, is_vector=True), supports).GetOutput())
    assert np.array_equal(itk.universeg_segment(image, colour, masks, channel_axis=-1), reference)
    first = [np.moveaxis(each, -1, 0) for each in colour]
    assert np.array_equal(itk.universeg_segment(np.moveaxis(image, -1, 0), first, masks, channel_axis=0), reference)
    itk_result = itk.universeg_segment(make_itk(image, is_vector=True), colour, masks, channel_axis=-1)
    assert np.array_equal(itk.array_from_image(itk_result), reference)
    rgba = [np.concatenate([each, each[..., :1]], -1) for each in colour]
    assert np.array_equal(itk.universeg_segment(image, rgba, masks, channel_axis=-1), reference)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_volumes_from_their_own_slices(axis):
    volume, labels = make_ball(7, (12, 14, 16))
    sparse = np.zeros_like(labels)
    number = {0: 16, 1: 14, 2: 12}[axis]
    selected = np.moveaxis(sparse, 2 - axis, 0)
    for i in (2, number // 2, number - 3):
        selected[i] = np.moveaxis(labels, 2 - axis, 0)[i]
    supports = itk.UniverSegSupportSet.New()
    supports.PushBackSupportVolume(itk.image_from_array(volume), itk.image_from_array(sparse), axis)
    image_filter = run_filter(make_itk(volume), supports, SliceAxis=axis)
    result = itk.universeg_segment(volume, volume, sparse, slice_axis=axis)
    assert np.array_equal(result, itk.array_from_image(image_filter.GetOutput()))
    image = itk.universeg_segment(make_itk(volume), make_itk(volume), make_itk(sparse), slice_axis=axis)
    assert same_geometry(image, image_filter.GetOutput())
    assert np.array_equal(itk.array_from_image(image), result)


def test_support_slices(pairs):
    volume, labels = make_ball(7)
    some = itk.universeg_support_set(volume, labels, slices=[1, 4])
    assert len(some) == 2 and some.labels == [0, 1]
    flat = itk.universeg_segment(volume, [volume[1], volume[4]], [labels[1], labels[4]])
    assert np.array_equal(itk.universeg_segment(volume, volume, labels, support_slices=[1, 4]), flat)


def test_parameters_reach_the_filter(pairs, target):
    images, masks = pairs
    several = [mask + 2 * (np.roll(mask, 9, 1) & ~mask & 1) for mask in masks]
    made = itk.universeg_support_set(images, several)
    image = itk.image_from_array(target[0])
    enum = itk.IntensityNormalizationEnums
    cases = [
        ({"threshold": 0.2}, {"Threshold": 0.2}),
        ({"ensemble": 3, "ensemble_size": 4, "seed": 9}, {"EnsembleSize": 3, "EnsembleSupportSize": 4, "Seed": 9}),
        ({"max_supports": 2}, {"MaximumNumberOfSupports": 2}),
        ({"nearest_supports": 1}, {"NumberOfNearestSupports": 1}),
        ({"include_background": False, "threshold": 0.7}, {"IncludeBackground": False, "Threshold": 0.7}),
        ({"grid": 32}, {"GridSize": 32}),
        ({"grid": (32, 16)}, {"GridSize": [32, 16]}),
        ({"normalize": "none"}, {"Normalization": enum.Normalization__None}),
        ({"normalize": "minmax-volume"}, {"Normalization": enum.Normalization_MinMaxOfVolume}),
        ({"normalize": "percentile"}, {"Normalization": enum.Normalization_Percentile}),
        (
            {"normalize": ("percentile", 5, 95)},
            {"Normalization": enum.Normalization_Percentile, "LowerPercentile": 5, "UpperPercentile": 95},
        ),
        (
            {"normalize": ("window", 10, 150)},
            {"Normalization": enum.Normalization_Window, "WindowMinimum": 10, "WindowMaximum": 150},
        ),
        ({"backend": "reference"}, {"Backend": "reference"}),
        ({"precision": "float64", "backend": "reference"}, {"Precision": "float64", "Backend": "reference"}),
        ({"threads": 1}, {}),
    ]
    outcomes = set()
    for ours, filters in cases:
        result = itk.universeg_segment(target[0], made, **ours)
        reference = itk.array_from_image(run_filter(image, made.to_itk(), **filters).GetOutput())
        assert np.array_equal(result, reference), ours
        outcomes.add(result.tobytes())
    assert len(outcomes) >= 8


def test_probabilities_and_labels_above_a_byte(pairs, target):
    images, masks = pairs
    result, maps = itk.universeg_segment(make_itk(target[0]), images, masks, probabilities=True, foreground_value=1000)
    assert list(maps) == [1] and type(result) is type(itk.Image[itk.US, 2].New())
    probability = itk.array_from_image(maps[1])
    assert probability.dtype == np.float32 and same_geometry(maps[1], result)
    assert np.array_equal(itk.array_from_image(result), np.where(probability > 0.5, 1000, 0))

    several = [mask.astype(np.uint16) * 300 + 2 * (np.roll(mask, 9, 1) & ~mask & 1) for mask in masks]
    result, maps = itk.universeg_segment(target[0], images, several, probabilities=True)
    assert list(maps) == [0, 2, 300] and result.dtype == np.uint16
    order = np.argmax(np.stack(list(maps.values())), 0)
    assert np.array_equal(result, np.array([0, 2, 300])[order])
    _, maps = itk.universeg_segment(target[0], images, several, probabilities=True, include_background=False)
    assert list(maps) == [2, 300]


def test_objects_are_reused(tmp_path, pairs, target, expected):
    supports = itk.universeg_support_set(*pairs)
    network = itk.universeg_model()
    assert len(supports) == 8 and "of 8" in repr(supports)
    assert network.description["network"] == "universeg" and network.description["grid_size"] == [128, 128]
    assert "296481" in repr(network)
    results = itk.universeg_segment([target[0], make_itk(target[0])], supports, model=network)
    assert np.array_equal(results[0], expected) and np.array_equal(itk.array_from_image(results[1]), expected)

    image_filter = run_filter(itk.image_from_array(target[0]), supports.to_itk(), Model=network.to_itk())
    assert np.array_equal(itk.array_from_image(image_filter.GetOutput()), expected)
    assert np.array_equal(
        itk.universeg_segment(target[0], supports, model=itk.SegmentationModel.GetDefault()), expected
    )

    supports.add(*make_disk(50))
    assert len(supports) == 9
    assert np.array_equal(
        itk.universeg_segment(target[0], supports),
        itk.universeg_segment(target[0], [*pairs[0], make_disk(50)[0]], [*pairs[1], make_disk(50)[1]]),
    )


def test_soft_labels(pairs, target, expected):
    images, masks = pairs
    halves = [mask.astype(np.float32) for mask in masks]
    soft = itk.universeg_segment(target[0], images, halves, soft_labels=True)
    assert dice(soft, expected) > 0.9
    with pytest.raises(RuntimeError, match="soft labels should be in"):
        itk.universeg_segment(target[0], images, [2 * half for half in halves], soft_labels=True)


def test_official_names_of_weights_load(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing.pt"):
        itk.universeg_model(tmp_path / "missing.pt")
    broken = tmp_path / "broken.pt"
    broken.write_bytes(b"PK\x03\x04 not an archive")
    with pytest.raises(RuntimeError, match="broken.pt"):
        itk.universeg_model(broken)


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"support_images": [], "support_labels": []}, ValueError, "support set is empty"),
        ({"support_labels": None}, TypeError, "support_labels is missing"),
        ({"support_labels": [np.zeros((40, 48), np.uint8)]}, ValueError, "8 support images and 1 label"),
        ({"target": "nowhere.png"}, FileNotFoundError, "nowhere.png"),
        ({"target": object()}, TypeError, "target is of type object"),
        ({"target": np.zeros(5)}, ValueError, "1 spatial axes"),
        ({"target": np.zeros((4, 5, 6, 3))}, ValueError, "4 spatial axes.*channel_axis"),
        ({"support_images": [np.zeros((5, 4, 2))] * 8, "channel_axis": 2}, ValueError, "support 0 has 2 channels"),
        ({"channel_axis": 2}, ValueError, "channel_axis is 2, but the image of support 0 has 2 axes"),
        ({"target": np.zeros((0, 5))}, ValueError, "no pixels"),
        ({"target": np.zeros((4, 5), complex)}, TypeError, "complex128"),
        ({"target": np.full((4, 5), np.nan)}, RuntimeError, r"NaN or infinite at index \[0, 0\]"),
        ({"threshold": 2}, RuntimeError, "Threshold is 2; should be in"),
        ({"threshold": "high"}, TypeError, "must be real number|float"),
        ({"slice_axis": 3}, ValueError, "slice_axis is 3"),
        ({"ensemble": -1}, ValueError, "ensemble is -1"),
        ({"ensemble": 1.5}, ValueError, "ensemble is 1.5"),
        ({"foreground_value": 70000}, ValueError, "foreground_value is 70000"),
        ({"grid": 0}, ValueError, "grid is 0"),
        ({"grid": 31}, RuntimeError, "31"),
        ({"threads": 0}, ValueError, "threads is 0"),
        ({"backend": "abacus"}, RuntimeError, "abacus"),
        ({"device": "tape"}, RuntimeError, "tape"),
        ({"precision": "float8"}, RuntimeError, "float8"),
        ({"normalize": "maxmin"}, ValueError, "normalize is 'maxmin'"),
        ({"normalize": "window"}, ValueError, "window.*low, high"),
        ({"normalize": ("minmax", 1, 2)}, ValueError, "has no range"),
        ({"normalize": ("window", 2, 1)}, RuntimeError, "indow"),
        ({"model": 7}, TypeError, "model is a int"),
        ({"model": "nowhere.pt"}, FileNotFoundError, "nowhere.pt"),
        ({"colour": 1}, TypeError, "colour"),
    ],
)
def test_errors(change, error, message, pairs, target):
    arguments = {"target": target[0], "support_images": pairs[0], "support_labels": pairs[1], **change}
    with pytest.raises(error, match=message):
        itk.universeg_segment(**arguments)


def test_channels_of_the_target(pairs):
    with pytest.raises(ValueError, match="target has 2 channels along axis 0"):
        itk.universeg_segment(np.zeros((2, 4, 5)), itk.universeg_support_set(*pairs), channel_axis=0)


def test_errors_of_supports(pairs, target):
    images, masks = pairs
    with pytest.raises(ValueError, match=r"image of support 1 has shape \(40, 47\)"):
        itk.universeg_segment(target[0], [images[0], images[1][:, 1:]], masks[:2])
    with pytest.raises(RuntimeError, match="should be integers"):
        itk.universeg_segment(target[0], images[:1], [masks[0] * 0.5])
    with pytest.raises(ValueError, match="has 3 channels"):
        itk.universeg_segment(target[0], images[:1], [make_itk(np.dstack([masks[0]] * 3), is_vector=True)])
    with pytest.raises(RuntimeError, match="marks nothing|0 everywhere|no label"):
        itk.universeg_segment(target[0], images[:1], [masks[0] * 0])
    with pytest.raises(TypeError, match="itk.universeg_support_set"):
        itk.universeg_segment(target[0], itk.UniverSegSupportSet.New())
    with pytest.raises(TypeError, match="which has its own"):
        itk.universeg_segment(target[0], itk.universeg_support_set(*pairs), masks)
    supports = itk.universeg_support_set(*pairs)
    with pytest.raises(RuntimeError, match="NaN"):
        supports.add(np.full((4, 4), np.inf), np.ones((4, 4), np.uint8))
    assert len(supports) == 8


def test_progress(pairs, target):
    parts = []
    itk.universeg_segment([target[0], target[0]], *pairs, progress=parts.append)
    assert len(parts) > 10 and parts == sorted(parts) and parts[-1] == 1
    assert any(abs(part - 0.5) < 1e-6 for part in parts)
    text = io.StringIO()
    with redirect_stderr(text):
        itk.universeg_segment(target[0], *pairs, progress=True)
    assert "100 %" in text.getvalue() and text.getvalue().endswith("\n")
    text = io.StringIO()
    with redirect_stderr(text):
        itk.universeg_segment(target[0], *pairs)
    assert text.getvalue() == ""


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
def test_an_exception_of_progress_ends_the_run(kind, pairs, target, expected):
    calls = []

    def stop(part):
        calls.append(part)
        if part > 0.3:
            raise kind("enough")

    with pytest.raises(kind, match="enough"):
        itk.universeg_segment(target[0], *pairs, progress=stop)
    assert 0.3 < calls[-1] < 0.9
    assert np.array_equal(itk.universeg_segment(target[0], *pairs), expected)


def test_other_threads_run_meanwhile(pairs):
    volume = np.stack([make_disk(seed, (96, 96))[0] for seed in range(24)])
    supports = itk.universeg_support_set(*pairs)
    ends = {}

    def work(name):
        start = time.perf_counter()
        itk.universeg_segment(volume, supports, threads=1)
        ends[name] = (start, time.perf_counter())

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    # With the lock held in the library this thread would count only between operators.
    count = 0
    while all(thread.is_alive() for thread in threads):
        count += 1
    for thread in threads:
        thread.join()
    busy = min(end for _, end in ends.values()) - max(start for start, _ in ends.values())
    assert busy > 0.05
    start, free = time.perf_counter(), 0
    while time.perf_counter() - start < 0.2:
        free += all(thread.is_alive() for thread in threads) + 1
    assert count / busy > 0.05 * free / 0.2


def test_memory_does_not_grow(pairs, target):
    image = make_itk(target[0])
    for _ in range(20):
        itk.universeg_segment(image, *pairs)
    before = resident()
    for _ in range(200):
        itk.universeg_segment(image, *pairs)
    assert resident() - before < 8e6


def test_help_and_signatures():
    signature = inspect.signature(itk.universeg_segment)
    assert list(signature.parameters)[:3] == ["target", "support_images", "support_labels"]
    assert all(p.kind is p.KEYWORD_ONLY for p in itertools.islice(signature.parameters.values(), 3, None))
    for name in signature.parameters:
        assert name in itk.universeg_segment.__doc__
    for function in (itk.universeg_support_set, itk.universeg_model, itk_universeg.SupportSet.add):
        assert len(function.__doc__) > 100
    assert itk_universeg.__version__ and set(itk_universeg.__all__) < set(dir(itk_universeg))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        itk_universeg.nothing


def test_stubs_match():
    import ast
    import pathlib

    folder = pathlib.Path(itk_universeg.__file__).parent
    assert (folder / "py.typed").exists()
    tree = ast.parse((folder / "__init__.pyi").read_text())
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert set(functions) >= {"segment", "support_set", "model"}
    for name in ("segment", "support_set", "model"):
        arguments = functions[name].args
        stub = [a.arg for a in arguments.args + arguments.kwonlyargs]
        assert stub == list(inspect.signature(getattr(itk_universeg, name)).parameters)
