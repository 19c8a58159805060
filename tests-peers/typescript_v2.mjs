// A client on TypeScript's MCP SDK 2.x; called and answering as python_mcp1.py.
//
// The plan's mode is the SDK's own: `auto` asks `server/discover` first, `legacy` does not. This
// SDK has no WebSocket.
import { createRequire } from "node:module";

const peer = createRequire(`${process.env.SWITCHBOARD_PEERS}/node/`);
const { Client, SSEClientTransport, StreamableHTTPClientTransport } = peer(
  "@modelcontextprotocol/client",
);
const { StdioClientTransport } = peer("@modelcontextprotocol/client/stdio");

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
  const [url, key] = where;
  const Transport = { http: StreamableHTTPClientTransport, sse: SSEClientTransport }[kind];
  return new Transport(new URL(url), {
    requestInit: { headers: { Authorization: `Bearer ${key}` } },
  });
}

const client = new Client(
  { name: "typescript-v2", version: "1.0.0" },
  {
    capabilities: { elicitation: { form: {} }, sampling: {} },
    versionNegotiation: { mode: plan.mode },
  },
);
let seen;
client.setRequestHandler("elicitation/create", ({ params }) => {
  seen.elicited.push(params.message);
  return { action: "accept", content: { name: "Ada" } };
});
client.setRequestHandler("sampling/createMessage", ({ params }) => {
  seen.sampled.push(params.messages[0].content.text);
  const content = { type: "text", text: "a sampled answer" };
  return { role: "assistant", model: "a-model", content };
});

await client.connect(transport());
const { tools } = await client.listTools();
const calls = [];
for (const { tool, arguments: args } of plan.calls) {
  const call = { tool, progress: [], elicited: [], sampled: [] };
  seen = call;
  calls.push(call);
  const onprogress = ({ progress, total }) => call.progress.push([progress, total]);
  try {
    const options = { onprogress, timeout: patience };
    call.result = await client.callTool({ name: tool, arguments: args }, options);
  } catch (error) {
    call.error = { code: error.code, message: error.message };
  }
}
const protocol = client.getNegotiatedProtocolVersion();
const server = client.getServerVersion().name;
console.log(
  JSON.stringify({ transport: kind, protocol, server, tools: tools.map((tool) => tool.name), calls }),
);
await client.close();
