"""YAML that a person wrote, as a tree with lines: nothing that repeats, refers or builds objects gets through."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from actionloop.errors import InputError, OptionError

_MOST_DEPTH = 20
_MOST_NODES = 20_000
Fault = tuple[tuple[Any, ...], str, str]
"""Where in the tree, the place in words, and what is wrong."""


def find_yaml() -> Any:
    """Return the package that reads YAML; an absent one is an OptionError that names the extra."""
    try:
        import yaml
    except ImportError as error:
        raise OptionError(
            "protocols are YAML, and the package that reads it is not installed",
            fix="pip install 'actionloop[trial]'",
        ) from error
    return yaml


def compose(text: str, path: Path) -> Any:
    """Return the tree of a YAML text without building anything: no aliases, no depth that would break a reader."""
    yaml = find_yaml()
    depth = count = 0
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            line = event.start_mark.line + 1
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise InputError(
                    f"line {line}: anchors (&) and aliases (*) are not read", where=path, fix="write the value out"
                )
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            count += 1
            if depth > _MOST_DEPTH or count > _MOST_NODES:
                raise InputError(f"line {line}: far deeper or longer than any protocol", where=path)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        at = f"line {mark.line + 1}: " if mark is not None else ""
        told = getattr(error, "problem", None) or "characters that YAML does not know"
        raise InputError(f"{at}not YAML: {told}", where=path, fix="mend the line") from error
    if node is None:
        raise InputError("the protocol is empty", where=path, fix="start from one that comes along")
    return node


def build(node: Any) -> Any:
    """Return mappings, lists, texts and numbers of a tree without faults."""
    return find_yaml().SafeLoader("").construct_document(node)


def node_faults(node: Any, field: str, loc: tuple[Any, ...] = ()) -> Iterator[Fault]:
    """Keys that occur twice, tags that build objects, numbers that are none; by line."""
    yaml = find_yaml()
    plain = node.tag.removeprefix("tag:yaml.org,2002:") in {"map", "seq", "str", "int", "float", "bool", "null"}
    if not plain:
        fix = "put a text in quotes" if node.tag.startswith("tag:yaml.org,2002:") else "leave the tag out"
        yield loc, field or "the file", f"{node.tag.rsplit(':', 1)[-1]!r} is not a text, number or list; {fix}"
    elif isinstance(node, yaml.ScalarNode):
        if node.tag.endswith(":float") and not math.isfinite(_number(node.value)):
            yield loc, field, f"numbers are finite, found {node.value}"
    elif isinstance(node, yaml.SequenceNode):
        for index, one in enumerate(node.value):
            yield from node_faults(one, f"{field}[{index + 1}]", (*loc, index))
    else:
        seen: set[str] = set()
        for key, one in node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else "a key"
            place = f"{field}.{name}" if field else name
            if name in seen:
                yield (*loc, name), place, f"the key stands twice (again in line {key.start_mark.line + 1})"
            seen.add(name)
            yield from node_faults(one, place, (*loc, name))


def _number(text: str) -> float:
    try:
        return float(text.replace("_", "").replace(".inf", "inf").replace(".Inf", "inf").replace(".INF", "inf"))
    except ValueError:
        return math.nan if "nan" in text.casefold() else 0.0  # 1:30 is a float to YAML


def line_of(node: Any, loc: Sequence[Any]) -> str:
    """Return 'line 12: ' for the deepest part of a place that the file has; names of list entries are followed."""
    yaml, line = find_yaml(), 0
    for step in loc:
        following = None
        if isinstance(node, yaml.MappingNode):
            at = [(key, one) for key, one in node.value if key.value == step]
            if at:
                line, following = at[-1][0].start_mark.line + 1, at[-1][1]
        elif isinstance(node, yaml.SequenceNode):
            following = _entry(node, step)
            line = line if following is None else following.start_mark.line + 1
        if following is None:
            break
        node = following
    return f"line {line}: " if line else ""


def _entry(node: Any, step: Any) -> Any:
    if isinstance(step, int):
        return node.value[step] if step < len(node.value) else None
    for one in node.value:
        fields = one.value if one.id == "mapping" else ()
        if any(key.value == "name" and value.value == step for key, value in fields):
            return one
    return None
