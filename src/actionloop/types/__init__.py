"""The frozen dataclasses that travel between rooms; each checks itself once, where it is made.

Axes have fixed words: vertex (of one hemisphere's mesh), grayordinate (row of a CIFTI axis), frame (time),
network, pose. Coordinates are RAS millimetres of the frame that the object names.
"""

from actionloop.types.aims import CoilPose, SiteReading, Target, require_pose
from actionloop.types.basic import (
    FSLR32K_VERTICES,
    HEMISPHERES,
    SIDES,
    BoolArray,
    FloatArray,
    Hemisphere,
    IntArray,
    SurfaceKind,
)
from actionloop.types.coils import Coil, Mesh
from actionloop.types.eeg import Montage, Recording, Trials
from actionloop.types.geometry import Anatomy, Grayordinates, Image, ImageTie, Surface, Voxels
from actionloop.types.maps import GroupParameters, NetworkMap, Piece, Prior
from actionloop.types.protocol import ProtocolFaultsError, TrialProtocol
from actionloop.types.protocolparts import (
    Allocation,
    Analysis,
    Arm,
    Estimand,
    Intercurrent,
    Stopping,
    Stratum,
    TrialOutcome,
    Visit,
)
from actionloop.types.series import Basis, Timeseries
from actionloop.types.trial import TrialData
from actionloop.types.trialflow import FlowArm, TrialFlow

__all__ = [
    "FSLR32K_VERTICES",
    "HEMISPHERES",
    "SIDES",
    "Allocation",
    "Analysis",
    "Anatomy",
    "Arm",
    "Basis",
    "BoolArray",
    "Coil",
    "CoilPose",
    "Estimand",
    "FloatArray",
    "FlowArm",
    "Grayordinates",
    "GroupParameters",
    "Hemisphere",
    "Image",
    "ImageTie",
    "IntArray",
    "Intercurrent",
    "Mesh",
    "Montage",
    "NetworkMap",
    "Piece",
    "Prior",
    "ProtocolFaultsError",
    "Recording",
    "SiteReading",
    "Stopping",
    "Stratum",
    "Surface",
    "SurfaceKind",
    "Target",
    "Timeseries",
    "TrialData",
    "TrialFlow",
    "TrialOutcome",
    "TrialProtocol",
    "Trials",
    "Visit",
    "Voxels",
    "require_pose",
]
