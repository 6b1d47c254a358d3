"""The page: complete, escaped, and silent towards every network."""

from __future__ import annotations

import base64
import gzip
import io
import itertools
import json
import re
import shutil
import subprocess
from dataclasses import fields, replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image as Picture_
from scipy.spatial import ConvexHull

from actionloop import facts
from actionloop.files import declared_outputs, network_rows
from actionloop.report import Picture, ReportContent, Table, draw_pictures, render_report
from actionloop.report.page import embedded, moment, number, point
from actionloop.report.rotatable import packed_plotly, rotatable_view
from actionloop.types import (
    Anatomy,
    CoilPose,
    Grayordinates,
    Image,
    ImageTie,
    NetworkMap,
    Piece,
    SiteReading,
    Surface,
    Target,
)

N = 32_492
NASTY = "<script>alert(1)</script>\"'><img src=http://x.invalid/y onerror=alert(2)>{{ 7 * 7 }}</script>"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def anatomy() -> Anatomy:
    k = np.arange(N) + 0.5
    polar, turn = np.arccos(1 - 2 * k / N), np.pi * (1 + 5**0.5) * k
    ball = np.stack([np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn), np.cos(polar)], axis=1)
    faces = ConvexHull(ball).simplices
    normal = np.cross(ball[faces[:, 1]] - ball[faces[:, 0]], ball[faces[:, 2]] - ball[faces[:, 0]])
    inward = (normal * ball[faces].mean(axis=1)).sum(axis=1) < 0
    faces[inward] = faces[inward][:, ::-1]
    surfaces = {}
    for side, x in (("L", -33.0), ("R", 33.0)):
        for kind, scale in (("white", 0.92), ("midthickness", 0.96), ("pial", 1.0), ("inflated", 1.0)):
            vertices = ball * np.array([28, 75, 50]) * scale + np.array([x, -10, 10])
            surfaces[side, kind] = Surface(vertices, faces, side, kind, "test")
    sulc = {side: np.sin(surfaces[side, "pial"].vertices[:, 1] / 4) for side in "LR"}
    return Anatomy(surfaces, sulc, "test", False, "two eggs")


def a_map(anatomy: Anatomy, names=("SCAN", "AMN", "hand", "other")) -> NetworkMap:
    axis = Grayordinates(np.arange(100, N), np.arange(N))
    y = np.concatenate([anatomy.surface(side).vertices[axis.vertices(side), 1] for side in "LR"])
    probability = np.exp(-(((y - np.linspace(50, -70, len(names))[:, None]) / 20) ** 2)).astype(np.float32)
    probability /= probability.sum(axis=0)
    keys = np.arange(3, 3 + len(names))
    label = keys[probability.argmax(axis=0)]
    label[:5] = 0
    ordered = np.sort(probability, axis=0)
    colours = np.random.default_rng(0).random((len(names), 3))
    return NetworkMap(names, keys, colours, probability, label, ordered[-1] - ordered[-2], axis, "iterative")


def a_target(anatomy: Anatomy, rank: int, network: str, side: str) -> Target:
    surface = anatomy.surface(side)
    vertex = int(np.linalg.norm(surface.vertices - np.array([-55 if side == "L" else 55, 20, 35]), axis=1).argmin())
    at = surface.vertices[vertex]
    outward = at - surface.vertices.mean(axis=0)
    z = -outward / np.linalg.norm(outward)
    y = np.cross(z, [1.0, 0, 0])
    y /= np.linalg.norm(y)
    matrix = np.eye(4)
    matrix[:3] = np.stack([np.cross(y, z), y, z, at - 15 * z], axis=1)
    pose = CoilPose(matrix, ImageTie("test", "0"), "pose", "geometric, no field yet")
    piece = Piece(
        f"{network} piece",
        network,
        side,
        np.array([vertex]),
        210.4,
        vertex,
        at,
        at,
        vertex,
        at,
        at,
        0.6,
        0.9,
        0.5,
        15.2,
    )
    terms, reasons = {"crown": 0.8}, ("on a gyral crown", "opposite to the pain")
    return Target(
        rank, piece, vertex, at, at, 0.8, terms, reasons, {"hand": 9.4}, 0.4, at - 15 * z, 15.0, pose, {"Beam F3": 31.2}
    )


@pytest.fixture(scope="module")
def content(anatomy) -> ReportContent:
    network_map = a_map(anatomy)
    targets = [a_target(anatomy, 2, "SCAN", "R"), a_target(anatomy, 1, "SCAN", "L"), a_target(anatomy, 3, "AMN", "R")]
    site = SiteReading("Beam F3", "R", np.array([40.0, 40, 30]), np.array([40.0, 40, 30]), "hand", 0.7, "a paper 2009")
    affine = np.array([[-2.0, 0, 0, 100], [0, 2, 0, -120], [0, 0, 2, -80], [0, 0, 0, 1]])
    image = Image(np.random.default_rng(0).integers(0, 900, (100, 110, 90)).astype(np.int16), affine, "test")
    pictures = draw_pictures(
        anatomy,
        network_map,
        targets=targets,
        sites=[site],
        image=image,
        signal=np.ones(len(network_map.label), dtype=bool),
        fc=[("global signal kept", np.eye(4), network_map.names)],
        n_close_ups=1,
    )
    entities = {"sub": "01", "ses": "a", "task": "rest", "space": "T1w", "hemi": "L", "desc": "networks"}
    written = [(key, output.name(entities)) for key, output in declared_outputs().items() if output.required]
    areas = {side: np.ones(N) for side in "LR"}
    return ReportContent(
        "01",
        anatomy,
        network_map,
        "sub-01 T1w",
        session="a",
        glance={"Data": "2 runs, 30.5 min", "Pain": "left arm"},
        warnings=("Template anatomy.",),
        runs=[{"Run": "run-01", "TR, s": 0.8, "Frames": 1200, "Kept": None}],
        quality_notes=("A note.",),
        networks=network_rows(network_map, areas),
        pieces=[target.piece for target in targets],
        targets=targets,
        sites=[site],
        navigation_reason="there is no T1 image",
        controls=[
            Table("With and without global signal", ["", "r"], [["with", 0.41234], ["without", float("nan")]], "note")
        ],
        pictures=pictures,
        methods=("First sentence.", "Second sentence."),
        references=("A paper, doi:10.1/abc",),
        written=written,
        provenance={
            "Created": "2026-01-02T03:04:05+00:00",
            "Seed": 5,
            "Options": {"fwhm_mm": 4.0},
            "Inputs": [{"File": "bold.nii", "SHA256": "ab" * 32, "Bytes": 12345}],
            "Versions": {"numpy": "2.0"},
            "System": "Linux",
        },
    )


@pytest.fixture(scope="module")
def page(content) -> str:
    return render_report(content)


class Reader(HTMLParser):
    """Collects elements; the text of scripts and styles apart from the rest."""

    VOID = ("meta", "img", "link", "br", "input", "hr")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text, self.scripts, self.styles, self.open = "", [], "", []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open, f"stray </{tag}>"
        assert self.open.pop() == tag, f"</{tag}> does not close what is open"

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        elif self.open and self.open[-1] == "style":
            self.styles += data
        else:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def assert_silent(page: str) -> None:
    """Nothing on the page makes a browser fetch anything, and nothing runs that we did not write."""
    read = Reader(page)
    assert not read.open
    for tag, attributes in read.elements:
        assert tag not in {"link", "iframe", "object", "embed", "base", "audio", "video", "source", "form", "svg"}, tag
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            if name in {"src", "srcset", "data", "poster", "action", "background", "formaction"}:
                assert tag == "img", (tag, name)
                assert value.startswith("data:image/"), value[:60]
            if name == "href":
                assert tag == "a"
                assert value.startswith(("#", "./")), value
                assert "http" not in value
            if name == "style":
                assert re.fullmatch(r"background:#[0-9a-f]{6}", value), value
    assert "url(" not in read.styles
    assert "@import" not in read.styles
    policy = next(m["content"] for m in read.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy
    kinds = [attributes.get("type") for attributes in read.all("script")]
    assert kinds in ([], ["application/json", "text/plain", None])


def test_the_page_is_silent(page):
    assert_silent(page)


def test_the_page_says_everything(page, content):
    read = Reader(page)
    text = " ".join(read.text.split())
    assert text.count(facts.notice()) >= 2
    for words in (
        "Best target: SCAN piece, left hemisphere",
        "Best AMN target (rank 3): AMN piece, right hemisphere",
        "Left means the person's own left side, where x is negative",
        "not written: there is no T1 image",
        "2 runs, 30.5 min",
        "two eggs",
        "Template anatomy.",
        "A note.",
        "on a gyral crown",
        "geometric, no field yet",
        "Beam F3",
        "First sentence. Second sentence.",
        "doi:10.1/abc",
        "ab" * 32,
        "With and without global signal",
        "2026-01-02 03:04 UTC",
        "only with a T1 image, surfaces that fit it",
    ):
        assert words in text, words
    order = [
        text.index(f"{rank}. {name}") for rank, name in ((1, "SCAN piece, left"), (2, "SCAN piece, right"), (3, "AMN"))
    ]
    assert order == sorted(order)
    site = content.sites[0]
    nearest = np.linalg.norm(content.targets[0].xyz_ras - site.xyz_ras)
    assert f"{nearest:.0f} mm to 2 (SCAN piece)" in text
    left = next(t for t in content.targets if t.rank == 1)
    assert point(left.xyz_ras) in text
    assert "−" in point(left.xyz_ras)
    for key, path in content.written:
        assert path in page or key == "figure", path


def test_accessible(page):
    read = Reader(page)
    assert read.elements[0] == ("html", {"lang": "en"})
    headings = [int(tag[1]) for tag, _ in read.elements if re.fullmatch(r"h[1-6]", tag)]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(headings))
    for image in read.all("img"):
        assert len(image["alt"]) > 15
        assert int(image["width"]) > 100
    tags = [tag for tag, _ in read.elements]
    for i, tag in enumerate(tags):
        if tag == "table":
            assert tags[i + 1] == "caption"
    assert all("scope" in attributes for attributes in read.all("th"))
    ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for link in read.all("a"):
        if link["href"].startswith("#"):
            assert link["href"][1:] in ids
    for section in read.all("section"):
        assert section["aria-labelledby"] in ids


def test_static_picture_comes_first_and_the_view_hides_without_script(page):
    maps = page[page.index('id="maps"') :]
    assert maps.index("<img") < maps.index('id="turn"')
    turn = next(attributes for tag, attributes in Reader(page).elements if attributes.get("id") == "turn")
    assert "hidden" in turn


def test_page_stays_small(page):
    assert len(page.encode()) < 9_000_000


def poisoned(value):
    """The same content with markup in every text."""
    if isinstance(value, str):
        return value + NASTY
    if isinstance(value, dict):
        return {poisoned(k) if k not in KNOWN else k: poisoned(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(poisoned(item) for item in value)
    return replace(value, **CHANGED[type(value)](value)) if type(value) in CHANGED else value


CHANGED = {
    Piece: lambda piece: {"name": piece.name + NASTY, "network": piece.network + NASTY},
    Picture: lambda picture: {"alt": picture.alt + NASTY, "caption": picture.caption + NASTY},
    SiteReading: lambda site: {"site": site.site + NASTY, "network": NASTY, "source": NASTY},
    Anatomy: lambda anatomy: {"description": anatomy.description + NASTY},
    NetworkMap: lambda found: {
        "names": ("SCAN", "AMN", *(name + NASTY for name in found.names[2:])),
        "method": NASTY,
    },
    Table: lambda table: {name: poisoned(getattr(table, name)) for name in ("caption", "columns", "rows", "note")},
    Target: lambda target: {
        **{name: poisoned(getattr(target, name)) for name in ("piece", "reasons")},
        **{name: poisoned(getattr(target, name)) for name in ("terms", "site_distance_mm", "neighbour_distance_mm")},
        "pose": replace(target.pose, note=target.pose.note + NASTY, label=NASTY),
    },
}
KNOWN = {"Created", "Seed", "Options", "Inputs", "Versions", "System", "File", "SHA256", "Bytes"} | {
    *("network", "key", "colour", "area_left", "area_right", "mean_probability", "mean_confidence")
}


def test_whatever_stands_in_files_is_escaped(content, page):
    kept = {"label", "session", "rotatable", "written"}
    bad = replace(
        content, **{f.name: poisoned(getattr(content, f.name)) for f in fields(content) if f.name not in kept}
    )
    written = [(key, path + NASTY) for key, path in content.written]
    nasty = render_report(replace(bad, written=written, navigation_files=["x" + NASTY]))
    read = Reader(nasty)
    assert len(read.all("script")) == 3
    assert len(read.all("img")) == len(Reader(page).all("img"))
    assert "alert(1)" in read.text
    assert "49" not in read.text[read.text.index("alert(2)>") :][:20], "text of a file was taken for a template"
    for tag, attributes in read.elements:
        assert not any(name.startswith("on") for name in attributes), tag
    for link in read.all("a"):
        assert link["href"].startswith(("#", "./"))
    view = json.loads(read.scripts[0])
    assert any("alert(1)" in name for name in view["names"])
    assert "</script" not in read.scripts[0]


def test_without_targets_pictures_or_series(content):
    bare = ReportContent(
        "x1", content.anatomy, content.network_map, "MNI", no_target_reason="Too little data.", rotatable=False
    )
    page = render_report(bare)
    assert_silent(page)
    text = " ".join(Reader(page).text.split())
    assert "No reliable target. Too little data." in text
    assert "the map was given" in text
    assert "not written: no target" in text
    assert "<script" not in page


def test_navigation_files_are_named_and_linked(content):
    path = declared_outputs()["brainsight"].name({"sub": "01", "task": "rest", "space": "T1w"})
    page = render_report(replace(content, written=[("brainsight", path)], navigation_files=[path]))
    assert f'written: <a href="./{path}">Brainsight text</a>' in page
    assert "there is no T1 image" not in page


def test_pictures_have_valid_distinct_names(content):
    names = [declared_outputs()["figure"].name({"sub": "01", "desc": picture.key}) for picture in content.pictures]
    assert len(set(names)) == len(names)
    saved = "sub-01/figures/sub-01_ses-a_task-rest_desc-networks_figure.png"
    assert f'<a href="./{saved}" title="Full size"><img' in render_report(content)
    assert render_report(replace(content, written=())).count('title="Full size"') == 0
    assert [p.rank for p in content.pictures if p.section == "targets"] == [1]
    shown = embedded(content.pictures[0].png)
    kind, data = re.fullmatch(r"data:image/(\w+);base64,(.*)", shown["uri"]).groups()
    picture = Picture_.open(io.BytesIO(base64.b64decode(data)))
    assert picture.format.lower() == kind
    assert picture.width == Picture_.open(io.BytesIO(content.pictures[0].png)).width


def test_rotatable_arrays_come_back(content):
    view = json.loads(json.dumps(rotatable_view(content.anatomy, content.network_map, content.targets)))

    def unpack(text, kind):
        return np.frombuffer(gzip.decompress(base64.b64decode(text)), kind)

    axis = content.network_map.grayordinates
    for side, part in zip("LR", view["hemispheres"], strict=True):
        surface = content.anatomy.surface(side, "inflated")
        vertices = unpack(part["vertices"], "<i2").reshape(3, -1).T * view["step"]
        np.testing.assert_allclose(vertices[:, 1:], surface.vertices[:, 1:], atol=0.006)
        assert (vertices[:, 0] < 0).all() if side == "L" else (vertices[:, 0] > 0).all()
        np.testing.assert_array_equal(unpack(part["faces"], "<u2").reshape(3, -1).T, surface.faces)
        label = unpack(part["label"], "u1")
        key = axis.to_mesh(content.network_map.label, side, fill=-1)
        assert ((label == 255) == (key == -1)).all()
        names = np.array(view["names"], dtype=object)[label[label < 255]]
        known = dict(zip(content.network_map.keys, content.network_map.names, strict=True)) | {0: "no network"}
        assert all(name == known[k] for name, k in zip(names, key[key >= 0], strict=True))
        scan = axis.to_mesh(content.network_map.probability[0], side)
        np.testing.assert_allclose(unpack(part["layers"][0], "u1") / 100, scan, atol=0.0051)
    for marker, target in zip(view["targets"], content.targets, strict=True):
        assert (marker["at"][0] < 0) == (target.piece.hemisphere == "L")
    assert b"plotly.js" in gzip.decompress(base64.b64decode(packed_plotly()))[:200]


def test_numbers_are_written_for_reading():
    assert [number(v) for v in (None, float("nan"), -1.234, 0, 12345, True, "x", -0.001)] == [
        *("–", "–", "−1.23", "0", "12,345", "yes", "x", "0.00")
    ]
    assert number(np.float32(0.5), 0) == "0"
    assert number(1234.5, 0) == "1,234"
    assert point(np.array([-1.26, 0.04, 3]), 1) == "−1.3, 0.0, 3.0"
    assert moment("yesterday") == "yesterday"


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_the_view_draws_itself_without_a_network(tmp_path, page):
    (tmp_path / "sub-01.html").write_text(page, encoding="utf-8")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--dump-dom"]
    command += ["--disable-background-networking", f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr"]
    command += ["--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=60000", "--window-size=1200,900"]
    command += ["--enable-unsafe-swiftshader", "--use-gl=angle", "--use-angle=swiftshader"]
    shown = subprocess.run(
        [*command, f"file://{tmp_path / 'sub-01.html'}"], capture_output=True, text=True, timeout=240, check=False
    )
    assert 'data-ready="yes"' in shown.stdout, shown.stderr[-2000:]
    assert re.search(r'id="turn-message" hidden=""></p>', shown.stdout), "a message stands where the view should be"
    assert "L, from the left" in shown.stdout
    console = [line for line in shown.stderr.splitlines() if "CONSOLE" in line]
    assert not [line for line in console if "Refused" in line or "violates" in line or "Uncaught" in line], console
