"""A bundle of functions in Python: two tools, a resource and a prompt.

Build it, with componentize-py 0.25.1:

    componentize-py -d ../../../crates/switchboard-wasm/wit -w bundle componentize bundle -o bundle.wasm

What is imported here at the top is imported when the bundle is built, not at each call.
"""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import key_value, log, progress, settings
from wit_world.imports.key_value import Error_NotGranted
from wit_world.imports.outcome import Failure_InvalidArguments, Failure_NotFound


class Handler(exports.Handler):
    def call_tool(self, name: str, arguments: str) -> str:
        tool = TOOLS.get(name)
        if tool is None:
            raise Err(Failure_NotFound(name))
        return json.dumps(tool(json.loads(arguments)))

    def read_resource(self, uri: str) -> str:
        if uri != "settings://all":
            raise Err(Failure_NotFound(uri))
        content = {"uri": uri, "mimeType": "application/json", "text": settings.get()}
        return json.dumps({"contents": [content]})

    def get_prompt(self, name: str, arguments: str) -> str:
        if name != "greet":
            raise Err(Failure_NotFound(name))
        text = f"Greet {json.loads(arguments).get('who', 'everybody')}."
        message = {"role": "user", "content": {"type": "text", "text": text}}
        return json.dumps({"messages": [message]})


def add(arguments: dict) -> dict:
    try:
        total = arguments["a"] + arguments["b"]
    except (KeyError, TypeError) as error:
        raise Err(Failure_InvalidArguments(f"`a` and `b` must be numbers: {error!r}"))
    print(f"added {arguments['a']} and {arguments['b']}")
    return {
        "content": [{"type": "text", "text": str(total)}],
        "structuredContent": {"sum": total},
    }


def count(arguments: dict) -> dict:
    """Counts its calls, if it is granted something to count with."""
    try:
        before = int(key_value.get("count") or b"0")
        progress.report(1, 2, "read")
        key_value.set("count", str(before + 1).encode())
    except Err as error:
        if isinstance(error.value, Error_NotGranted):
            log.write(log.Level.WARN, "key-value is not granted")
            text = "I may not keep anything, so I cannot count."
            return {"content": [{"type": "text", "text": text}], "isError": True}
        raise
    return {
        "content": [{"type": "text", "text": f"call {before + 1}"}],
        "structuredContent": {"count": before + 1},
    }


TOOLS = {"add": add, "count": count}
