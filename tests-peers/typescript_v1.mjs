// A client on TypeScript's MCP SDK 1.x; called and answering as python_mcp1.py.
//
// It speaks the revisions with `initialize` only, so a plan for it names no mode. Its WebSocket
// client takes no headers: there the key is in the query.
import { createRequire } from "node:module";

const peer = createRequire(`${process.env.SWITCHBOARD_PEERS}/node/`);
const sdk = (path) => peer(`@modelcontextprotocol/sdk/${path}.js`);
const { Client } = sdk("client/index");
const { SSEClientTransport } = sdk("client/sse");
const { StdioClientTransport } = sdk("client/stdio");
const { StreamableHTTPClientTransport } = sdk("client/streamableHttp");
const { WebSocketClientTransport } = sdk("client/websocket");
const { CreateMessageRequestSchema, ElicitRequestSchema } = sdk("types");

const [planJson, kind, ...where] = process.argv.slice(2);
const plan = JSON.parse(planJson);
// In milliseconds. Nothing that is called takes a second; what is never answered is one call that
// failed.
const patience = 20_000;

function transport() {
  if (kind === "stdio") {
    const [command, ...args] = where;
    return new StdioClientTransport({ command, args });
  }
  const url = new URL(where[0]);
  const key = where[1];
  if (kind === "ws") {
    url.searchParams.set("api_key", key);
    return new WebSocketClientTransport(url);
  }
  const Transport = { http: StreamableHTTPClientTransport, sse: SSEClientTransport }[kind];
  return new Transport(url, { requestInit: { headers: { Authorization: `Bearer ${key}` } } });
}

const connection = transport();
// The client tells the version to its transport and to nobody else.
let protocol;
const tell = connection.setProtocolVersion?.bind(connection);
connection.setProtocolVersion = (version) => {
  protocol = version;
  tell?.(version);
};

const client = new Client(
  { name: "typescript-v1", version: "1.0.0" },
  { capabilities: { elicitation: {}, sampling: {} } },
);
let seen;
client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
  seen.elicited.push(params.message);
  return { action: "accept", content: { name: "Ada" } };
});
client.setRequestHandler(CreateMessageRequestSchema, ({ params }) => {
  seen.sampled.push(params.messages[0].content.text);
  const content = { type: "text", text: "a sampled answer" };
  return { role: "assistant", model: "a-model", content };
});

await client.connect(connection);
const { tools } = await client.listTools();
const calls = [];
for (const { tool, arguments: args } of plan.calls) {
  const call = { tool, progress: [], elicited: [], sampled: [] };
  seen = call;
  calls.push(call);
  const onprogress = ({ progress, total }) => call.progress.push([progress, total]);
  try {
    const options = { onprogress, timeout: patience };
    call.result = await client.callTool({ name: tool, arguments: args }, undefined, options);
  } catch (error) {
    call.error = { code: error.code, message: error.message };
  }
}
const server = client.getServerVersion().name;
console.log(
  JSON.stringify({ transport: kind, protocol, server, tools: tools.map((tool) => tool.name), calls }),
);
await client.close();
