"""The description as one page to read: no script, nothing fetched from anywhere.

The one hard idea: the page is rendered here, once, from the very document that `/openapi.json`
serves, so it works in a cellar without internet and can be shown under the strictest of content
security policies.
"""

import json
import re
from collections.abc import Iterator
from html import escape
from importlib.resources import files
from typing import Any, Final

from api.problems.catalogue import CATALOGUE, ProblemType
from api.problems.fields import EXPLANATIONS

STYLE: Final = files("api.openapi").joinpath("page.css").read_text(encoding="utf-8")

POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""The content security policy of the pages."""


def render_page(document: dict[str, Any]) -> bytes:
    """The whole description."""
    info = document["info"]
    parts = [
        _navigation(document),
        "<main>",
        f"<h1>{escape(info['title'])} <small>{escape(info['version'])}</small></h1>",
        _prose(info["description"]),
        *_operations(document),
        "<h2 id='problems'>Problems</h2>",
        *(_problem(problem) for problem in CATALOGUE.values()),
        "<h2 id='fields'>What can be wrong with a field</h2>",
        _field_codes(),
        "</main>",
    ]
    return _html("Pointmaster API", "\n".join(parts))


def render_problem(problem: ProblemType) -> bytes:
    """The page of one problem."""
    return _html(problem.title, f"<main class='narrow'>{_problem(problem)}</main>")


def _html(title: str, body: str) -> bytes:
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>{body}</body></html>\n"
    ).encode()


def _navigation(document: dict[str, Any]) -> str:
    entries: dict[str, list[str]] = {}
    for method, path, operation in _each(document):
        entries.setdefault(operation["tags"][0], []).append(
            f"<li><a href='#{operation['operationId']}'><b class='{method}'>{method}</b> "
            f"{escape(path)}</a></li>"
        )
    groups = "".join(
        f"<h3>{escape(tag)}</h3><ul>{''.join(entries.get(tag, []))}</ul>"
        for tag in (tag["name"] for tag in document["tags"])
    )
    return (
        f"<nav>{groups}<h3>Also</h3><ul><li><a href='#problems'>Problems</a></li>"
        "<li><a href='#fields'>Fields</a></li>"
        "<li><a href='/openapi.json'>openapi.json</a></li></ul></nav>"
    )


def _each(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def _operations(document: dict[str, Any]) -> Iterator[str]:
    for tag in (tag["name"] for tag in document["tags"]):
        yield f"<h2>{escape(tag)}</h2>"
        for method, path, operation in _each(document):
            if operation["tags"][0] == tag:
                yield _operation(document, method, path, operation)


def _operation(document: dict[str, Any], method: str, path: str, operation: dict[str, Any]) -> str:
    parts = [
        f"<section id='{operation['operationId']}'><h3>{escape(operation['summary'])}</h3>",
        f"<p class='line'><b class='{method}'>{method}</b> <code>{escape(path)}</code></p>",
        _prose(operation["description"]),
    ]
    if operation["parameters"]:
        rows = [
            (one["name"], one["in"], one["required"], one["description"], one["schema"])
            for one in operation["parameters"]
        ]
        parts.append(_parameters(rows))
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body:
        parts.append(_body(document, body))
    parts.append(_curl(method, path, operation, body))
    parts.append("<h4>Answers</h4><dl class='answers'>")
    parts += [_answer(document, *item) for item in operation["responses"].items()]
    parts.append("</dl></section>")
    return "\n".join(parts)


def _parameters(rows: list[tuple[str, str, bool, str, dict[str, Any]]]) -> str:
    cells = "".join(
        f"<tr><td><code>{escape(name)}</code>{'' if required else ' <i>optional</i>'}</td>"
        f"<td>{where}</td><td>{_type(schema)}</td><td>{_inline(description)}</td></tr>"
        for name, where, required, description, schema in rows
    )
    return f"<h4>Parameters</h4><table>{cells}</table>"


def _body(document: dict[str, Any], body: dict[str, Any]) -> str:
    parts = ["<h4>Body</h4>"]
    parts += [_fields(document, name) for name in _references(body["schema"])]
    for name, example in body.get("examples", {}).items():
        summary = f"<summary>Example: {escape(name)}</summary>"
        parts.append(f"<details>{summary}{_code(example['value'])}</details>")
    return "\n".join(parts)


def _fields(document: dict[str, Any], name: str) -> str:
    """A struct's fields, opened by a click."""
    component = document["components"]["schemas"][name]
    required = set(component.get("required", ()))
    rows = "".join(
        f"<tr><td><code>{escape(field)}</code>{'' if field in required else ' <i>optional</i>'}"
        f"</td><td>{_type(schema)}</td><td>{_inline(schema.get('description', ''))}</td></tr>"
        for field, schema in component.get("properties", {}).items()
    )
    inner = "".join(
        _fields(document, other)
        for schema in component.get("properties", {}).values()
        for other in _references(schema)
        if other != name
    )
    return (
        f"<details><summary><code>{escape(name)}</code></summary>"
        f"{_prose(component.get('description', ''))}<table>{rows}</table>{inner}</details>"
    )


def _references(schema: dict[str, Any]) -> list[str]:
    """The components that a schema names, at any depth of it."""
    found = re.findall(r'"#/components/schemas/([A-Za-z]+)"', json.dumps(schema))
    return list(dict.fromkeys(found))


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return f"<code>{schema['$ref'].rpartition('/')[2]}</code>"
    for combined in ("anyOf", "oneOf"):
        if combined in schema:
            return " or ".join(_type(one) for one in schema[combined])
    if "enum" in schema:
        return " or ".join(f"<code>{escape(json.dumps(one))}</code>" for one in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return escape(str(schema.get("format") or schema.get("type") or "anything"))


def _curl(method: str, path: str, operation: dict[str, Any], body: dict[str, Any] | None) -> str:
    query = "&".join(
        f"{one['name']}={one.get('example', '…')}"
        for one in operation["parameters"]
        if one["in"] == "query" and one["required"]
    )
    address = f"http://127.0.0.1:8080{path}{'?' if query else ''}{query}"
    lines = [f"curl {'' if method == 'get' else '-X POST '}'{address}'"]
    if operation["security"] == [{"key": []}]:
        lines.append("  -H 'Authorization: Bearer pm_…'")
    if body and body.get("examples"):
        example = next(iter(body["examples"].values()))["value"]
        lines += [
            "  -H 'Content-Type: application/json'",
            f"  -d '{json.dumps(example, indent=2)}'",
        ]
    command = " \\\n".join(lines)
    return f"<pre>{escape(command)}</pre>"


def _answer(document: dict[str, Any], status: str, answer: dict[str, Any]) -> str:
    parts = [f"<dt class='s{status[0]}'>{status}</dt><dd>{_inline(answer['description'])}"]
    for name, header in answer.get("headers", {}).items():
        parts.append(f"<br><code>{escape(name)}</code>: {_inline(header['description'])}")
    if status.startswith("2"):
        for content in answer.get("content", {}).values():
            parts += [_fields(document, name) for name in _references(content["schema"])]
            if "example" in content:
                parts.append(
                    f"<details><summary>Example</summary>{_code(content['example'])}</details>"
                )
    return f"{''.join(parts)}</dd>"


def _problem(problem: ProblemType) -> str:
    return (
        f"<section id='{problem.code}'><h3>{escape(problem.title)}</h3>"
        f"<p class='line'><b class='s{str(problem.status)[0]}'>{problem.status}</b> "
        f"<code>{problem.code}</code></p>{_prose(problem.explanation)}</section>"
    )


def _field_codes() -> str:
    rows = "".join(
        f"<tr><td><code>{code}</code></td><td>{_inline(explanation)}</td></tr>"
        for code, explanation in EXPLANATIONS.items()
    )
    return f"<table>{rows}</table>"


def _prose(text: str) -> str:
    return "".join(f"<p>{_inline(' '.join(one.split()))}</p>" for one in text.split("\n\n") if one)


def _inline(text: str) -> str:
    """Text with its `code` marked, and names of problems leading to their explanation."""

    def marked(found: re.Match[str]) -> str:
        code = f"<code>{found[1]}</code>"
        return f"<a href='#{found[1]}'>{code}</a>" if found[1] in CATALOGUE else code

    return re.sub(r"`([^`]+)`", marked, escape(text))


def _code(value: object) -> str:
    return f"<pre>{escape(json.dumps(value, indent=2, ensure_ascii=False))}</pre>"
