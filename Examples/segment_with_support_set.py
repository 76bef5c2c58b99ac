#!/usr/bin/env python3
"""A pipeline of reader, UniverSeg, a morphological filter and writer.

segment_with_support_set.py target output image1 mask1 [image2 mask2 ...]

The masks are 0 outside the structure; any other value is inside. The twin of
SegmentWithSupportSet.cxx.
"""

import sys

import itk

FOREGROUND = 255


def main(arguments):
    if len(arguments) < 4 or len(arguments) % 2 == 1:
        sys.exit(__doc__)
    target, output, *pairs = arguments

    supports = itk.UniverSegSupportSet.New()
    for image, mask in zip(pairs[::2], pairs[1::2]):
        binary = itk.binary_threshold_image_filter(itk.imread(mask, itk.UC), lower_threshold=1, inside_value=FOREGROUND)
        supports.PushBackSupport(itk.imread(image, itk.F), binary)

    reader = itk.ImageFileReader[itk.Image[itk.F, 2]].New(FileName=target)
    segment = itk.UniverSegImageFilter.New(reader, SupportSet=supports, ForegroundValue=FOREGROUND)
    # Specks of a pixel or two are no structure.
    opened = itk.BinaryMorphologicalOpeningImageFilter.New(
        segment, Kernel=itk.FlatStructuringElement[2].Ball(1), ForegroundValue=FOREGROUND
    )
    itk.ImageFileWriter.New(opened, FileName=output).Update()


if __name__ == "__main__":
    main(sys.argv[1:])
