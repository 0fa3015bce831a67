"""The JSON schemas of the documents, made of their structs.

The one hard idea: a struct's docstring is its description, and the lines under `Attributes:` are
those of its properties; so what a caller reads is what the maintainer reads.
"""

import inspect
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

REFERENCE: Final = "#/components/schemas/{name}"

_ENTRY: Final = re.compile(r"^    ([a-z_, ]+): (.+)$")


class Schemas:
    """The schema of each form, and the components they refer to."""

    def __init__(self, forms: Sequence[Any]) -> None:
        schemas, components = msgspec.json.schema_components(forms, ref_template=REFERENCE)
        self._found = list(zip(forms, schemas, strict=True))
        self.components = {
            name: _with_descriptions(components[name]) for name in sorted(components)
        }

    def of(self, form: Any) -> dict[str, Any]:
        """The schema of a form that was given."""
        return next(schema for known, schema in self._found if known is form)


def _with_descriptions(schema: dict[str, Any]) -> dict[str, Any]:
    """A component whose docstring was taken apart."""
    text, attributes = split_docstring(schema.get("description", ""))
    found = {**schema, "description": text}
    properties = {name: dict(value) for name, value in schema.get("properties", {}).items()}
    for name, description in attributes:
        if name in properties:
            properties[name]["description"] = description
    if properties:
        found["properties"] = properties
    return found


def split_docstring(docstring: str) -> tuple[str, list[tuple[str, str]]]:
    """A docstring's text, and its attributes with what is said of each, named as in JSON."""
    text, _, rest = inspect.cleandoc(docstring).partition("Attributes:\n")
    attributes: list[tuple[str, str]] = []
    for line in rest.splitlines():
        entry = _ENTRY.match(line)
        if entry:
            attributes += [(_camel(name), entry[2]) for name in entry[1].split(", ")]
        elif attributes and line.strip():
            name, said = attributes[-1]
            attributes[-1] = (name, f"{said} {line.strip()}")
    return "\n\n".join(_paragraphs(text)), attributes


def _paragraphs(text: str) -> Iterable[str]:
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        yield " ".join(paragraph.split())


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)
