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
"""The wrapped classes, in ITK's own ways, and what the package does to a process."""

import importlib.util
import inspect
import os
import subprocess
import sys
import threading

import itk
import numpy as np
import pytest
from conftest import STRICT, dice, make_ball, make_disk, resident, run_filter


@pytest.fixture
def supports(pairs):
    made = itk.UniverSegSupportSet.New()
    for image, mask in zip(*pairs):
        made.PushBackSupport(itk.image_from_array(image), itk.image_from_array(mask))
    return made


def run_python(code, options=STRICT):
    """Run code in a process of its own, outside any source tree, warnings as errors."""
    done = subprocess.run([sys.executable, *options, "-c", code], capture_output=True, text=True, cwd="/", timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("label", [itk.UC, itk.US])
@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("pixel", [itk.UC, itk.SS, itk.US, itk.F, itk.RGBPixel[itk.UC]])
def test_wrapped_types(pixel, dimension, label, supports):
    input_type, output_type = itk.Image[pixel, dimension], itk.Image[label, dimension]
    image = input_type.New()
    image.SetRegions([8, 6, 2][:dimension])
    image.AllocateInitialized()
    image.SetSpacing(2.5)
    image_filter = itk.UniverSegImageFilter[input_type, output_type].New(Input=image, SupportSet=supports)
    image_filter.Update()
    assert type(image_filter.GetOutput()) is output_type
    assert image_filter.GetOutput().GetSpacing()[0] == 2.5
    assert list(itk.size(image_filter.GetOutput())) == [8, 6, 2][:dimension]


def test_parameters_round_trip():
    image_filter = itk.UniverSegImageFilter[itk.Image[itk.F, 3], itk.Image[itk.UC, 3]].New()
    enum = itk.IntensityNormalizationEnums
    for name, value in {
        "Threshold": 0.25,
        "ForegroundValue": 7,
        "SliceAxis": 1,
        "SliceBatchSize": 3,
        "Normalization": enum.Normalization_Percentile,
        "LowerPercentile": 2.0,
        "UpperPercentile": 98.0,
        "WindowMinimum": -100.0,
        "WindowMaximum": 300.0,
        "IncludeBackground": False,
        "EnsembleSize": 4,
        "EnsembleSupportSize": 5,
        "Seed": 6,
        "MaximumNumberOfSupports": 8,
        "NumberOfNearestSupports": 9,
        "Backend": "reference",
        "Device": "cpu",
        "Precision": "float64",
        "ProduceProbabilities": True,
    }.items():
        time = image_filter.GetMTime()
        getattr(image_filter, "Set" + name)(value)
        assert getattr(image_filter, "Get" + name)() == value
        assert image_filter.GetMTime() > time or name == "Device"
    image_filter.SetGridSize([32, 16])
    assert list(image_filter.GetGridSize()) == [32, 16]
    assert "EnsembleSupportSize: 5" in str(image_filter)


def test_generated_function(supports, target, expected):
    image = itk.image_from_array(target[0])
    result = itk.univer_seg_image_filter(image, support_set=supports)
    assert np.array_equal(itk.array_from_image(result), expected)
    lower = itk.univer_seg_image_filter(image, support_set=supports, threshold=0.1, foreground_value=9)
    assert set(np.unique(itk.array_from_image(lower))) == {0, 9}
    array = itk.univer_seg_image_filter(target[0], support_set=supports)
    assert isinstance(array, np.ndarray) and np.array_equal(array, expected)
    wide = itk.univer_seg_image_filter(image, support_set=supports, ttype=[type(image), itk.Image[itk.US, 2]])
    assert itk.array_from_image(wide).dtype == np.uint16
    assert "support_set" in itk.univer_seg_image_filter.__doc__ or inspect.signature(itk.univer_seg_image_filter)


def test_pipeline(tmp_path, supports, target, expected):
    itk.imwrite(itk.image_from_array(target[0]), tmp_path / "in.nrrd")
    reader = itk.ImageFileReader[itk.Image[itk.F, 2]].New(FileName=str(tmp_path / "in.nrrd"))
    segment = itk.UniverSegImageFilter.New(reader, SupportSet=supports)
    element = itk.FlatStructuringElement[2].Ball(1)
    opening = itk.BinaryMorphologicalOpeningImageFilter.New(segment, Kernel=element, ForegroundValue=1)
    writer = itk.ImageFileWriter.New(opening, FileName=str(tmp_path / "out.nrrd"))
    writer.Update()
    assert dice(itk.array_from_image(itk.imread(str(tmp_path / "out.nrrd"))), target[1]) > 0.9
    assert np.array_equal(itk.array_from_image(segment.GetOutput()), expected)


def test_pipeline_runs_again_only_for_changes(supports, target):
    runs = []
    segment = itk.UniverSegImageFilter.New(itk.image_from_array(target[0]), SupportSet=supports)
    segment.AddObserver(itk.StartEvent(), lambda: runs.append(1))
    for _ in range(3):
        segment.Update()
    assert len(runs) == 1
    supports.PushBackSupport(*(itk.image_from_array(a) for a in make_disk(60)))
    segment.Update()
    assert len(runs) == 2
    segment.SetThreshold(0.5)
    segment.Update()
    assert len(runs) == 2
    segment.SetThreshold(0.6)
    segment.Update()
    assert len(runs) == 3


def test_support_set(pairs):
    supports = itk.UniverSegSupportSet.New()
    volume, labels = make_ball(3)
    supports.PushBackSupportVolume(itk.image_from_array(volume), itk.image_from_array(labels * 5))
    assert supports.GetNumberOfSupports() == 6 and list(supports.GetLabels()) == [0, 5]
    supports.PushBackSupportVolume(itk.image_from_array(volume), itk.image_from_array(labels), 2, [0, 3])
    assert supports.GetNumberOfSupports() == 8
    supports.RemoveSupport(7)
    assert supports.GetNumberOfSupports() == 7
    supports.Clear()
    assert supports.GetNumberOfSupports() == 0
    image, mask = pairs[0][0], pairs[1][0]
    for kind in (np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64):
        supports.PushBackSupport(itk.image_from_array(image.astype(kind)), itk.image_from_array(mask.astype(kind)))
    supports.PushBackSupport(itk.image_from_array(np.dstack([image] * 3), is_vector=True), itk.image_from_array(mask))
    assert supports.GetNumberOfSupports() == 7


def test_exceptions_have_the_message(pairs, supports, target):
    image = itk.image_from_array(target[0])
    with pytest.raises(RuntimeError, match="support set is empty; it needs at least one image"):
        run_filter(image, itk.UniverSegSupportSet.New())
    with pytest.raises(RuntimeError, match="Threshold is 3; should be in"):
        run_filter(image, supports, Threshold=3)
    empty = itk.UniverSegSupportSet.New()
    with pytest.raises(RuntimeError, match="size .5, 4. and its label image .4, 5."):
        empty.PushBackSupport(
            itk.image_from_array(np.zeros((4, 5), "f4")), itk.image_from_array(np.zeros((5, 4), "u1"))
        )
    with pytest.raises(RuntimeError, match="should be an itk::Image of 2 dimensions"):
        empty.PushBackSupport(
            itk.image_from_array(np.zeros((2, 4, 5), "f4")), itk.image_from_array(np.zeros((4, 5), "u1"))
        )
    with pytest.raises(RuntimeError, match="no support 0"):
        empty.RemoveSupport(0)
    with pytest.raises(RuntimeError, match="nowhere.pt"):
        itk.SegmentationModel.Read("/nowhere.pt")
    with pytest.raises(RuntimeError, match="No model is set"):
        itk.SegmentationModel.New().GetNetworkName()


def test_model():
    model = itk.SegmentationModel.GetDefault()
    assert model.GetNetworkName() == "universeg" and model.GetNumberOfParameters() == 296481
    assert list(model.GetGridSize()) == [128, 128]
    assert '"encoder_blocks"' in model.GetConfiguration() and "Apache-2.0" in model.GetDescription()


def test_progress_and_abort(supports, target):
    segment = itk.UniverSegImageFilter.New(itk.image_from_array(target[0]), SupportSet=supports)
    parts = []
    segment.AddObserver(itk.ProgressEvent(), lambda: parts.append(segment.GetProgress()))
    segment.Update()
    assert len(parts) > 10 and parts == sorted(parts) and parts[-1] == 1

    segment.SetThreshold(0.4)
    segment.AddObserver(itk.ProgressEvent(), lambda: segment.GetProgress() > 0.3 and segment.AbortGenerateDataOn())
    with pytest.raises(RuntimeError, match="aborted"):
        segment.Update()


def test_probability_outputs(supports, target):
    segment = itk.UniverSegImageFilter.New(
        itk.image_from_array(target[0]), SupportSet=supports, ProduceProbabilities=True
    )
    segment.Update()
    probability = itk.array_from_image(segment.GetProbabilityOutput(0))
    assert list(segment.GetOutputLabels()) == [1]
    assert np.array_equal(itk.array_from_image(segment.GetOutput()), probability > 0.5)


def test_filters_in_threads_share_model_and_supports(supports, target, expected):
    results = []

    def work():
        results.append(itk.array_from_image(run_filter(itk.image_from_array(target[0]), supports).GetOutput()))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4 and all(np.array_equal(result, expected) for result in results)


def test_class_memory_does_not_grow(supports, target):
    image = itk.image_from_array(target[0])
    for _ in range(20):
        run_filter(image, supports)
    before = resident()
    for _ in range(200):
        run_filter(image, supports)
    assert resident() - before < 8e6


SEGMENT = """
import numpy as np
rows, columns = np.mgrid[:32, :32]
mask = ((rows - 15) ** 2 + (columns - 17) ** 2 < 60).astype(np.uint8)
image = (mask * 150 + 40).astype(np.uint8)
def run(itk):
    result = itk.universeg_segment(image, [image], [mask])
    assert 2 * (result & mask).sum() / (result.sum() + mask.sum()) > 0.9
def libraries():
    with open("/proc/self/maps") as file:
        names = {line.split("/")[-1].strip() for line in file if "/" in line}
    return sorted(n for n in names if any(w in n for w in ("gomp", "iomp", "libomp", "libdnnl", "_ITKCommon", "_UniverSegPython")))
"""


def test_functions_load_no_wrapping_and_no_openmp():
    out = run_python(SEGMENT + "import itk; run(itk); print(libraries())")
    assert out.strip() == "[]"


def test_wrapping_loads_no_openmp():
    # ITK imports torch where it is installed, and torch brings its own.
    code = "import itk; itk.Image; before = libraries(); itk.UniverSegImageFilter; run(itk); after = libraries()"
    out = run_python(SEGMENT + code + "; print(set(after) - set(before))")
    assert out.strip() == "{'_UniverSegPython.abi3.so'}"


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("first", ["itk", "torch"])
def test_beside_torch_in_both_orders(first, wrapped):
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed")
    second = "itk" if first == "torch" else "torch"
    touch = "itk.UniverSegImageFilter" if wrapped else "None"
    use = "torch.nn.functional.conv2d(torch.ones(1, 8, 64, 64), torch.ones(8, 8, 3, 3))"
    code = f"""
import {first}
if {first == 'torch'}: {use}
else: {touch}; run(itk)
import {second}
for _ in range(3):
    {touch}; run(itk); {use}
print([n for n in libraries() if "omp" in n])
"""
    # torch is not held to our standard of warnings.
    alone = SEGMENT + 'import torch; torch.ones(3) + 1; print([n for n in libraries() if "omp" in n])'
    assert run_python(SEGMENT + code, options=()).splitlines()[-1] == run_python(alone, options=()).splitlines()[-1]


def test_command_of_the_wheel(tmp_path, pairs, target, expected):
    images, masks = pairs
    for i, (image, mask) in enumerate(zip(images, masks)):
        itk.imwrite(itk.image_from_array(image), tmp_path / f"s{i}.png")
        itk.imwrite(itk.image_from_array(mask), tmp_path / f"s{i}_mask.png")
    work = tmp_path / "work"
    work.mkdir()
    itk.imwrite(itk.image_from_array(target[0]), work / "target.png")
    script = os.path.join(os.path.dirname(sys.executable), "universeg")
    for command in ([sys.executable, "-m", "itk_universeg"], [script]):
        output = work / "out.mha"
        done = subprocess.run(
            [*command, "segment", "--support", str(tmp_path), "--image", str(work / "target.png")]
            + ["--output", str(output), "--probability", str(work / "probability.mha")],
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        assert np.array_equal(itk.array_from_image(itk.imread(str(output))), expected)
        _, maps = itk.universeg_segment(target[0], images, masks, probabilities=True)
        assert np.array_equal(itk.array_from_image(itk.imread(str(work / "probability.mha"))), maps[1])
        output.unlink()
    done = subprocess.run([script, "segment", "--nonsense"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "nonsense" in done.stderr
