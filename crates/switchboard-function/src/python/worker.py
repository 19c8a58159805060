"""Runs the functions of one bundle, one call at a time.

Started by the daemon as `python3 -I worker.py`. What it is told comes as lines of JSON on the standard
input it was started with, and its answers go to the standard output: copies of both, out of reach of
`print` and `input`, which get the log and nothing.
"""

import base64
import importlib
import inspect
import json
import logging
import os
import resource
import sys
import traceback
import types


def keep_streams():
    """Moves the way to the daemon away from where everybody writes."""
    reader = os.fdopen(os.dup(0), "rb", buffering=1 << 16)
    writer = os.fdopen(os.dup(1), "wb", buffering=0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdin = open(0, "r", encoding="utf-8", closefd=False)
    sys.stdout = to_log(1)
    sys.stderr = to_log(2)
    return reader, writer


def to_log(number):
    return os.fdopen(number, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)


class Channel:
    """The way to the daemon."""

    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer

    def receive(self):
        line = self.reader.readline()
        return json.loads(line) if line else None

    def send(self, message):
        text = json.dumps(message, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        data = memoryview(text.encode("utf-8", "replace") + b"\n")
        while data:
            data = data[self.writer.write(data):]


class Failed(Exception):
    """A call that fails with a message of ours."""


class Progress:
    """Counts what a function reports that gives no number."""

    def __init__(self, channel):
        self.channel = channel
        self.count = 0

    def __call__(self, progress=None, total=None, message=None):
        self.count = self.count + 1 if progress is None else progress
        report = {"progress": self.count}
        if total is not None:
            report["total"] = total
        if message is not None:
            report["message"] = str(message)
        self.channel.send({"progress": report})

    def yielded(self, value):
        """A generator's value: a number, a pair of numbers, a text, or an object."""
        if isinstance(value, dict):
            known = {key: value.get(key) for key in ("progress", "total", "message")}
            self(**known)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            self(value)
        elif isinstance(value, (tuple, list)) and 1 <= len(value) <= 3:
            self(*value)
        else:
            self(message=value)


def run(result, progress):
    """The value of a function of whatever kind: plain, async, or a generator of either."""
    if inspect.isgenerator(result):
        while True:
            try:
                progress.yielded(next(result))
            except StopIteration as end:
                return end.value
    if inspect.isasyncgen(result):
        return run_async(last_of(result, progress))
    if inspect.isawaitable(result):
        return run_async(result)
    return result


async def last_of(generator, progress):
    """Async generators return nothing: the last value is the result, those before are progress."""
    last, begun = None, False
    async for value in generator:
        if begun:
            progress.yielded(last)
        last, begun = value, True
    return last


def run_async(awaitable):
    import asyncio

    async def wait():
        return await awaitable

    return asyncio.run(wait())


class Bundle:
    """The code of the bundle, and how its functions are called."""

    def __init__(self, setup, channel):
        self.channel = channel
        self.functions = setup["functions"]
        self.context = setup["context"]
        self.settings = setup["settings"]
        self.modules = {}
        self.broken = {}
        sys.path[:0] = setup["path"]
        self.progress = Progress(channel)
        self.offer_module()
        for name in sorted({function["module"] for function in self.functions}):
            self.load(name)

    def offer_module(self):
        """What a function may import as `switchboard`."""
        module = types.ModuleType("switchboard", "What a function of a bundle may ask for.")
        module.settings = self.settings
        module.logger = logging.getLogger("bundle")
        module.progress = lambda *args, **kwargs: self.progress(*args, **kwargs)
        module.endpoint_id = self.context["endpoint_id"]
        module.part_id = self.context["part_id"]
        sys.modules["switchboard"] = module

    def load(self, name):
        try:
            self.modules[name] = importlib.import_module(name)
        except BaseException as error:
            self.broken[name] = (describe(error), trace(error))

    def callable_of(self, function):
        name = function["module"]
        if name in self.broken:
            message, text = self.broken[name]
            failure = Failed(f"the module `{name}` cannot be imported: {message}")
            failure.trace = text
            raise failure
        owner = self.modules[name]
        if function["class"]:
            made_of = attribute(owner, function["class"], f"the module `{name}`")
            settings = {**function["settings"], **self.settings}
            owner = made_of(logging.getLogger("bundle"), **settings)
            if hasattr(owner, "endpoint_id") and hasattr(owner, "part_id"):
                owner.endpoint_id = self.context["endpoint_id"]
                owner.part_id = self.context["part_id"]
            return attribute(owner, function["function"], f"the class `{function['class']}`")
        return attribute(owner, function["function"], f"the module `{name}`")

    def problems(self):
        """What of the functions is not there."""
        problems = [
            f"the module `{name}` cannot be imported: {message}"
            for name, (message, _) in self.broken.items()
        ]
        for function in self.functions:
            owner = self.modules.get(function["module"])
            for name in filter(None, (function["class"], function["function"])):
                if owner is not None and not hasattr(owner, name):
                    problems.append(f"`{function['key']}` names `{name}`, which is not in `{owner.__name__}`")
                owner = getattr(owner, name, None)
        return problems

    def call(self, call):
        function = self.functions[call["function"]]
        self.progress = Progress(self.channel)
        target = self.callable_of(function)
        if "uri" in call:
            value = run(target(call["uri"], **call["variables"]), self.progress)
            return resource_result(value, call["uri"], function["mime_type"])
        if function["kind"] == "prompt":
            first = [function["key"]] if function["takes_name"] else []
            return prompt_result(run(target(*first, **call["arguments"]), self.progress))
        value = run(target(**call["arguments"]), self.progress)
        return tool_result(value, function)


def attribute(owner, name, where):
    try:
        return getattr(owner, name)
    except AttributeError:
        raise Failed(f"{where} has no `{name}`") from None


def tool_result(value, function):
    result = {"resultType": "complete"}
    returns = function["returns"]
    if returns == "auto" and isinstance(value, dict) and isinstance(value.get("content"), list):
        return {**result, **value}
    if returns == "auto" and is_blocks(value):
        return {**result, "content": value}
    if returns in ("image", "audio"):
        items = value if isinstance(value, list) else [value]
        return {**result, "content": [media(item, returns) for item in items]}
    if returns == "embedded_resource":
        return {**result, "content": [embedded(value, function)]}
    if returns == "resource_link":
        return {**result, "content": [link(value, function)]}
    if value is None:
        content = []
    elif isinstance(value, (bytes, bytearray)):
        raise Failed("it returned bytes, and does not say what they are: set `returns`")
    else:
        content = [{"type": "text", "text": text_of(value)}]
    result["content"] = content
    structured = function["has_output"] or (returns == "auto" and isinstance(value, dict))
    if structured and value is not None and not isinstance(value, str):
        result["structuredContent"] = plain(value)
    elif function["has_output"] and isinstance(value, str):
        result["structuredContent"] = structured_of(value)
    return result


def structured_of(text):
    try:
        return json.loads(text)
    except ValueError:
        raise Failed("it has an output schema and returned text that is no JSON") from None


def is_blocks(value):
    kinds = ("text", "image", "audio", "resource", "resource_link")
    is_block = lambda item: isinstance(item, dict) and item.get("type") in kinds
    return isinstance(value, list) and bool(value) and all(map(is_block, value))


def text_of(value):
    return value if isinstance(value, str) else json.dumps(plain(value), ensure_ascii=False)


def plain(value):
    """As JSON has it: dataclasses, models and the like as objects."""
    return json.loads(json.dumps(value, ensure_ascii=False, allow_nan=False, default=object_of))


def object_of(value):
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if hasattr(value, "__dataclass_fields__"):
        import dataclasses

        return dataclasses.asdict(value)
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return str(value)


def media(value, kind):
    usual = {"image": "image/png", "audio": "audio/wav"}[kind]
    if isinstance(value, dict) and "data" in value:
        data, mime = value["data"], value.get("mimeType") or value.get("mime_type") or usual
    else:
        data, mime = value, usual
    return {"type": kind, "data": base64_of(data), "mimeType": mime}


def base64_of(data):
    if isinstance(data, (bytes, bytearray, memoryview)):
        return base64.b64encode(bytes(data)).decode("ascii")
    if isinstance(data, str):
        try:
            base64.b64decode(data, validate=True)
        except ValueError:
            raise Failed("it returned text that is no base64") from None
        return data
    raise Failed(f"it returned {type(data).__name__} where bytes or base64 belong")


def embedded(value, function):
    if isinstance(value, dict) and value.get("type") == "resource":
        return value
    uri = f"function://{function['bundle']}/{function['key']}"
    if isinstance(value, dict) and ("text" in value or "blob" in value):
        contents = contents_of(value, value.get("uri") or uri, function["mime_type"])
    else:
        contents = contents_of(value, uri, function["mime_type"])
    return {"type": "resource", "resource": contents}


def link(value, function):
    if isinstance(value, str):
        value = {"uri": value}
    if not isinstance(value, dict) or "uri" not in value:
        raise Failed("it returned no address of a resource")
    return {"name": function["key"], **value, "type": "resource_link"}


def contents_of(value, uri, mime):
    if isinstance(value, dict) and ("text" in value or "blob" in value):
        contents = {"uri": uri, **value}
        if "blob" in contents:
            contents["blob"] = base64_of(contents["blob"])
        return contents
    if isinstance(value, (bytes, bytearray)):
        return {"uri": uri, "mimeType": mime or "application/octet-stream", "blob": base64_of(value)}
    usual = "text/plain" if isinstance(value, str) else "application/json"
    return {"uri": uri, "mimeType": mime or usual, "text": text_of(value)}


def resource_result(value, uri, mime):
    result = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
    if isinstance(value, dict) and isinstance(value.get("contents"), list):
        return {**result, **value}
    return {**result, "contents": [contents_of(value, uri, mime)]}


def prompt_result(value):
    result = {"resultType": "complete"}
    if isinstance(value, dict) and isinstance(value.get("messages"), list):
        return {**result, **value}
    messages = value if isinstance(value, list) else [value]
    return {**result, "messages": [message(item) for item in messages]}


def message(item):
    if isinstance(item, dict) and "role" in item and "content" in item:
        content = item["content"]
        content = {"type": "text", "text": content} if isinstance(content, str) else content
        return {**item, "content": content}
    return {"role": "user", "content": {"type": "text", "text": text_of(item)}}


def describe(error):
    """What a person is told: the message, and the kind where that says more."""
    if isinstance(error, Failed):
        return str(error)
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def trace(error):
    """Where it came from, without our own lines."""
    if hasattr(error, "trace"):
        return error.trace
    frames = traceback.TracebackException.from_exception(error)
    own = __file__
    frames.stack = traceback.StackSummary.from_list(
        [frame for frame in frames.stack if frame.filename != own]
    )
    return "".join(frames.format())


def memory():
    """The most that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def answer(bundle, call):
    try:
        return {"result": plain(bundle.call(call)), "memory": memory()}
    except BaseException as error:
        failed = {"message": describe(error), "traceback": trace(error)}
        return {"failed": failed, "memory": memory()}


def manifest(setup):
    """What a bundle of the older engine says of itself in its modules."""
    sys.path[:0] = setup["path"]
    for name in setup["manifest"]:
        found = getattr(importlib.import_module(name), "MCP_CONFIGURATION", None)
        if found is not None:
            return {"manifest": found}
    return {"manifest": None}


def main():
    channel = Channel(*keep_streams())
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(message)s", level=logging.INFO)
    setup = channel.receive()
    if setup is None:
        return
    if "manifest" in setup:
        try:
            channel.send(manifest(setup))
        except BaseException as error:
            channel.send({"failed": {"message": describe(error), "traceback": trace(error)}})
        return
    bundle = Bundle(setup, channel)
    channel.send({"ready": bundle.problems()})
    while True:
        call = channel.receive()
        if call is None:
            return
        reply = answer(bundle, call)
        try:
            channel.send(reply)
        except (ValueError, TypeError) as error:
            channel.send({"failed": {"message": describe(error), "traceback": None}})
        if sys.stdout.closed:
            sys.stdout = to_log(1)
        sys.stdout.flush()


main()
