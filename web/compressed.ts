// Leaves each built file compressed beside it, at the highest level: the server has it ready in every encoding.

import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { extname, join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import type { Plugin } from "vite";

const KINDS = new Set([".js", ".css", ".html", ".svg", ".json"]);
/** Smaller files fit into one packet as they are. */
const SMALLEST_BYTES = 1024;
/** The highest level takes ten times as long for a twentieth less; only what every page loads is worth that. */
const LARGE_BYTES = 500_000;

export function compressed(): Plugin {
  let folder = "";
  return {
    name: "compressed",
    apply: "build",
    configResolved(config) {
      folder = config.build.outDir;
    },
    closeBundle() {
      for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
        const path = join(folder, name);
        if (!KINDS.has(extname(name)) || statSync(path).size < SMALLEST_BYTES) continue;
        const content = readFileSync(path);
        writeFileSync(`${path}.gz`, gzipSync(content, { level: constants.Z_BEST_COMPRESSION }));
        const quality = content.length < LARGE_BYTES ? constants.BROTLI_MAX_QUALITY : 6;
        const params = { [constants.BROTLI_PARAM_QUALITY]: quality };
        writeFileSync(`${path}.br`, brotliCompressSync(content, { params }));
      }
    },
  };
}
