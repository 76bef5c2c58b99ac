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
"""The wrapped filters of volumes: Volume Fusion, deformations and sliding windows."""

import os
import subprocess
import sys

import itk
import numpy as np
import pytest

TRAINING = """
steps = 12
batch-size = 1
validate-every = 12

[network]
name = "fmunet"
configuration = '{"in_chns": 1, "class_num": 2, "feature_chns": [8, 8, 8, 8, 8], "depth": 1, "dropout": 0}'

[data]
train = "list.csv"
validation = "list.csv"

[window]
size = [16, 16, 16]
stride = [8, 8, 8]

[schedule]
shape = "constant"
rate = 0.01

[transforms]
inference = []

[[transforms.train]]
name = "RandomCrop"
options = ["output_size = [16, 16, 16]"]

[[transforms.train]]
name = "LabelToProbability"
options = ["class_num = 2"]

[[transforms.validation]]
name = "LabelToProbability"
options = ["class_num = 2"]
"""


def make_volume(seed, shape=(20, 24, 28)):
    """A bright ball in noise, and its mask."""
    random = np.random.default_rng(seed)
    z, y, x = np.mgrid[: shape[0], : shape[1], : shape[2]]
    mask = (z - 10) ** 2 + (y - 12) ** 2 + (x - 13) ** 2 < 60
    return (mask + random.normal(0, 0.2, shape)).astype(np.float32), mask.astype(np.uint8)


def run_command(*arguments, cwd):
    script = os.path.join(os.path.dirname(sys.executable), "universeg")
    done = subprocess.run([script, *map(str, arguments)], capture_output=True, text=True, timeout=300, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model that the command has trained, and the volume it was trained with."""
    made = tmp_path_factory.mktemp("volumes")
    image, mask = make_volume(1)
    itk.imwrite(itk.image_from_array(image), made / "image.nii.gz")
    itk.imwrite(itk.image_from_array(mask), made / "mask.nii.gz")
    (made / "list.csv").write_text("image,label\nimage.nii.gz,mask.nii.gz\n")
    (made / "training.toml").write_text(TRAINING)
    run_command("train", "--config", "training.toml", "--output", "run", cwd=made)
    return made


def make_filter(folder, image, label=itk.UC, **parameters):
    dimension = image.GetImageDimension()
    result = itk.SlidingWindowSegmentationImageFilter[type(image), itk.Image[label, dimension]].New(Input=image)
    result.SetModel(itk.SegmentationModel.Read(str(folder / "run" / "model.safetensors")))
    result.SetWindowSize([16] * dimension)
    result.SetWindowStride([8] * dimension)
    for name, value in parameters.items():
        getattr(result, "Set" + name)(value)
    return result


U2NET = """
steps = 1
batch-size = 1

[network]
name = "u2net"
configuration = '{"num_pool_per_axis": [2, 2, 2], "base_channels": 2, "in_channels": [1], "num_classes": [2]}'

[data]
train = "list.csv"

[u2net]
spacing = [1.5, 1.0, 1.25]
patch = [8, 8, 8]

[[transforms.train]]
name = "RandomCrop"
options = ["output_size = [8, 8, 8]"]

[[transforms.train]]
name = "LabelToProbability"
options = ["class_num = 2"]
"""


def test_u2net_adapter_filter_is_the_command(folder):
    (folder / "u2net.toml").write_text(U2NET)
    run_command("train", "--config", "u2net.toml", "--output", "u2net", cwd=folder)
    run_command(
        "segment", "--model", "u2net/model.safetensors", "--image", "image.nii.gz", "--output", "u2net.mha", cwd=folder
    )
    expected = itk.array_from_image(itk.imread(str(folder / "u2net.mha")))
    image = itk.imread(str(folder / "image.nii.gz"), itk.F)
    for label in (itk.UC, itk.US):
        segment = itk.U2NetAdapterFilter[type(image), itk.Image[label, 3]].New(Input=image)
        segment.SetModel(itk.SegmentationModel.Read(str(folder / "u2net" / "model.safetensors")))
        segment.Update()
        assert np.array_equal(itk.array_from_image(segment.GetOutput()), expected)
    segment.SetTaskName("spleen")
    with pytest.raises(RuntimeError, match="The model has no task 'spleen'"):
        segment.Update()


def test_hermes_takes_numbers_of_tasks():
    segment = itk.HermesImageFilter[itk.Image[itk.SS, 3], itk.Image[itk.UC, 3]].New()
    segment.SetTaskNumbers([19, 24])
    segment.SetModality(0)
    segment.SetTaskName("bcv")
    assert list(segment.GetTaskNumbers()) == [19, 24]
    segment.SetInput(itk.image_from_array(np.zeros((4, 5, 6), np.int16)))
    with pytest.raises(RuntimeError, match="No model is given"):
        segment.Update()
    segment.SetModel(itk.SegmentationModel.GetDefault())
    with pytest.raises(RuntimeError, match="should be hermes or hermes_medformer"):
        segment.Update()


def test_sliding_windows_are_those_of_the_command(folder):
    image = itk.imread(str(folder / "image.nii.gz"), itk.F)
    run_command(
        "segment", "--model", "run/model.safetensors", "--image", "image.nii.gz", "--output", "out.mha", cwd=folder
    )
    expected = itk.array_from_image(itk.imread(str(folder / "out.mha")))
    for label in (itk.UC, itk.US):
        segment = make_filter(folder, image, label)
        segment.Update()
        result = itk.array_from_image(segment.GetOutput())
        assert np.array_equal(result, expected)
        assert segment.GetNumberOfWindowsRun() == 2 * 2 * 3
    assert 0 < expected.mean() < 1


def test_sliding_windows_stream(folder):
    image = itk.imread(str(folder / "image.nii.gz"), itk.F)
    whole = make_filter(folder, image)
    whole.Update()
    segment = make_filter(folder, image)
    writer = itk.ImageFileWriter.New(segment, FileName=str(folder / "streamed.mha"))
    writer.SetNumberOfStreamDivisions(3)
    writer.Update()
    streamed = itk.array_from_image(itk.imread(str(folder / "streamed.mha")))
    assert np.array_equal(streamed, itk.array_from_image(whole.GetOutput()))


def test_sliding_window_parameters(folder):
    image = itk.image_from_array(make_volume(2)[0])
    segment = make_filter(folder, image, ProduceProbability=True)
    enums = itk.SlidingWindowEnums
    for name, value in {
        "Task": 1,
        "WindowPlacement": enums.Placement_MONAI,
        "WindowBlending": enums.Blending_Constant,
        "WindowOverlap": 0.5,
        "WindowStep": 0.4,
        "PadToWindow": True,
        "PaddingValue": -1.0,
        "WindowBatchSize": 2,
        "MaximumLogitBytes": 1 << 30,
        "Backend": "reference",
        "Precision": "float32",
        "ProbabilityClass": 1,
    }.items():
        getattr(segment, "Set" + name)(value)
        assert getattr(segment, "Get" + name)() == value
    with pytest.raises(RuntimeError, match="of one task"):
        segment.Update()
    segment.SetTask(-1)
    segment.SetMirrorAxes([True, False, False])
    assert list(segment.GetMirrorAxes()) == [True, False, False]
    segment.Update()
    probability = itk.array_from_image(segment.GetProbabilityOutput())
    labels = itk.array_from_image(segment.GetOutput())
    assert np.array_equal(labels == 1, probability > 0.5)
    with pytest.raises(RuntimeError, match="WindowOverlap|overlap"):
        segment.SetWindowOverlap(1.5)
        segment.Update()


def test_volume_fusion():
    image = itk.image_from_array(make_volume(3, (40, 44, 48))[0])
    crop = itk.Crop4VolumeFusionFilter[type(image), itk.Image[itk.F, 3]].New(Input=image)
    crop.SetOutputSize([16, 20, 24])
    crop.SetSeed(5)
    fusion = itk.VolumeFusionFilter[type(image), type(image), itk.Image[itk.UC, 3]].New()
    fusion.SetForegroundImage(crop.GetPatch(0))
    fusion.SetBackgroundImage(crop.GetPatch(1))
    fusion.SetMinimumBlockSize([4, 4, 4])
    fusion.SetMaximumBlockSize([8, 8, 8])
    fusion.SetSeed(6)
    fusion.Update()
    fused = itk.array_from_image(fusion.GetOutput())
    labels = itk.array_from_image(fusion.GetLabelOutput())
    patches = [itk.array_from_image(crop.GetPatch(i)) for i in (0, 1)]
    assert fused.shape == labels.shape == (24, 20, 16) and set(np.unique(labels)) == set(range(5))
    weight = labels / 4
    assert np.allclose(fused, weight * patches[0] + (1 - weight) * patches[1], atol=1e-5)
    fusion.SetSeed(7)
    fusion.Update()
    assert not np.array_equal(itk.array_from_image(fusion.GetLabelOutput()), labels)
    with pytest.raises(RuntimeError, match="number of classes is 1; should be from 2 to 256"):
        fusion.SetNumberOfClasses(1)
        fusion.Update()


def test_spatial_deformation():
    array, mask = make_volume(4)
    image = itk.image_from_array(array)
    image.SetSpacing([0.5, 2, 3])
    other = itk.image_from_array(1 - 2 * array)
    other.CopyInformation(image)
    labels = itk.image_from_array(mask)
    labels.CopyInformation(image)
    deform = itk.SpatialDeformationImageFilter[type(image), itk.Image[itk.UC, 3]].New(Input=image)
    deform.SetInput(1, other)
    deform.SetLabelImage(labels)
    deform.SetBoundary("nearest")
    deform.AppendTranslate([3.0, -2.0, 1.0])
    deform.AppendFlip([True, False, False])
    deform.Update()
    assert list(deform.GetDoneOperations()) == ["translate", "flip"]
    # The translation moves coordinates, which the flip then reverses along x.
    z, y, x = (np.arange(n) for n in array.shape)
    place = np.ix_((z + 1).clip(0, 19), (y - 2).clip(0, 23), (27 - x + 3).clip(0, 27))
    assert np.allclose(itk.array_from_image(deform.GetOutput()), array[place], atol=1e-5)
    assert np.allclose(itk.array_from_image(deform.GetOutput(1)), 1 - 2 * array[place], atol=1e-5)
    assert np.array_equal(itk.array_from_image(deform.GetLabelOutput()), mask[place])
    assert list(deform.GetOutput().GetSpacing()) == [0.5, 2, 3]

    deform.ClearOperations()
    deform.AppendElastic(4.0, 20.0)
    deform.AppendRotate([0.1, 0.0, 0.3], 0.5)
    results = {}
    for seed in range(8):
        deform.SetSeed(seed)
        deform.Update()
        results[seed] = itk.array_from_image(deform.GetOutput())
        assert deform.GetDoneOperations()[0] == "elastic"
    assert not np.array_equal(results[0], results[1])
    deform.SetSeed(0)
    deform.Update()
    assert np.array_equal(itk.array_from_image(deform.GetOutput()), results[0])
    with pytest.raises(RuntimeError, match="the boundary is 'edge'; should be constant, reflect"):
        deform.SetBoundary("edge")
        deform.Update()


def test_spatial_deformation_of_pictures():
    array = np.arange(20, dtype=np.uint8).reshape(4, 5)
    deform = itk.SpatialDeformationImageFilter.New(itk.image_from_array(array))
    deform.AppendTranslate([0.0, 0.5])
    deform.SetDefaultPixelValue(99)
    deform.Update()
    expected = np.full_like(array, 99)
    expected[:3] = array[:3] + 3  # two and a half, rounded up
    assert np.array_equal(itk.array_from_image(deform.GetOutput()), expected)
    deform.AppendRotate([0.2])
    deform.Update()
    assert list(deform.GetDoneOperations()) == ["translate", "rotate"]
