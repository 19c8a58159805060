// Two things that the suite cannot be told; loaded into it with `node --import`.
//
// $MCP_WIRE: the revision to offer in `initialize`. The suite's SDK client offers the newest one
// with a handshake whatever `--spec-version` says, so that older ones are never agreed on. The text
// that is replaced is looked for: another SDK is an error, not a test of something else.
//
// $MCP_API_KEY: the daemon's key. It is in the address too, but some requests are made from the
// host and the path of that alone.

import http from 'node:http';
import { registerHooks } from 'node:module';

const { MCP_API_KEY: key, MCP_WIRE: wire } = process.env;

if (wire) {
  const constant = /(export const LATEST_PROTOCOL_VERSION = ')[^']+'/;
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      if (!url.endsWith('/sdk/dist/esm/types.js')) {
        return loaded;
      }
      const source = loaded.source.toString();
      if (!constant.test(source)) {
        throw new Error(`${url} has no LATEST_PROTOCOL_VERSION to replace`);
      }
      return { ...loaded, source: source.replace(constant, `$1${wire}'`) };
    },
  });
}

if (key) {
  const { request } = http;
  http.request = (options, ...rest) =>
    request({ ...options, headers: { ...options.headers, 'X-API-Key': key } }, ...rest);
}
