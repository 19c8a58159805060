"""A client on FastMCP 4.x, which is built on Python's MCP SDK 2.x; called and answering as python_mcp1.py.

The plan's mode is as for python_mcp2.py; over HTTP+SSE FastMCP takes `auto` for `legacy` by itself. It has no
WebSocket.
"""

import asyncio
import json
import sys

from fastmcp import Client
from fastmcp.client.transports import SSETransport, StdioTransport, StreamableHttpTransport
from mcp import MCPError

# In seconds. Nothing that is called takes one; what is never answered is one call that failed.
PATIENCE = 20


def transport(kind, *where):
    if kind == "stdio":
        command, *arguments = where
        return StdioTransport(command, arguments, keep_alive=False)
    url, key = where
    connect = {"http": StreamableHttpTransport, "sse": SSETransport}[kind]
    return connect(url, headers={"Authorization": f"Bearer {key}"})


class Seen:
    """What happened during the call that is under way."""

    def __init__(self, tool):
        self.call = {"tool": tool, "progress": [], "elicited": [], "sampled": []}

    async def progress(self, progress, total, _message):
        self.call["progress"].append([progress, total])

    def elicit(self, message):
        self.call["elicited"].append(message)
        return {"name": "Ada"}

    def sample(self, messages):
        self.call["sampled"].append(messages[0].content.text)
        return "a sampled answer"


async def main(plan, *where):
    plan = json.loads(plan)
    seen = Seen(None)

    async def elicit(message, _type, _params, _context):
        return seen.elicit(message)

    async def sample(messages, _params, _context):
        return seen.sample(messages)

    options = {"elicitation_handler": elicit, "sampling_handler": sample, "timeout": PATIENCE}
    async with Client(transport(*where), mode=plan["mode"], **options) as client:
        tools = await client.list_tools()
        calls = []
        for call in plan["calls"]:
            seen = Seen(call["tool"])
            calls.append(seen.call)
            try:
                result = await client.call_tool_mcp(call["tool"], call["arguments"], progress_handler=seen.progress)
                seen.call["result"] = result.model_dump(mode="json", by_alias=True, exclude_none=True)
            except MCPError as error:
                seen.call["error"] = error.error.model_dump(mode="json", by_alias=True, exclude_none=True)
        print(
            json.dumps(
                {
                    "transport": where[0],
                    "protocol": client.session.protocol_version,
                    "server": client.session.server_info.name,
                    "tools": [tool.name for tool in tools],
                    "calls": calls,
                }
            )
        )


asyncio.run(main(*sys.argv[1:]))
