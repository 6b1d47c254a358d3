"""Protocols as files: what is read, what is refused, and that the digest is that of what a protocol says."""

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.trialstories import small_protocol

from actionloop.errors import ActionloopError, InputError, OptionError
from actionloop.pipeline import trialprotocol
from actionloop.pipeline.trialprotocol import (
    packaged_protocols,
    protocol_digest,
    read_packaged,
    read_protocol,
    write_protocol,
)
from actionloop.trial.locked import require_runnable
from actionloop.trial.synopsis import as_markdown, write_synopsis

TEXT = (Path(trialprotocol.__file__).parents[1] / "data" / "protocols" / "connectivity_guided.yaml").read_text()


def written(tmp_path, text):
    path = tmp_path / "protocol.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refused(tmp_path, text):
    with pytest.raises(InputError) as caught:
        read_protocol(written(tmp_path, text))
    assert str(tmp_path / "protocol.yaml") in str(caught.value)
    return caught.value.problem


def test_those_that_come_along_are_what_was_published():
    assert packaged_protocols() == ("attal2021", "connectivity_guided", "quesada2020")
    guided = read_packaged("connectivity_guided")
    assert (guided.sample_size, guided.sessions, len(guided.candidates)) == (90, 12, 4)
    assert [arm.rule for arm in guided.arms] == ["fixed", "lowest", "highest"]
    assert [visit.week for visit in guided.visits] == [0, 2, 4, 6, 8]
    assert {one.kind for one in guided.analyses} == {
        *("responder", "mmrm", "ancova", "ordinal", "biomarker", "bayes", "equivalence")
    }
    assert {one.missing for one in guided.analyses} >= {"multiple_imputation", "reference_based", "tipping_point"}
    primary = next(one for one in guided.analyses if one.role == "primary")
    assert (primary.kind, primary.threshold, primary.visit) == ("responder", 0.3, "week_8")
    assert read_packaged("attal2021").sessions == 15
    assert read_packaged("quesada2020").sample_size == 36
    for name in packaged_protocols():
        require_runnable(read_packaged(name))
    with pytest.raises(OptionError, match="no protocol is called"):
        read_packaged("nobody2020")


@pytest.mark.parametrize("name", ["attal2021", "connectivity_guided", "quesada2020"])
def test_writing_and_reading_gives_the_same(tmp_path, name):
    protocol = read_packaged(name)
    write_protocol(tmp_path / "p.yaml", protocol)
    again = read_protocol(tmp_path / "p.yaml")
    assert again == protocol
    assert protocol_digest(again) == protocol_digest(protocol)


@settings(max_examples=8, deadline=None)
@given(seed=st.randoms(use_true_random=False))
def test_the_digest_knows_neither_key_order_nor_comments(tmp_path_factory, seed):
    def shuffled(value):
        if isinstance(value, dict):
            items = list(value.items())
            seed.shuffle(items)
            return {key: shuffled(one) for key, one in items}
        return [shuffled(one) for one in value] if isinstance(value, list) else value

    text = "# another comment\n" + yaml.safe_dump(shuffled(yaml.safe_load(TEXT)), sort_keys=False)
    path = written(tmp_path_factory.mktemp("p"), text)
    assert protocol_digest(read_protocol(path)) == protocol_digest(read_packaged("connectivity_guided"))


def test_the_digest_is_pinned_and_sees_every_change():
    protocol = small_protocol()
    assert protocol_digest(protocol) == protocol_digest(small_protocol())
    whole = replace(protocol, visits=tuple(replace(one, week=int(one.week)) for one in protocol.visits))
    assert protocol_digest(whole) == protocol_digest(protocol)
    others = {
        protocol_digest(replace(protocol, alpha=0.04)),
        protocol_digest(replace(protocol, title="Another")),
        protocol_digest(replace(protocol, analyses=protocol.analyses[:2])),
        protocol_digest(replace(protocol, arms=protocol.arms[::-1])),
    }
    assert len(others | {protocol_digest(protocol)}) == 5


@pytest.mark.parametrize(
    ("change", "into", "told"),
    [
        ("sessions: 12 ", "sessions: yes ", r"line 9: sessions: .*integer.*True"),
        ("sessions: 12 ", "sessions: 12.5 ", r"sessions: .*integer"),
        ("rule: lowest", "rule: lowst", r"line \d+: arms\[2\] \(lowest_connectivity\)\.rule: .*'lowst'"),
        ("outcome: pgic", "outcome: pgc", r"line \d+: analyses: impression: outcome: nothing is called pgc"),
        ("visit: week_8", "visit: week_9", r"nothing is called week_9"),
        ("week: 2,", "week: 5,", r"line \d+: visits: visits are not in order of time"),
        ("threshold: 0.3", "threshold: 30", r"a threshold is a share"),
        ("alpha: 0.05", "alpha: .nan", r"alpha: numbers are finite"),
        ("alpha: 0.05", "alpha: 0.05\nalpha: 0.1", r"alpha: the key stands twice"),
        ("{name: classic_m1,", "{name: classic_m1, name: x,", r"arms\[1\].name: the key stands twice"),
        ("title:", "titel:", r"title: is missing"),
        ("title:", "titel:", r"titel: is no field of this part"),
        ("event: rescue", "event: rescu", r"estimand: intercurrent: the log knows no event rescu"),
        ("block_sizes: [3, 6]", "block_sizes: [4]", r"line \d+: allocation: block_sizes: .*multiples of 3"),
        ("missing: tipping_point", "missing: non_response", r"tipping_point: 'ancova' with 'non_response'"),
        ("role: primary", "role: secondary", r"expected one primary analysis, found none"),
        ("registration: NCT06395649", "registration: 2026-01-01", r"'timestamp' is not a text"),
    ],
)
def test_one_fault_is_named_with_line_and_field(tmp_path, change, into, told):
    assert change in TEXT
    problem = refused(tmp_path, TEXT.replace(change, into, 1))
    assert re.search(told, problem), problem


def test_all_faults_are_told_at_once(tmp_path):
    text = TEXT.replace("sessions: 12 ", "sessions: many ").replace("rule: lowest", "rule: lowst")
    text = text.replace("threshold: 0.3", "threshold: 30")
    problem = refused(tmp_path, text)
    assert "3 faults" in problem
    assert all(word in problem for word in ("sessions", "'lowst'", "a threshold is a share"))
    text = TEXT.replace("outcome: pgic", "outcome: pgc").replace("week: 2,", "week: 5,")
    problem = refused(tmp_path, text.replace("control: classic_m1", "control: nobody"))
    assert "3 faults" in problem
    assert all(word in problem for word in ("pgc", "order of time", "nobody"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "empty"),
        ("- 1\n- 2\n", "expected a protocol with fields"),
        ("a: [", "not YAML"),
        ("a: \x00", "not YAML"),
        ("a: &x [1]\nb: *x\n", "anchors"),
        ("!!python/object/apply:os.system ['true']", "not a text"),
        ("[" * 5000, "deeper or longer"),
        ("a: " + "x" * 300_000, "at most 256 KiB"),
    ],
)
def test_what_is_no_protocol_is_one_clear_error(tmp_path, text, told):
    assert told in refused(tmp_path, text)


def test_without_the_package_that_reads_yaml_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(OptionError) as caught:
        read_protocol(written(tmp_path, TEXT))
    assert caught.value.fix == "pip install 'actionloop[trial]'"


def test_a_bomb_of_aliases_is_not_expanded(tmp_path):
    bomb = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))
    assert "anchors" in refused(tmp_path, bomb)


def test_missing_and_binary_files(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_protocol(tmp_path / "none.yaml")
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(InputError, match="UTF-8"):
        read_protocol(tmp_path / "b.yaml")


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_damaged_protocol_is_read_or_refused_but_never_breaks(tmp_path_factory, data):
    at = data.draw(st.integers(0, len(TEXT) - 1))
    cut = data.draw(st.integers(0, 40))
    put = data.draw(st.text(alphabet="[]{}:,-#&*!|>'\"%@` \n\tab0.", max_size=6))
    path = written(tmp_path_factory.mktemp("p"), TEXT[:at] + put + TEXT[at + cut :])
    try:
        read_protocol(path)
    except ActionloopError as error:
        assert error.problem


def test_the_synopsis_says_what_the_protocol_says():
    protocol = read_packaged("connectivity_guided")
    synopsis = write_synopsis(protocol)
    text = as_markdown(synopsis)
    assert synopsis.digest == protocol_digest(protocol)
    assert [part.heading for part in synopsis.parts][:3] == [
        "Title and registration",
        "Version of the protocol",
        "Trial design",
    ]
    for word in (
        "NCT06395649",
        "90 participants",
        "12 sessions",
        "1:1:1",
        "multiple imputation",
        "tipping point",
        "Holm",
    ):
        assert word in text
    assert all(arm.label in text for arm in protocol.arms)
    assert "item numbers not checked" in text
    assert len({part.item_2013 for part in synopsis.parts}) == len(synopsis.parts)
    assert "3, 6" not in text, "block sizes stay hidden"
    odd = as_markdown(write_synopsis(replace(protocol, title="a|b <script> *c*\nd")))
    assert odd.startswith("# a\\|b \\<script\\> \\*c\\* d\n")
