#!/usr/bin/env python3
"""A volume from a few of its own slices: annotate some, get all.

segment_volume.py volume labels output slice1 [slice2 ...]

Of the label volume only the slices named are looked at; they may have several
labels. The twin of SegmentVolume.cxx.
"""

import sys

import itk


def main(arguments):
    if len(arguments) < 4:
        sys.exit(__doc__)
    volume, labels, output, *slices = arguments
    image = itk.imread(volume, itk.F)
    result = itk.universeg_segment(
        image,
        image,
        itk.imread(labels, itk.UC),
        support_slices=[int(index) for index in slices],
        slice_axis=2,
        # Slices and supports share the volume's range of intensities.
        normalize="percentile",
        progress=sys.stderr.isatty(),
    )
    itk.imwrite(result, output, compression=True)


if __name__ == "__main__":
    main(sys.argv[1:])
