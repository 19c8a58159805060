"""A server on Python's MCP SDK 1.x, at `/ws` on a port of its own choice, which it writes to standard error.

It is the SDK that has a WebSocket on this side and can ask back over it. The tools have the names of tools of
server-everything, so that one plan serves both.
"""

import asyncio
import socket
import sys

import uvicorn
from mcp.server.fastmcp import Context, FastMCP
from mcp.server.websocket import websocket_server
from mcp.types import SamplingMessage, TextContent
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

server = FastMCP("python-mcp1-ws")


@server.tool(name="trigger-long-running-operation")
async def long_running_operation(duration: float, steps: int, context: Context) -> str:
    for step in range(1, steps + 1):
        await asyncio.sleep(duration / steps)
        await context.report_progress(step, steps)
    return f"completed {steps} steps"


class Weather(BaseModel):
    temperature: float
    conditions: str
    humidity: float


@server.tool(name="get-structured-content")
async def structured_content(location: str) -> Weather:
    return Weather(temperature=33, conditions=f"Cloudy in {location}", humidity=82)


class Person(BaseModel):
    name: str


@server.tool(name="trigger-elicitation-request")
async def elicitation_request(context: Context) -> str:
    answer = await context.elicit("Please give your name", Person)
    return f"Name: {answer.data.name}"


@server.tool(name="trigger-sampling-request")
async def sampling_request(prompt: str, maxTokens: int, context: Context) -> str:  # noqa: N803
    content = TextContent(type="text", text=prompt)
    answer = await context.session.create_message(
        [SamplingMessage(role="user", content=content)], max_tokens=maxTokens
    )
    return f"{prompt}: {answer.content.text}"


async def connected(socket):
    inner = server._mcp_server
    async with websocket_server(socket.scope, socket.receive, socket.send) as streams:
        await inner.run(*streams, inner.create_initialization_options())


app = Starlette(routes=[WebSocketRoute("/ws", connected)])
listener = socket.create_server(("127.0.0.1", 0))
print(f"loopback port {listener.getsockname()[1]}", file=sys.stderr, flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])
