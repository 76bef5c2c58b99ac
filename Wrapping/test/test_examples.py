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
"""What the README and the examples say is run as it stands."""

import os
import re
import subprocess
import sys
from pathlib import Path

import itk
import numpy as np
import pytest
from conftest import STRICT, dice, import_other, make_ball, make_disk

ROOT = Path(os.environ["UNIVERSEG_ROOT"])


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Pictures with masks, a volume with labels, and the folder that the demonstration writes."""
    folder = tmp_path_factory.mktemp("images")
    for i in range(5):
        image, mask = make_disk(i, (80, 96))
        itk.imwrite(itk.image_from_array(image), str(folder / f"disk_{i}.png"))
        itk.imwrite(itk.image_from_array(mask), str(folder / f"disk_{i}_mask.png"))
    array, labels = make_ball(3, (9, 64, 64))
    for name, each in (("ball", array), ("ball_labels", labels)):
        image = itk.image_from_array(each)
        image.SetSpacing([0.7, 0.8, 2.5])
        image.SetOrigin([5.0, -4.0, 3.0])
        itk.imwrite(image, str(folder / f"{name}.nii.gz"))
    command = [sys.executable, "-m", "itk_universeg", "demo", "--output", "demo"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=300)
    return folder


def run_example(name, folder, *arguments, strict=True):
    command = [sys.executable, *(STRICT if strict else []), str(ROOT / "Examples" / name), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr


def test_readme(images):
    text = (ROOT / "README.md").read_text()
    blocks = re.findall(r"<!-- test -->\n```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 1
    check = """
import numpy as np
for path, found in (("cell_01", itk.array_from_image(mask)), ("cell_02", result)):
    truth = itk.array_from_image(itk.imread(f"demo/targets/labels/{path}.png")) != 0
    assert 2 * np.sum(truth & (found != 0)) / (np.sum(truth) + np.sum(found != 0)) > 0.8
assert list(probabilities) == [255] or list(probabilities) == [1]
"""
    code = blocks[0] + check
    done = subprocess.run([sys.executable, *STRICT, "-c", code], cwd=images, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_segment_with_support_set(images):
    pairs = [f"disk_{i}{suffix}.png" for i in range(1, 5) for suffix in ("", "_mask")]
    run_example("segment_with_support_set.py", images, "disk_0.png", "disk_0_result.png", *pairs)
    result = itk.array_from_image(itk.imread(str(images / "disk_0_result.png")))
    assert set(np.unique(result)) == {0, 255}
    assert dice(result, make_disk(0, (80, 96))[1]) > 0.9


def test_segment_volume(images):
    run_example("segment_volume.py", images, "ball.nii.gz", "ball_labels.nii.gz", "ball_result.nii.gz", "1", "4", "7")
    result = itk.imread(str(images / "ball_result.nii.gz"))
    assert np.allclose(itk.spacing(result), [0.7, 0.8, 2.5]) and np.allclose(itk.origin(result), [5, -4, 3])
    assert dice(itk.array_from_image(result), make_ball(3, (9, 64, 64))[1]) > 0.9


def test_segment_with_monai(images):
    import_other("monai")
    run_example(
        "segment_with_monai.py", images, "ball.nii.gz", "monai", "ball.nii.gz", "ball_labels.nii.gz", strict=False
    )
    result = itk.imread(str(images / "monai" / "ball_seg.nii.gz"))
    reference = itk.imread(str(images / "ball.nii.gz"))
    assert np.allclose(itk.spacing(result), itk.spacing(reference), atol=1e-5)
    assert np.allclose(itk.origin(result), itk.origin(reference), atol=1e-4)
    assert dice(itk.array_from_image(result), make_ball(3, (9, 64, 64))[1]) > 0.9


def test_segment_in_napari(images):
    """The panel's work on napari's layers, without a window."""
    components = import_other("napari.components")
    sys.path.insert(0, str(ROOT / "Examples"))
    import segment_in_napari

    class Viewer(components.ViewerModel):
        pass

    viewer = Viewer()
    segment_in_napari.add_layers(viewer, itk.imread(str(images / "ball.nii.gz")))
    labels = make_ball(3, (9, 64, 64))[1]
    viewer.layers["labels"].data[4] = labels[4]
    first = segment_in_napari.segment_layers(viewer)
    assert dice(first.data, labels) > 0.8 and tuple(first.scale) == (2.5, pytest.approx(0.8), pytest.approx(0.7))
    viewer.layers["labels"].data[1] = labels[1]
    assert segment_in_napari.segment_layers(viewer) is first


@pytest.mark.parametrize("name", ["few_shot_folder", "volume_from_three_slices"])
def test_notebook(name, tmp_path):
    nbformat = import_other("nbformat")
    nbclient = import_other("nbclient")
    notebook = nbformat.read(ROOT / "Examples" / "notebooks" / f"{name}.ipynb", as_version=4)
    client = nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    pictures = sorted(tmp_path.glob("*.png"))
    assert len(pictures) >= 2 and all(picture.stat().st_size > 3000 for picture in pictures)
    kept = os.environ.get("UNIVERSEG_NOTEBOOK_OUTPUT")
    if kept:
        Path(kept).mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, Path(kept) / f"{name}.ipynb")
        for picture in pictures:
            (Path(kept) / picture.name).write_bytes(picture.read_bytes())
