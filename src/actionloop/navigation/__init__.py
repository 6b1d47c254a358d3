"""One coil pose as every navigation system's text, and back: strings and arrays, no files."""

from actionloop.navigation.brainsight import read_brainsight, read_brainsight_points, write_brainsight
from actionloop.navigation.conventions import ImageFrame, image_frame
from actionloop.navigation.localite import read_localite, write_localite

__all__ = [
    "ImageFrame",
    "image_frame",
    "read_brainsight",
    "read_brainsight_points",
    "read_localite",
    "write_brainsight",
    "write_localite",
]
