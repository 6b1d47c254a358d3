"""The journal: what it refuses, what it finds, and what two processes and a kill do to it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actionloop.errors import InputError, OutputError
from actionloop.journal import Journal, Receipt, canonical, sha256, verify
from actionloop.journal.store import COLUMNS

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
WHO = {"actor": "anna", "role": "coordinator"}


def ticking(step_s=60.0):
    ticks = count()
    return lambda: START + timedelta(seconds=step_s * next(ticks))


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "journal.sqlite"
    with Journal.create(path, clock=ticking()) as journal:
        for number in range(8):
            journal.append("note", {"said": f"thing {number}"}, **WHO)
        head = journal.head()
    return path, head


def tampered(path, *statements):
    with sqlite3.connect(path) as connection:
        for name in ("entry_keep", "entry_stay"):
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
    connection.close()


def kinds(faults):
    return {(fault.number, fault.kind) for fault in faults if fault.breaks}


def test_a_chain_is_what_a_naive_reading_of_the_file_says(written):
    path, head = written
    rows = sqlite3.connect(path).execute(f"SELECT {COLUMNS} FROM entry ORDER BY number").fetchall()
    (study,) = sqlite3.connect(path).execute("SELECT study FROM header").fetchone()
    before = sha256('{"format":1,"study":"' + study + '"}')
    for *row, previous, digest in rows:
        assert previous == before
        text = json.dumps([*row, previous], separators=(",", ":"), ensure_ascii=False)
        before = sha256(text)
        assert digest == before
    assert head == Receipt(8, before)
    assert verify(path, [head, Receipt(0, rows[0][-2]), Receipt(3, rows[2][-1])]) == ()


def test_reading_back(written):
    path, head = written
    with Journal.open(path) as journal:
        entries = journal.entries()
        assert [entry.number for entry in entries] == list(range(1, 9))
        assert entries[2].content == {"said": "thing 2"}
        assert entries[2].time == "2026-03-02T09:02:00.000000+00:00"
        assert entries[2].when == START + timedelta(minutes=2)
        assert entries[-1].receipt == journal.head() == head == Receipt.parse(f" {head}\n")
        assert len({entry.salt for entry in entries}) == 8


@settings(max_examples=40, deadline=None)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(exclude_categories=["Cs"])),
        lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text("abcäö\n", max_size=4), one),
        max_leaves=8,
    )
)
def test_canonical_text_is_read_back_and_depends_on_no_order(content):
    text = canonical({"b": content, "a": 1})
    assert text == canonical({"a": 1, "b": content}) == canonical(json.loads(text))


@pytest.mark.parametrize(
    "content", [{"a": float("nan")}, {"a": float("inf")}, {"a": {1: 2}}, {"a": object()}, {"a": "\ud800"}, ["a"], "a"]
)
def test_contents_that_cannot_be_written(tmp_path, content):
    with Journal.create(tmp_path / "j.sqlite") as journal:
        with pytest.raises(InputError):
            journal.append("note", content, **WHO)
        assert journal.entries() == ()
        journal.append("note", {}, **WHO)


@pytest.mark.parametrize(
    ("kind", "actor", "role"),
    [("Note", "a", "b"), ("", "a", "b"), ("note", " ", "b"), ("note", "a\nb", "c"), ("note", "a", "")],
)
def test_entries_without_a_name(tmp_path, kind, actor, role):
    with Journal.create(tmp_path / "j.sqlite") as journal, pytest.raises(InputError):
        journal.append(kind, {}, actor=actor, role=role)


def test_triggers_refuse_change_and_removal(written):
    path, _ = written
    connection = sqlite3.connect(path)
    for statement in (
        "UPDATE entry SET actor = 'x' WHERE number = 2",
        "DELETE FROM entry",
        "DELETE FROM header",
        "UPDATE header SET study = 'x'",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="only added to"):
            connection.execute(statement)
    connection.close()
    assert verify(path) == ()


@pytest.mark.parametrize(
    "column", ["time", "actor", "role", "kind", "content", "clock_back_us", "salt", "previous", "digest"]
)
def test_a_changed_field_is_found(written, column):
    path, _ = written
    value = (
        "3"
        if column == "clock_back_us"
        else "'2026-03-02T09:02:30.000000+00:00'"
        if column == "time"
        else "'{\"a\":1}'"
    )
    tampered(path, f"UPDATE entry SET {column} = {value} WHERE number = 3")
    assert (3, "changed") in kinds(verify(path))
    assert any(fault.kind == "guard" and not fault.breaks for fault in verify(path))


def test_an_entry_taken_out_is_found(written):
    path, _ = written
    tampered(path, "DELETE FROM entry WHERE number = 4")
    assert kinds(verify(path)) == {(5, "missing"), (5, "link")}
    assert "entry 4 is not there" in str(verify(path)[1])


def test_an_entry_taken_out_and_the_rest_renumbered_is_found(written):
    path, _ = written
    tampered(
        path,
        "DELETE FROM entry WHERE number = 4",
        *(f"UPDATE entry SET number = {n - 1} WHERE number = {n}" for n in range(5, 9)),
    )
    assert {(4, "changed"), (4, "link"), (5, "changed")} <= kinds(verify(path))


def test_two_entries_exchanged_are_found(written):
    path, _ = written
    tampered(
        path,
        "UPDATE entry SET number = 99 WHERE number = 3",
        "UPDATE entry SET number = 3 WHERE number = 6",
        "UPDATE entry SET number = 6 WHERE number = 99",
    )
    found = kinds(verify(path))
    assert {(3, "changed"), (6, "changed"), (3, "order"), (6, "order"), (4, "order")} <= found


def test_an_entry_put_in_is_found(written):
    path, head = written
    told = COLUMNS.replace("number", "9", 1).replace("digest", f"'{'0' * 64}'")
    tampered(path, f"INSERT INTO entry SELECT {told} FROM entry WHERE number = 8")
    assert {(9, "changed"), (9, "order")} <= kinds(verify(path, [head]))


def test_a_cut_tail_is_found_by_a_receipt_only(written):
    path, head = written
    tampered(path, "DELETE FROM entry WHERE number > 5")
    assert kinds(verify(path)) == set()
    assert kinds(verify(path, [head])) == {(5, "cut")}


def test_a_forged_chain_is_found_by_a_receipt_only(tmp_path, written):
    path, head = written
    with Journal.open(path) as journal:
        study, entries = journal.study, journal.entries()
    other = tmp_path / "forged.sqlite"
    with Journal.create(other, clock=ticking(), study=study) as journal:
        for entry in entries:
            said = {"said": "something else"} if entry.number == 4 else entry.content
            journal.append(entry.kind, said, **WHO)
    assert verify(other) == ()
    assert kinds(verify(other, [head])) == {(8, "receipt")}


def test_a_clock_set_back_is_recorded_and_named(tmp_path):
    times = iter([START, START - timedelta(hours=1), START + timedelta(hours=1)])
    path = tmp_path / "j.sqlite"
    with Journal.create(path, clock=lambda: next(times)) as journal:
        for _ in range(3):
            journal.append("adverse_event", {"participant": "p1"}, **WHO)
        assert [entry.clock_back_us for entry in journal.entries()] == [0, 3_600_000_000, 0]
    (fault,) = verify(path)
    assert (fault.number, fault.kind, fault.breaks) == (2, "clock", False)
    assert "3600 s" in fault.detail
    tampered(path, "UPDATE entry SET time = '2026-03-02T07:00:00.000000+00:00' WHERE number = 3")
    assert {(3, "changed"), (3, "time")} <= kinds(verify(path))


def test_export_is_verified_like_the_journal(written, tmp_path):
    path, head = written
    out = tmp_path / "chain.jsonl"
    with Journal.open(path) as journal:
        assert journal.export(out) == head
        with pytest.raises(OutputError):
            journal.export(out)
    assert verify(out, [head]) == ()
    lines = out.read_text().splitlines()
    assert len(lines) == 10

    def faults(changed):
        out.write_text("\n".join(changed) + "\n")
        return {fault.kind for fault in verify(out)}

    assert "changed" in faults([*lines[:3], lines[3].replace("thing 2", "thing X"), *lines[4:]])
    assert faults(lines[:-2] + lines[-1:]) == {"cut"}
    assert faults(lines[:-1]) == {"cut"}
    assert "order" in faults([lines[0], lines[2], lines[1], *lines[3:]])
    for bad in ("{", '{"format":9}', '{"format":1,"study":"a"}\n{"number":1}'):
        out.write_text(bad + "\n")
        with pytest.raises(InputError):
            verify(out)


def test_what_is_no_journal(tmp_path, written):
    path, _ = written
    text = tmp_path / "text.txt"
    text.write_text("not a database, though it is long enough to be looked at as one" * 20)
    other = tmp_path / "other.sqlite"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE entry (a)")
    connection.close()
    for wrong in (tmp_path / "absent", tmp_path, text, other):
        for ask in (Journal.open, verify):
            with pytest.raises(InputError) as problem:
                ask(wrong)
            assert problem.value.where == str(wrong)
    with pytest.raises(OutputError, match="never written over"):
        Journal.create(path)
    with pytest.raises(OutputError):
        Journal.create(tmp_path / "no" / "j.sqlite")
    connection = sqlite3.connect(path)
    connection.execute("DROP TRIGGER header_keep")
    connection.execute("UPDATE header SET format = 2")
    connection.commit()
    connection.close()
    for ask in (Journal.open, verify):
        with pytest.raises(InputError, match="found version 2"):
            ask(path)


def test_a_damaged_database_is_a_fault(tmp_path):
    path = tmp_path / "j.sqlite"
    with Journal.create(path) as journal:
        for number in range(300):
            journal.append("note", {"said": "x" * 200, "n": number}, **WHO)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2 // 4096 * 4096])
    assert any(fault.kind == "file" and fault.breaks for fault in verify(path))


def test_locked_for_too_long(written):
    path, head = written
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with Journal.open(path, wait_s=0.1) as journal:
        with pytest.raises(OutputError, match="did not finish"):
            journal.append("note", {}, **WHO)
        holder.execute("ROLLBACK")
        assert journal.append("note", {}, **WHO).number == head.number + 1
    holder.close()


def test_a_full_disk_adds_nothing(written):
    path, head = written
    with Journal.open(path) as journal:
        (pages,) = journal._connection.execute("PRAGMA page_count").fetchone()
        journal._connection.execute(f"PRAGMA max_page_count={pages}")
        with pytest.raises(OutputError, match="disk is full"), journal.transaction(**WHO) as pen:
            for _ in range(50):
                pen.append("note", {"said": "x" * 2000})
        assert journal.head() == head
    assert verify(path, [head]) == ()


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_folder_that_cannot_be_written():
    with TemporaryDirectory() as name:
        folder, root = Path(name), os.geteuid() == 0
        path = folder / "journal.sqlite"
        with Journal.create(path) as journal:
            head = journal.append("note", {}, **WHO).receipt
        path.chmod(0o444)
        folder.chmod(0o555)
        try:
            if root:
                os.seteuid(65534)
            assert verify(path, [head]) == ()
            for ask in (lambda: Journal.open(path).append("note", {}, **WHO), lambda: Journal.create(folder / "other")):
                with pytest.raises(OutputError):
                    ask()
        finally:
            if root:
                os.seteuid(0)
            folder.chmod(0o700)


def test_sqlite_refusals_are_told_as_ours(tmp_path):
    from actionloop.journal.trouble import telling

    for name, kind in (
        ("SQLITE_READONLY_DBMOVED", OutputError),
        ("SQLITE_CANTOPEN", OutputError),
        ("SQLITE_CORRUPT", InputError),
    ):
        with pytest.raises(kind) as problem, telling(tmp_path):
            raised = sqlite3.OperationalError("told")
            raised.sqlite_errorname = name
            raise raised
        assert problem.value.where == str(tmp_path)


def test_a_transaction_is_all_or_nothing(written):
    path, head = written
    with Journal.open(path) as journal:
        with pytest.raises(RuntimeError), journal.transaction(**WHO) as pen:
            pen.append("note", {})
            pen.append("note", {})
            raise RuntimeError
        assert journal.head() == head
        with journal.transaction(**WHO) as pen:
            assert len(pen.entries) == 8
            assert pen.faults([head]) == ()
        assert journal.head() == head
        with journal.transaction(**WHO) as pen:
            pen.append("note", {})
            pen.append("note", {})
            assert pen.faults() == ()
        assert journal.head().number == 10


WRITER = """
import os, signal, sys
from datetime import UTC, datetime
from actionloop.journal import Journal
path, wanted, kill = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
asked = 0
def clock():
    global asked
    asked += 1
    if asked == kill:
        os.kill(os.getpid(), signal.SIGKILL)
    return datetime.now(UTC)
with Journal.open(path, clock=clock) as journal:
    for n in range(wanted):
        with journal.transaction(actor=str(os.getpid()), role="rater") as pen:
            pen.append("first", {"n": n})
            pen.append("second", {"n": n})
"""


def writer(path, wanted, kill=0):
    return subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(wanted), str(kill)])


def test_processes_that_write_at_once_lose_and_double_nothing(written):
    path, head = written
    children = [writer(path, 25) for _ in range(3)]
    assert [child.wait(120) for child in children] == [0, 0, 0]
    with Journal.open(path) as journal:
        entries = journal.entries()[8:]
    assert [entry.number for entry in entries] == list(range(9, 9 + 150))
    for first, second in zip(entries[::2], entries[1::2], strict=True):
        assert (first.kind, second.kind) == ("first", "second")
        assert (first.actor, first.content) == (second.actor, second.content)
    assert {fault.kind for fault in verify(path, [head])} <= {"clock"}


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
@pytest.mark.parametrize("kill", [1, 2, 7, 8])
def test_a_kill_inside_a_transaction_leaves_none_of_it(written, kill):
    path, head = written
    assert writer(path, 20, kill).wait(120) == -signal.SIGKILL
    assert verify(path, [head]) == ()
    with Journal.open(path) as journal:
        assert journal.head().number == 8 + (kill - 1) // 2 * 2
        journal.append("note", {}, **WHO)
    assert verify(path, [head]) == ()
