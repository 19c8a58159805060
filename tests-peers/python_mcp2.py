"""A client on Python's MCP SDK 2.x; called and answering as python_mcp1.py.

The plan's mode is the SDK's own: `auto` asks `server/discover` first, `legacy` does not. This SDK has no WebSocket.
"""

import asyncio
import json
import sys

import httpx2
from mcp import Client, MCPError, StdioServerParameters, types
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

# In seconds. Nothing that is called takes one; what is never answered is one call that failed.
PATIENCE = 20


def server(kind, *where):
    if kind == "stdio":
        command, *arguments = where
        return StdioServerParameters(command=command, args=arguments)
    url, key = where
    headers = {"Authorization": f"Bearer {key}"}
    if kind == "sse":
        return sse_client(url, headers=headers)
    return streamable_http_client(url, http_client=httpx2.AsyncClient(headers=headers, timeout=60))


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

    options = {"elicitation_callback": elicit, "sampling_callback": sample, "read_timeout_seconds": PATIENCE}
    async with Client(server(*where), mode=plan["mode"], **options) as client:
        tools = await client.list_tools()
        calls = []
        for call in plan["calls"]:
            seen = Seen(call["tool"])
            calls.append(seen.call)
            try:
                result = await client.call_tool(call["tool"], call["arguments"], progress_callback=seen.progress)
                seen.call["result"] = result.model_dump(mode="json", by_alias=True, exclude_none=True)
            except MCPError as error:
                seen.call["error"] = error.error.model_dump(mode="json", by_alias=True, exclude_none=True)
        print(
            json.dumps(
                {
                    "transport": where[0],
                    "protocol": client.protocol_version,
                    "server": client.server_info.name,
                    "tools": [tool.name for tool in tools.tools],
                    "calls": calls,
                }
            )
        )


asyncio.run(main(*sys.argv[1:]))
