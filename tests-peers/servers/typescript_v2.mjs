// A server on TypeScript's MCP SDK 2.x over standard streams: of 2026-07-28, and of the revisions
// before for whoever says `initialize`.
//
// The tools have the names of tools of server-everything, so that one plan serves both. They ask by
// `inputRequired`, which the SDK turns into requests to the client where the revision has these.
import { createRequire } from "node:module";
import { setTimeout } from "node:timers/promises";

const peer = createRequire(`${process.env.SWITCHBOARD_PEERS}/node/`);
const { McpServer, acceptedContent, fromJsonSchema, inputRequired } = peer(
  "@modelcontextprotocol/server",
);
const { serveStdio } = peer("@modelcontextprotocol/server/stdio");

const object = (properties) =>
  fromJsonSchema({ type: "object", properties, required: Object.keys(properties) });
const answer = (text) => ({ content: [{ type: "text", text }] });

function longRunningOperation(server) {
  const inputSchema = object({ duration: { type: "number" }, steps: { type: "integer" } });
  const name = "trigger-long-running-operation";
  server.registerTool(name, { inputSchema }, async ({ duration, steps }, { mcpReq }) => {
    const progressToken = mcpReq._meta?.progressToken;
    for (let progress = 1; progress <= steps; progress += 1) {
      await setTimeout((duration / steps) * 1000);
      if (progressToken !== undefined) {
        const params = { progressToken, progress, total: steps };
        await mcpReq.notify({ method: "notifications/progress", params });
      }
    }
    return answer(`completed ${steps} steps`);
  });
}

function structuredContent(server) {
  const inputSchema = object({ location: { type: "string" } });
  const number = { type: "number" };
  const outputSchema = object({
    temperature: number,
    conditions: { type: "string" },
    humidity: number,
  });
  const name = "get-structured-content";
  server.registerTool(name, { inputSchema, outputSchema }, ({ location }) => {
    const weather = { temperature: 33, conditions: `Cloudy in ${location}`, humidity: 82 };
    return { ...answer(JSON.stringify(weather)), structuredContent: weather };
  });
}

function elicitationRequest(server) {
  server.registerTool("trigger-elicitation-request", { inputSchema: object({}) }, (_, { mcpReq }) => {
    const person = acceptedContent(mcpReq.inputResponses, "person");
    if (person) {
      return answer(`Name: ${person.name}`);
    }
    const ask = inputRequired.elicit({
      message: "Please give your name",
      requestedSchema: {
        type: "object",
        properties: { name: { type: "string" } },
        required: ["name"],
      },
    });
    return inputRequired({ inputRequests: { person: ask } });
  });
}

function samplingRequest(server) {
  const inputSchema = object({ prompt: { type: "string" }, maxTokens: { type: "integer" } });
  const name = "trigger-sampling-request";
  server.registerTool(name, { inputSchema }, ({ prompt, maxTokens }, { mcpReq }) => {
    const sampled = mcpReq.inputResponses?.sampled;
    if (sampled) {
      return answer(`${prompt}: ${sampled.content.text}`);
    }
    const content = { type: "text", text: prompt };
    const ask = inputRequired.createMessage({ messages: [{ role: "user", content }], maxTokens });
    return inputRequired({ inputRequests: { sampled: ask } });
  });
}

serveStdio(() => {
  const server = new McpServer({ name: "typescript-v2", version: "1.0.0" });
  structuredContent(server);
  longRunningOperation(server);
  elicitationRequest(server);
  samplingRequest(server);
  return server;
});
