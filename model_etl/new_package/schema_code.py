"""Python code of a drafted schema: a pydantic class that a person goes on editing."""

from __future__ import annotations

import json
import keyword
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from model_etl.errors import printable
from model_etl.schema.draft import SAMPLE, ZONED

_LINE_CHARS = 120
_SCALARS = {"integer": "int", "number": "float", "boolean": "bool", "string": "str", "object": "dict[str, Any]"}
_MODULES = {"datetime.": "import datetime", "Any]": "from typing import Any", "Literal[": "from typing import Literal"}
_MOST_SHOWN = 6


@dataclass(frozen=True)
class FieldCode:
    """A field of the class.

    Attributes:
        name: its name in records.
        attribute: its name in Python.
        annotation: its type in Python.
        optional: whether it may be missing.
        seen: what was seen in the sample, for a comment.
    """

    name: str
    attribute: str
    annotation: str
    optional: bool = False
    seen: str = ""

    def lines(self) -> list[str]:
        """Return the code of the field."""
        annotation = f"{self.annotation} | None" if self.optional else self.annotation
        values = (["default=None"] if self.optional else []) + ([f"alias={quoted(self.name)}"] if self.renamed else [])
        value = f" = Field({', '.join(values)})" if self.renamed else " = None" if self.optional else ""
        line = f"    {self.attribute}: {annotation}{value}"
        if len(line) > _LINE_CHARS:
            return [f"    {self.attribute}: {annotation} = Field(", f"        {', '.join(values)}", "    )"]
        comment = f"  # {self.seen}" if self.seen else ""
        return [line + comment if len(line + comment) <= _LINE_CHARS else line]

    @property
    def renamed(self) -> bool:
        """Whether records have it by another name."""
        return self.name != self.attribute


def field_codes(schema: Mapping[str, Any]) -> list[FieldCode]:
    """Return the fields of a drafted schema."""
    attributes = attribute_names(schema["properties"])
    return [
        FieldCode(
            name, attributes[name], _annotation(declared), _is_optional(declared), _seen(declared.get(SAMPLE, {}))
        )
        for name, declared in schema["properties"].items()
    ]


def attribute_names(names: Iterable[str]) -> dict[str, str]:
    """Return a name in Python for each name in records: the same one, if that is possible."""
    names = dict.fromkeys(names)
    attributes: dict[str, str] = {}
    taken: set[str] = set()
    numbers: Counter[str] = Counter()
    for name in names:
        attribute = name
        if not _is_usable(name):
            ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
            attribute = re.sub(r"\W+", "_", ascii_name).strip("_").lower() or "field"
            attribute = f"field_{attribute}" if attribute[0].isdigit() else attribute
            attribute += "" if _is_usable(attribute) else "_"
        unique = attribute
        while unique in taken or (unique != name and unique in names):
            numbers[attribute] += 1
            unique = f"{attribute}_{numbers[attribute] + 1}"
        attributes[name] = unique
        taken.add(unique)
    return attributes


def _is_usable(name: str) -> bool:
    taken = hasattr(BaseModel, name) or name in _BUILT_IN or name.startswith(("_", "model_"))
    return name.isascii() and name.isidentifier() and not keyword.iskeyword(name) and not taken


_BUILT_IN = frozenset({"int", "float", "str", "bool", "dict", "list", "datetime", "Any", "Literal", "Field"})
"""Names that the code of the class uses: a field of this name would take their place in it."""


def class_code(name: str, docstring: str, fields: Sequence[FieldCode]) -> str:
    """Return the code of a pydantic class."""
    lines = [f"class {name}(BaseModel):", f'    """{docstring}"""', ""]
    return "\n".join([*lines, *(line for field in fields for line in field.lines())])


def imports_of(code: str) -> str:
    """Return the imports that the code of classes needs, in the order that linters want."""
    standard = [line for sign, line in _MODULES.items() if sign in code]
    typing = [line.rpartition(" ")[2] for line in standard if line.startswith("from typing")]
    lines = [line for line in standard if not line.startswith("from typing")]
    lines += [f"from typing import {', '.join(sorted(typing))}"] if typing else []
    used = [word for word in ("AwareDatetime", "BaseModel", "Field") if re.search(rf"\b{word}\b", code)]
    return "\n".join([*lines, *([""] if lines else []), f"from pydantic import {', '.join(used)}"])


def quoted(text: str) -> str:
    """Return a text as a literal of Python, in ASCII and with the quotes that formatters want."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    if text.isprintable() and '"' in text and "'" not in text:
        return repr(text)
    # json.dumps leaves DEL as it is, and has two escapes for a character that neither Python nor TOML reads as one.
    return "".join(_escape(character) for character in json.dumps(text, ensure_ascii=False))


def _escape(character: str) -> str:
    if character.isascii() and character.isprintable():
        return character
    return f"\\u{ord(character):04x}" if character <= "\uffff" else f"\\U{ord(character):08x}"


def literal_of(values: Sequence[Any]) -> str:
    """Return the type of a value that is one of several texts."""
    line = f"Literal[{', '.join(map(quoted, values))}]"
    if len(line) < _LINE_CHARS - 20:
        return line
    return "Literal[\n" + "".join(f"        {quoted(value)},\n" for value in values) + "    ]"


def _annotation(declared: Mapping[str, Any]) -> str:
    types = declared.get("type", [])
    names = [types] if isinstance(types, str) else [name for name in types if name != "null"]
    if declared.get("format") == "date":
        return "datetime.date"
    if declared.get("format") == "date-time":
        return "AwareDatetime" if declared.get(ZONED) else "datetime.datetime"
    if names == ["array"]:
        item = declared.get("items", {})
        inner = _annotation(item) if item else "Any"
        return f"list[{inner}{' | None' if _is_optional(item) else ''}]"
    return " | ".join("list[Any]" if name == "array" else _SCALARS[name] for name in names) or "Any"


def _is_optional(declared: Mapping[str, Any]) -> bool:
    return "null" in declared.get("type", ()) and not isinstance(declared.get("type"), str)


def _seen(facts: Mapping[str, Any]) -> str:
    """Return what was seen of a field in the sample, on one line."""
    parts = []
    if "missing" in facts:
        missing = facts["missing"]
        parts.append(f"{100 * missing:.3g} % missing" if missing < 1 else "all missing: check the type")
    if "minimum" in facts and "maximum" in facts:
        least, largest = _shown(facts["minimum"]), _shown(facts["maximum"])
        parts.append((f"{least} to {largest}" if least != largest else f"always {least}").replace('"', ""))
    if categories := facts.get("categories"):
        more = f" and {len(categories) - _MOST_SHOWN} more" if len(categories) > _MOST_SHOWN else ""
        parts.append(f"{', '.join(map(_shown, categories[:_MOST_SHOWN]))}{more}")
    if others := facts.get("not_numbers"):
        parts.append(f"numbers but for {', '.join(map(_shown, others))}")
    return "; ".join(parts)


def _shown(value: Any) -> str:
    return printable(json.dumps(value, ensure_ascii=False)) if not isinstance(value, float) else f"{value:g}"


def camel_case(name: str) -> str:
    """Return the name of a class for the name of a package."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def used_names(fields: Collection[FieldCode]) -> dict[str, str]:
    """Return the names in records by those in Python, of the fields that have two names."""
    return {field.attribute: field.name for field in fields if field.renamed}
