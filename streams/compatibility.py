"""How a schema may change within its major version; docs/schemas/README.md says it in words."""

from typing import Any

Document = dict[str, Any]


def violations(old: Document, new: Document, *, read: bool) -> list[str]:
    """What `new` changes of `old` and must not within a major version, a line each.

    Both are JSON Schemas, or both AsyncAPI documents. What eventwire reads (`read`: articles) must
    stay readable: nothing is narrowed, nothing newly required. What it writes stays on compacted
    topics for ever and is read by programs of any age: it must not be widened either, and a new
    field is optional since old records do not have it.
    """
    if "asyncapi" in old:
        return _topic_violations(old, new)
    comparison = _Comparison(old, new, read=read)
    comparison.compare(old, new, str(new.get("title", "")))
    if not comparison.found and _shape(old) != _shape(new) and old["$id"] == new["$id"]:
        return [f"{new['$id']}: changed, expected a higher SCHEMA_VERSION with that"]
    return comparison.found


class _Comparison:
    def __init__(self, old: Document, new: Document, *, read: bool) -> None:
        self.found: list[str] = []
        self._old, self._new = old.get("$defs", {}), new.get("$defs", {})
        self._read = read

    def compare(self, old: Document, new: Document, path: str) -> None:
        before, after = _alternatives(old, self._old), _alternatives(new, self._new)
        for kind in before:
            if kind not in after:
                self.found.append(f"{path}: may no longer be {kind}")
            else:
                self._compare_kind(before[kind], after[kind], path)
        for kind in after.keys() - before.keys():
            self._widened(path, f"may now be {kind} too")

    def _compare_kind(self, old: Document, new: Document, path: str) -> None:
        fields, now = old.get("properties", {}), new.get("properties", {})
        required, now_required = set(old.get("required", [])), set(new.get("required", []))
        for name in fields:
            if name not in now:
                self.found.append(f"{path}.{name}: removed")
            else:
                self.compare(fields[name], now[name], f"{path}.{name}")
        for name in sorted(now_required - required):
            self.found.append(f"{path}.{name}: newly required")
        for name in sorted((required - now_required) & now.keys()):
            self._widened(f"{path}.{name}", "no longer required")
        if "items" in old:
            self.compare(old["items"], new["items"], f"{path}[]")
        self._compare_limits(old, new, path)

    def _compare_limits(self, old: Document, new: Document, path: str) -> None:
        values, now = old.get("enum"), new.get("enum")
        if values != now:
            if now is not None and (values is None or set(values) - set(now)):
                self.found.append(f"{path}: no longer every value that it had")
            if values is not None and (now is None or set(now) - set(values)):
                self._widened(path, "has values that it had not")
        for limit, sign in (("minimum", 1), ("minLength", 1), ("maximum", -1), ("maxLength", -1)):
            unlimited = float("-inf")
            was, is_now = (
                sign * schema[limit] if limit in schema else unlimited for schema in (old, new)
            )
            if is_now > was:
                self.found.append(f"{path}: {limit} is tighter")
            elif is_now < was:
                self._widened(path, f"{limit} is looser")

    def _widened(self, path: str, what: str) -> None:
        if not self._read:
            self.found.append(f"{path}: {what}")


def _alternatives(schema: Document, definitions: Document) -> dict[str, Document]:
    """The schema's alternatives by their JSON type."""
    if "$ref" in schema:
        return _alternatives(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        return {
            kind: found
            for each in schema["anyOf"]
            for kind, found in _alternatives(each, definitions).items()
        }
    if "enum" in schema:
        values = [value for value in schema["enum"] if value is not None]
        nothing = {"null": {"type": "null"}} if None in schema["enum"] else {}
        return {"string": {"type": "string", "enum": values}, **nothing}
    return {schema["type"]: schema}


def _shape(schema: Any) -> Any:
    """The schema without what is only said to people."""
    if isinstance(schema, dict):
        told = ("title", "description", "examples", "default", "$id")
        return {
            name: {key: _shape(value) for key, value in part.items()}
            if name in ("properties", "$defs")
            else _shape(part)
            for name, part in schema.items()
            if name not in told
        }
    return [_shape(part) for part in schema] if isinstance(schema, list) else schema


def _topic_violations(old: Document, new: Document) -> list[str]:
    found = []
    for name, channel in old["channels"].items():
        now = new["channels"].get(name)
        if now is None:
            found.append(f"asyncapi: topic {channel['address']} removed")
            continue
        policy, policy_now = (
            each["bindings"]["kafka"]["topicConfiguration"]["cleanup.policy"]
            for each in (channel, now)
        )
        if channel["address"] != now["address"]:
            found.append(f"asyncapi: topic {channel['address']} renamed to {now['address']}")
        if policy != policy_now:
            found.append(f"asyncapi: cleanup policy of {channel['address']} changed")
        found += [
            f"asyncapi: {message} no longer on {channel['address']}"
            for message in channel["messages"].keys() - now["messages"].keys()
        ]
    return found
