// `npm install`, then `node build.mjs`, which writes `bundle.wasm`. Other places can be named:
// `node build.mjs WIT OUTPUT`.

import { componentize } from "@bytecodealliance/componentize-js";
import { writeFile } from "node:fs/promises";

const [wit = "../../../crates/switchboard-wasm/wit", output = "bundle.wasm"] = process.argv.slice(2);

const { component } = await componentize({ sourcePath: "bundle.js", witPath: wit, worldName: "bundle" });
await writeFile(output, component);
