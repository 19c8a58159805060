// A bundle of functions in JavaScript: three tools, a resource and a prompt. `build.mjs` makes it.

import * as keyValue from "switchboard:bundle/key-value@1.0.0";
import { write } from "switchboard:bundle/log@1.0.0";
import { report } from "switchboard:bundle/progress@1.0.0";
import { get as settings } from "switchboard:bundle/settings@1.0.0";

const tools = { add, count, fetch: fetched };

export const handler = {
  async callTool(name, text) {
    const tool = tools[name];
    if (tool === undefined) {
      throw { tag: "not-found", val: name };
    }
    return JSON.stringify(await tool(JSON.parse(text)));
  },

  readResource(uri) {
    if (uri !== "settings://all") {
      throw { tag: "not-found", val: uri };
    }
    return JSON.stringify({ contents: [{ uri, mimeType: "application/json", text: settings() }] });
  },

  getPrompt(name, text) {
    if (name !== "greet") {
      throw { tag: "not-found", val: name };
    }
    const { who = "everybody" } = JSON.parse(text);
    const content = { type: "text", text: `Greet ${who}.` };
    return JSON.stringify({ messages: [{ role: "user", content }] });
  },
};

function add({ a, b }) {
  if (typeof a !== "number" || typeof b !== "number") {
    throw { tag: "invalid-arguments", val: "`a` and `b` must be numbers" };
  }
  console.log(`added ${a} and ${b}`);
  return { content: [{ type: "text", text: String(a + b) }], structuredContent: { sum: a + b } };
}

/** Counts its calls, if it is granted something to count with. */
function count() {
  try {
    const before = Number(new TextDecoder().decode(keyValue.get("count") ?? new Uint8Array()));
    report(1, 2, "read");
    keyValue.set("count", new TextEncoder().encode(String(before + 1)));
    const text = `call ${before + 1}`;
    return { content: [{ type: "text", text }], structuredContent: { count: before + 1 } };
  } catch (error) {
    if (error.payload?.tag !== "not-granted") {
      throw error;
    }
    write("warn", "key-value is not granted");
    const text = "I may not keep anything, so I cannot count.";
    return { content: [{ type: "text", text }], isError: true };
  }
}

/** Reads a page of a host that is granted. */
async function fetched({ url }) {
  try {
    const response = await fetch(url);
    const text = await response.text();
    return { content: [{ type: "text", text }], structuredContent: { status: response.status } };
  } catch (error) {
    return { content: [{ type: "text", text: `not read: ${error.message}` }], isError: true };
  }
}
