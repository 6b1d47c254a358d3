"""Other programs that compute fields: where they are, and running a script in one of them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actionloop import facts
from actionloop.errors import EngineError, InputError, OptionError

if TYPE_CHECKING:
    from actionloop.pipeline.settings import PoseSettings


QUOTES = "; it wrote last: "


def find_program(key: str) -> Path | None:
    """Return what runs scripts of another program: under the folder that its variable names, else in the search path.

    cuNIBS has no command of its own; only its variable tells which Python holds it.
    """
    known = facts.load("engines")["program"][key]
    folder = os.environ.get(known["variable"], "")
    if folder:
        places = os.pathsep.join(str(Path(folder) / below) for below in ("", "bin", "Scripts"))
        found = shutil.which(known["runs"], path=places)
        return None if found is None else Path(found)
    found = None if known["runs"] == "python" else shutil.which(known["runs"])
    return None if found is None else Path(found)


def require_program(key: str) -> Path:
    """Return what runs scripts of another program.

    Raises
    ------
    OptionError
        It is not there; the error says what was looked for, where, and how to do without.
    """
    found = find_program(key)
    if found is not None:
        return found
    known = facts.load("engines")["program"][key]
    folder = os.environ.get(known["variable"], "")
    where = f"under {known['variable']}={folder}" if folder else f"; {known['variable']} is not set"
    if not folder and known["runs"] != "python":
        where = f"in the search path{where}"
    raise OptionError(
        f"{known['name']} is not here: looked for {known['runs']!r} {where.lstrip('; ')}",
        where=f"--compare {key}",
        fix=f"set {known['variable']} to {known['holds']}; or leave --compare out, run the script that --export "
        "simnibs writes yourself, and give its result with --foreign-field",
    )


def require_engines(wanted: PoseSettings, n_people: int) -> None:
    """Refuse what a comparison cannot be made with, before any work is done.

    Raises
    ------
    OptionError, InputError
        A program that is not there, no head for it, one person's files in a run of several, or no field of ours.
    """
    asked = [*(f"--compare {key}" for key in wanted.compare), *(["--foreign-field"] if wanted.foreign_fields else [])]
    if not asked:
        return
    if wanted.engine == "geometric":
        raise OptionError("there is no field of ours to compare with", where=asked[0], fix="leave --engine out")
    if n_people > 1:
        raise OptionError(
            f"{asked[0]} is about one person's head; {n_people} people are to be worked on",
            fix="name one with --participant-label",
        )
    for key in wanted.compare:
        require_program(key)
    if wanted.compare:
        engine_mesh(wanted)


def engine_head(wanted: PoseSettings) -> Path:
    """Return the head that another program computes in, as it was given: a folder or a mesh.

    Raises
    ------
    OptionError
        None was given.
    """
    own = wanted.head if wanted.head is not None and wanted.head.suffix.lower() == ".msh" else None
    found = wanted.compare_head or own
    if found is None:
        raise OptionError(
            "the other program has no head to compute in",
            where=f"--compare {wanted.compare[0]}" if wanted.compare else None,
            fix="give SimNIBS's folder m2m_... (made by charm from this T1), or its mesh, with --compare-head",
        )
    return found


def engine_mesh(wanted: PoseSettings) -> Path:
    """Return the mesh of that head.

    Raises
    ------
    OptionError, InputError
        None was given, or a folder without a mesh.
    """
    given = engine_head(wanted)
    if not given.is_dir():
        return given
    named = given / f"{given.resolve().name.removeprefix('m2m_')}.msh"
    found = [named] if named.is_file() else sorted(given.glob("*.msh"))
    if len(found) != 1:
        raise InputError(
            f"expected one head mesh {named.name} in the folder, found {len(found)} files .msh",
            where=given,
            fix="give SimNIBS's folder m2m_<subject> as charm left it, or the mesh itself",
        )
    return found[0]


def given_files(wanted: PoseSettings) -> tuple[Path, ...]:
    """Return the files that a comparison reads."""
    return (*wanted.foreign_fields, *([engine_mesh(wanted)] if wanted.compare else []))


def run_script(key: str, script: Path, *, minutes: float | None = None) -> None:
    """Run a script in another program, in the script's own folder.

    Parameters
    ----------
    key : str
        Of data/engines.toml.
    script : Path
    minutes : float, optional
        Longest run; by default as in data/engines.toml.

    Raises
    ------
    EngineError
        It could not be started, failed or took too long; the last lines that it wrote are quoted.
    OptionError
        It is not there.
    """
    known, limit = facts.load("engines")["program"][key], facts.load("engines")["run"]
    most = float(limit["most_minutes"] if minutes is None else minutes)
    command = [str(require_program(key)), script.name]
    # Our own Python's surroundings are not those of another one.
    around = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    how: dict[str, Any] = {"cwd": script.parent, "env": around, "stdin": subprocess.DEVNULL}
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(  # noqa: S603
                command, stdout=said, stderr=subprocess.STDOUT, start_new_session=os.name == "posix", **how
            )
        except OSError as error:
            raise EngineError(f"{known['name']} could not be started ({error.strerror})", where=command[0]) from error
        try:
            code = process.wait(timeout=60 * most)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _end(process)
        if code != 0:
            why = f"took longer than {most:g} minutes" if code is None else f"ended with code {code}"
            quoted = _last_lines(said).replace(str(script.parent), ".")
            raise EngineError(
                f"{known['name']} {why}" + (f"{QUOTES}{quoted}" if quoted else " and wrote nothing"),
                where=command[0],
                fix="run the script that --export simnibs writes by hand, and give its result with --foreign-field",
            )


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program that still runs, with all that it started."""
    if process.poll() is not None:
        return
    with contextlib.suppress(OSError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def _last_lines(said: Any) -> str:
    """Return the end of what a program wrote, as one line that can be shown."""
    limit = facts.load("engines")["run"]
    said.seek(0, os.SEEK_END)
    said.seek(max(0, said.tell() - 16 * int(limit["quoted_characters"])))
    text = said.read().decode("utf-8", "replace")
    lines = ["".join(c if c.isprintable() else " " for c in line).strip() for line in text.splitlines()]
    kept = " | ".join([line for line in lines if line][-int(limit["quoted_lines"]) :])
    return kept[-int(limit["quoted_characters"]) :]
