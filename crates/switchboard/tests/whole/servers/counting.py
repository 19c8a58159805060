"""An MCP server of 2025-06-18 that writes down what happens to it, one word a line, in COUNT_FILE.

`start PID`, `initialize` and `call` tell how often it was started, opened and called. The tool `slow` takes as
many seconds as it is told, or until there is a file; `read`, which says that it changes nothing, as many as `LAG`
says. Answers have `WHO` in them. `SLEEPER=1` leaves a process of its own behind it, as wrappers like npx do.
"""

import json
import os
import subprocess
import sys
import threading
import time

lock = threading.Lock()


def note(words):
    with open(os.environ["COUNT_FILE"], "a") as file:
        file.write(words + "\n")


def send(message):
    with lock:
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        sys.stdout.flush()


def call(request):
    note("call")
    arguments = request["params"].get("arguments", {})
    if request["params"]["name"] == "slow":
        note("slow begins")
        time.sleep(arguments.get("seconds", 0))
        while "until" in arguments and not os.path.exists(arguments["until"]):
            time.sleep(0.01)
    if request["params"]["name"] == "read":
        time.sleep(int(os.environ.get("LAG", "0")))
    who = os.environ.get("WHO")
    text = json.dumps({"pid": os.getpid(), "who": who, "arguments": arguments})
    send({"id": request["id"], "result": {"content": [{"type": "text", "text": text}]}})


def answer(request):
    method = request["method"]
    if method == "initialize":
        note("initialize")
        return {
            "protocolVersion": "2025-06-18",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "counting", "version": "1"},
        }
    if method == "tools/list":
        schema = {"type": "object"}
        tools = [{"name": name, "inputSchema": schema} for name in ("echo", "slow", "read")]
        tools[2]["annotations"] = {"readOnlyHint": True}
        return {"tools": tools}
    return None


def main():
    note(f"start {os.getpid()}")
    if os.environ.get("SLEEPER"):
        subprocess.Popen(["sleep", "1000"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message or "method" not in message:
            continue
        if message["method"] == "tools/call":
            threading.Thread(target=call, args=[message], daemon=True).start()
            continue
        result = answer(message)
        if result is None:
            send({"id": message["id"], "error": {"code": -32601, "message": "no such method"}})
        else:
            send({"id": message["id"], "result": result})


main()
