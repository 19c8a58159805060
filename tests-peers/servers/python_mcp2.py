"""A server on Python's MCP SDK 2.x: of 2026-07-28, and of the revisions before for whoever says `initialize`.

    python_mcp2.py stdio
    python_mcp2.py http|sse        on a port of its own choice, which it writes to standard error

The tools have the names of tools of server-everything, so that one plan serves both. They ask by resolvers, which the
SDK turns into `input_required` or into requests to the client, as the revision has it.
"""

import asyncio
import socket
import sys
from typing import Annotated

import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.resolve import Elicit, Resolve, Sample
from mcp.types import CreateMessageResult, SamplingMessage, TextContent
from pydantic import BaseModel

server = MCPServer("python-mcp2")


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


def ask_name() -> Elicit[Person]:
    return Elicit("Please give your name", Person)


@server.tool(name="trigger-elicitation-request")
async def elicitation_request(person: Annotated[Person, Resolve(ask_name)]) -> str:
    return f"Name: {person.name}"


def ask_model(prompt: str, maxTokens: int) -> Sample:  # noqa: N803 - arguments are found by their names
    content = TextContent(type="text", text=prompt)
    return Sample([SamplingMessage(role="user", content=content)], max_tokens=maxTokens)


@server.tool(name="trigger-sampling-request")
async def sampling_request(
    prompt: str,
    maxTokens: int,  # noqa: N803
    answer: Annotated[CreateMessageResult, Resolve(ask_model)],
) -> str:
    return f"{prompt}: {answer.content.text}"


def serve(app):
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"loopback port {listener.getsockname()[1]}", file=sys.stderr, flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


match sys.argv[1]:
    case "stdio":
        server.run("stdio")
    case "http":
        serve(server.streamable_http_app())
    case "sse":
        serve(server.sse_app())
