"""The default map of pain: NiMARE's ALE of the 21 studies that it comes with, made once and kept.

NiMARE runs as a program of its own: importing it would bring a library under the GPL into this process.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from actionloop import files
from actionloop.errors import ResourceError

EXTRA = "pain"
SOURCE = "activation likelihood estimate (z) of the 21 pain studies in NiMARE"
_LIMIT_S = 1_800

PROGRAM = """
import os, sys, warnings
warnings.filterwarnings("ignore")
from nimare.meta.cbma.ale import ALE
from nimare.nimads import Studyset
from nimare.utils import get_resource_path
studies = Studyset(os.path.join(get_resource_path(), "nidm_pain_studyset.json"), target="mni152_2mm")
found = ALE(null_method="approximate").fit(studies)
found.get_map("z").to_filename(sys.argv[1])
"""


def pain_ale(*, say: Callable[[str], None] = lambda words: None) -> Path:
    """Return the file of the ALE map, MNI152 at 2 mm; made by NiMARE the first time.

    Parameters
    ----------
    say : callable
        Told that the map is being made.

    Returns
    -------
    Path
        In the cache folder.

    Raises
    ------
    ResourceError
        NiMARE is not installed, or fails.
    """
    version = files.versions(("nimare",)).get("nimare")
    if version is None:
        raise ResourceError(
            "the default map of pain is computed by NiMARE, which is not installed",
            fix=f"pip install 'actionloop[{EXTRA}]', or give your own map: --pain-map FILE",
        )
    recipe = hashlib.sha256(f"{version}\n{PROGRAM}".encode()).hexdigest()
    place = files.cache_folder() / "ale" / f"pain-{recipe[:16]}.nii.gz"
    if place.is_file():
        return place
    say("NiMARE computes the map of pain (once)")
    place.parent.mkdir(parents=True, exist_ok=True)
    with files.atomic_path(place) as temporary:
        _run(temporary)
    return place


def _run(out: Path) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - our own program, in this Python
            [sys.executable, "-c", PROGRAM, str(out)], capture_output=True, text=True, timeout=_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ResourceError(f"NiMARE did not finish within {_LIMIT_S // 60} minutes") from error
    if done.returncode or not out.is_file():
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ResourceError(
            f"NiMARE failed: {last[:200]}", fix="try another version of NiMARE, or give your own map: --pain-map FILE"
        )
