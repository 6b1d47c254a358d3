"""One coil pose as every navigation system's text, and back: strings and arrays, no files."""

from actionloop.navigation.brainsight import write_brainsight
from actionloop.navigation.brainsightfile import read_brainsight_file
from actionloop.navigation.conventions import LPS_TO_RAS, ImageFrame, image_frame, require_tied
from actionloop.navigation.corner import is_unplaced, require_placed
from actionloop.navigation.cunibsscript import Placement, place_coil, write_cunibs_script
from actionloop.navigation.found import Entry, NavigationFile, poses_of
from actionloop.navigation.laterality import plain, said_side, side_of, statement, with_side
from actionloop.navigation.localite import write_localite
from actionloop.navigation.simnibsscript import write_simnibs_script
from actionloop.navigation.systems import (
    SYSTEMS,
    Reading,
    System,
    identify,
    read_any,
    require_system,
    write_any,
    written,
)
from actionloop.navigation.tape import TapeWords, tape_words
from actionloop.navigation.telling import name_poses
from actionloop.navigation.words import PoseWords, describe_pose, judge_head

__all__ = [
    "LPS_TO_RAS",
    "SYSTEMS",
    "Entry",
    "ImageFrame",
    "NavigationFile",
    "Placement",
    "PoseWords",
    "Reading",
    "System",
    "TapeWords",
    "describe_pose",
    "identify",
    "image_frame",
    "is_unplaced",
    "judge_head",
    "name_poses",
    "place_coil",
    "plain",
    "poses_of",
    "read_any",
    "read_brainsight_file",
    "require_placed",
    "require_system",
    "require_tied",
    "said_side",
    "side_of",
    "statement",
    "tape_words",
    "with_side",
    "write_any",
    "write_brainsight",
    "write_cunibs_script",
    "write_localite",
    "write_simnibs_script",
    "written",
]
