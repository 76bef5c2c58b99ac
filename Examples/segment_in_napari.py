#!/usr/bin/env python3
"""A napari panel: paint a label on a few slices of a volume, get the rest.

segment_in_napari.py volume

Paint in the layer "labels" and press the button; the layer "segmentation" is
computed from the slices that have a label.
"""

import sys

import itk
import numpy as np


def segment_layers(viewer, slice_axis=2):
    """Segment the layer "image" from the painted slices of "labels"."""
    image, labels = viewer.layers["image"], viewer.layers["labels"]
    result = itk.universeg_segment(image.data, image.data, labels.data, slice_axis=slice_axis)
    if "segmentation" in viewer.layers:
        viewer.layers["segmentation"].data = result
        return viewer.layers["segmentation"]
    return viewer.add_labels(result, name="segmentation", scale=image.scale, opacity=0.5)


def add_layers(viewer, image):
    """The layers of an itk.Image: napari's axes are NumPy's, z, y, x."""
    array = itk.array_from_image(image)
    scale = list(image.GetSpacing())[::-1]
    viewer.add_image(array, name="image", scale=scale)
    viewer.add_labels(np.zeros(array.shape, np.uint8), name="labels", scale=scale)


def main(arguments):
    if len(arguments) != 1:
        sys.exit(__doc__)
    import napari
    from qtpy.QtWidgets import QPushButton

    viewer = napari.Viewer()
    add_layers(viewer, itk.imread(arguments[0]))
    button = QPushButton("Segment from painted slices")
    button.clicked.connect(lambda: segment_layers(viewer))
    viewer.window.add_dock_widget(button, name="UniverSeg", area="right")
    napari.run()


if __name__ == "__main__":
    main(sys.argv[1:])
