#!/usr/bin/env python3
"""MONAI's MetaTensors in and out, with MONAI's transforms on either side.

segment_with_monai.py target.nii.gz output_folder image1 mask1 [image2 mask2 ...]

A MetaTensor has its channels first and then x, y, z; the result has the same
shape with one channel, and the same affine and metadata, so that SaveImage
writes it where the target lies.
"""

import sys

import itk
from monai.transforms import Compose, EnsureChannelFirst, LoadImage, SaveImage


def main(arguments):
    if len(arguments) < 4 or len(arguments) % 2 == 1:
        sys.exit(__doc__)
    target, folder, *pairs = arguments
    load = Compose([LoadImage(image_only=True, ensure_channel_first=False), EnsureChannelFirst()])
    images = [load(name) for name in pairs[::2]]
    masks = [load(name).int() for name in pairs[1::2]]

    result = itk.universeg_segment(load(target), images, masks, slice_axis=2)
    SaveImage(folder, output_postfix="seg", separate_folder=False, print_log=False)(result)


if __name__ == "__main__":
    main(sys.argv[1:])
