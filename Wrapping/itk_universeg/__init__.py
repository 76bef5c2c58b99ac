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
"""UniverSeg for Python: segment a new structure from a few examples.

``itk.universeg_segment`` and its companions are the functions of this package
under the names that they have in ``itk``:

>>> import itk
>>> mask = itk.universeg_segment("new.png", ["a.png", "b.png"], ["a_mask.png", "b_mask.png"])

The classes behind them, ``itk.UniverSegImageFilter``, ``itk.UniverSegSupportSet``
and ``itk.SegmentationModel``, take part in ITK pipelines.
"""

__all__ = ["DeviceTensor", "Model", "SupportSet", "model", "segment", "support_set"]


def __getattr__(name):
    # Loaded when asked for: the command's script imports this package too, and wants no NumPy.
    if name in __all__:
        from . import _segment, _tensors

        return getattr(_tensors if name == "DeviceTensor" else _segment, name)
    if name == "__version__":
        from importlib.metadata import version

        return version("itk-universeg")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return [*globals(), *__all__, "__version__"]
