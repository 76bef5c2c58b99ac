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
"""Images with known masks, and the filter that the package's functions are compared with."""

import importlib
import os
import warnings

import numpy as np
import pytest


# Options of a Python of its own: warnings are errors, but for the one of SWIG's own types.
STRICT = ["-W", "error", "-W", "ignore:builtin type:DeprecationWarning"]


def import_other(name):
    """Import a package that is not ours, whose warnings are not ours either; skip
    the test where it is missing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            pytest.skip(f"{error.name} is not installed")


def make_disk(seed, shape=(40, 48), low=20.0, high=200.0):
    """A bright disk on a dark, noisy ground, and its mask of 0 and 1."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    center = random.uniform(0.35, 0.65, 2) * shape
    radius = random.uniform(0.2, 0.3) * min(shape)
    mask = (rows - center[0]) ** 2 + (columns - center[1]) ** 2 < radius**2
    image = np.where(mask, high, low) + random.normal(0, 8, shape)
    return np.clip(image, 0, 255).astype(np.uint8), mask.astype(np.uint8)


def make_ball(seed, shape=(6, 32, 36)):
    """A volume of disks with its labels."""
    slices = [make_disk(seed + i, shape[1:]) for i in range(shape[0])]
    return np.stack([image for image, _ in slices]), np.stack([mask for _, mask in slices])


def dice(a, b):
    a, b = np.asarray(a) != 0, np.asarray(b) != 0
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def resident():
    """This process's resident memory in bytes."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def run_filter(target, supports, **parameters):
    """UniverSegImageFilter on itk images; parameters by the names of its setters."""
    import itk

    image_filter = itk.UniverSegImageFilter.New(target)
    image_filter.SetSupportSet(supports)
    for name, value in parameters.items():
        getattr(image_filter, "Set" + name)(value)
    image_filter.Update()
    return image_filter


@pytest.fixture(scope="session")
def pairs():
    """Eight images and masks."""
    made = [make_disk(seed) for seed in range(8)]
    return [image for image, _ in made], [mask for _, mask in made]


@pytest.fixture(scope="session")
def target():
    return make_disk(100)


@pytest.fixture(scope="session")
def expected(pairs, target):
    """The target's segmentation by the wrapped filter."""
    import itk

    supports = itk.UniverSegSupportSet.New()
    for image, mask in zip(*pairs):
        supports.PushBackSupport(itk.image_from_array(image), itk.image_from_array(mask))
    return itk.array_from_image(run_filter(itk.image_from_array(target[0]), supports).GetOutput())
