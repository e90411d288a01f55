"""Arguments of a tool from K=V texts: the tool's schema decides their types."""
import json
import re

from mcpcan.errors import usage


def read(texts, schema):
    schema = schema or {}
    properties = schema.get("properties") or {}
    out = {}
    for text in texts or []:
        name, sign, value = text.partition("=")
        if not name or not sign:
            raise usage(f"--arg takes NAME=VALUE, not '{text}'.")
        if name not in properties and schema.get("additionalProperties") is False:
            raise usage(f"The tool has no argument '{name}'. It has: {', '.join(properties) or 'none'}.")
        own = properties.get(name)
        kinds = types(own)
        if "array" in kinds and not value.strip().startswith("["):
            out.setdefault(name, []).append(typed(name, value, types(own.get("items"))))
        else:
            out[name] = typed(name, value, kinds)
    return out


NAMES = {type(None): "null", bool: "boolean", int: "number", float: "number", str: "string"}


def types(schema):
    """The types that a schema allows; none when it does not say."""
    if not isinstance(schema, dict):
        return []
    own = schema.get("type") or []
    values = [*(schema.get("enum") or []), *([schema["const"]] if "const" in schema else [])]
    return [*(own if isinstance(own, list) else [own]), *(NAMES.get(type(v), "object") for v in values), *(t for s in [*(schema.get("anyOf") or []), *(schema.get("oneOf") or [])] for t in types(s))]


WORDS = {"number": "a number", "integer": "a whole number", "boolean": "true or false", "null": "null"}


def typed(name, text, kinds):
    def may(*wanted):
        return not kinds or any(k in kinds for k in wanted)

    def wrong(what):
        return usage(f"The argument '{name}' must be {what}, not '{text}'.")

    if may("number", "integer") and re.fullmatch(r"-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text):
        is_whole = re.fullmatch(r"-?[0-9]+", text)
        if is_whole:
            return int(text)
        if not ("integer" in kinds and "number" not in kinds):
            return float(text)
    if may("boolean") and text in ("true", "false"):
        return text == "true"
    if may("null") and text == "null":
        return None
    if may("object", "array") and re.match(r"\s*[\[{]", text):
        try:
            return json.loads(text)
        except ValueError:
            if "string" not in kinds and kinds:
                raise wrong("valid JSON") from None
    if may("string"):
        return text
    raise wrong(WORDS.get(kinds[0], f"JSON of type {kinds[0]}"))
