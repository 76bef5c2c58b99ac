#!/usr/bin/env python3
"""Slices of NIfTI volumes with their labels as PNG files, for run.sh.

    extract_slices.py OUT IMAGE LABEL [IMAGE LABEL]... [--axis A] [--count N]

writes NAME_K.png and NAME_K_mask.png: N slices of each volume across axis A (of the
file, 0 fastest), evenly spaced among those with at least half of the largest area of
labels. Intensities of the volume from its 0.5 to its 99.5 percentile become 0 to 255;
labels stay as they are. Needs nothing but Python.
"""

import argparse
import gzip
import struct
import zlib
from pathlib import Path

# By the header's datatype.
FORMATS = {2: "B", 4: "h", 8: "i", 16: "f", 64: "d", 256: "b", 512: "H", 768: "I"}


def read(name):
    """Extents, first axis fastest, and values of a volume."""
    data = gzip.open(name).read() if str(name).endswith(".gz") else Path(name).read_bytes()
    order = "<" if struct.unpack("<i", data[:4])[0] == 348 else ">"
    dim = struct.unpack(order + "8h", data[40:56])
    kind = struct.unpack(order + "h", data[70:72])[0]
    if kind not in FORMATS or dim[0] < 3 or any(extent != 1 for extent in dim[4 : 1 + dim[0]]):
        raise SystemExit(f"extract_slices.py: {name}: not a volume of a type that is known")
    offset = int(struct.unpack(order + "f", data[108:112])[0])
    slope, intercept = struct.unpack(order + "2f", data[112:120])
    count = dim[1] * dim[2] * dim[3]
    values = struct.unpack(
        f"{order}{count}{FORMATS[kind]}", data[offset : offset + count * struct.calcsize(FORMATS[kind])]
    )
    if slope not in (0, 1) or (slope == 1 and intercept != 0):
        values = [value * slope + intercept for value in values]
    return dim[1:4], values


def write_png(name, rows):
    """8 bits gray."""
    raw = b"".join(b"\0" + bytes(row) for row in rows)

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 0, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    Path(name).write_bytes(png)


def get_slice(values, extents, axis, position):
    strides = (1, extents[0], extents[0] * extents[1])
    column, row = (a for a in range(3) if a != axis)
    start = position * strides[axis]
    return [
        [values[start + y * strides[row] + x * strides[column]] for x in range(extents[column])]
        for y in range(extents[row])
    ]


def choose(labels, extents, axis, count):
    areas = [
        sum(value != 0 for row in get_slice(labels, extents, axis, position) for value in row)
        for position in range(extents[axis])
    ]
    good = [position for position, area in enumerate(areas) if area > 0 and 2 * area >= max(areas)]
    return [good[(2 * i + 1) * len(good) // (2 * count)] for i in range(min(count, len(good)))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--axis", type=int, default=2, choices=[0, 1, 2])
    parser.add_argument("--count", type=int, default=1)
    options = parser.parse_args()
    if len(options.files) % 2:
        parser.error("each image needs its label file")
    options.out.mkdir(parents=True, exist_ok=True)
    for image, label in zip(options.files[::2], options.files[1::2]):
        extents, values = read(image)
        label_extents, labels = read(label)
        if extents != label_extents:
            raise SystemExit(f"extract_slices.py: {image} is {extents} and {label} {label_extents}")
        ordered = sorted(values)
        low, high = ordered[len(ordered) // 200], ordered[-1 - len(ordered) // 200]
        scale = 255 / (high - low) if high > low else 0
        stem = Path(image).name.split(".")[0]
        for number, position in enumerate(choose(labels, extents, options.axis, options.count)):
            intensities = [
                [min(max(round((value - low) * scale), 0), 255) for value in row]
                for row in get_slice(values, extents, options.axis, position)
            ]
            masks = [
                [min(max(round(value), 0), 255) for value in row]
                for row in get_slice(labels, extents, options.axis, position)
            ]
            write_png(options.out / f"{stem}_{number}.png", intensities)
            write_png(options.out / f"{stem}_{number}_mask.png", masks)


if __name__ == "__main__":
    main()
