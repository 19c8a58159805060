"""A client on Python's MCP SDK 1.x: connects, lists the tools, calls some, prints what it saw.

    python_mcp1.py PLAN http|sse|ws URL KEY
    python_mcp1.py PLAN stdio COMMAND [ARGUMENT]...

README.md has PLAN and the line of JSON that is printed; they are the same for every client here.

This SDK speaks the revisions with `initialize` only, so a plan for it names no mode. Its WebSocket client takes no
headers: there the key is in the query.
"""

import asyncio
import json
import sys
from datetime import timedelta

from mcp import ClientSession, McpError, StdioServerParameters, types
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamablehttp_client
from mcp.client.websocket import websocket_client

# Nothing that is called takes a second; what is never answered is one call that failed.
PATIENCE = timedelta(seconds=20)


def transport(kind, *where):
    if kind == "stdio":
        command, *arguments = where
        return stdio_client(StdioServerParameters(command=command, args=arguments))
    url, key = where
    if kind == "ws":
        return websocket_client(f"{url}?api_key={key}")
    connect = {"http": streamablehttp_client, "sse": sse_client}[kind]
    return connect(url, headers={"Authorization": f"Bearer {key}"})


class Seen:
    """What happened during the call that is under way."""

    def __init__(self, tool):
        self.call = {"tool": tool, "progress": [], "elicited": [], "sampled": []}

    async def progress(self, progress, total, _message):
        self.call["progress"].append([progress, total])

    async def elicit(self, _context, params):
        self.call["elicited"].append(params.message)
        return types.ElicitResult(action="accept", content={"name": "Ada"})

    async def sample(self, _context, params):
        self.call["sampled"].append(params.messages[0].content.text)
        content = types.TextContent(type="text", text="a sampled answer")
        return types.CreateMessageResult(role="assistant", model="a-model", content=content)


async def main(plan, *where):
    plan = json.loads(plan)
    seen = Seen(None)

    async def elicit(context, params):
        return await seen.elicit(context, params)

    async def sample(context, params):
        return await seen.sample(context, params)

    callbacks = {"elicitation_callback": elicit, "sampling_callback": sample}
    async with (
        transport(*where) as (read, write, *_),
        ClientSession(read, write, read_timeout_seconds=PATIENCE, **callbacks) as session,
    ):
        hello = await session.initialize()
        tools = await session.list_tools()
        calls = []
        for call in plan["calls"]:
            seen = Seen(call["tool"])
            calls.append(seen.call)
            try:
                result = await session.call_tool(call["tool"], call["arguments"], progress_callback=seen.progress)
                seen.call["result"] = result.model_dump(mode="json", by_alias=True, exclude_none=True)
            except McpError as error:
                seen.call["error"] = error.error.model_dump(mode="json", exclude_none=True)
    print(
        json.dumps(
            {
                "transport": where[0],
                "protocol": hello.protocolVersion,
                "server": hello.serverInfo.name,
                "tools": [tool.name for tool in tools.tools],
                "calls": calls,
            }
        )
    )


asyncio.run(main(*sys.argv[1:]))
