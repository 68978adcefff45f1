// Images that a package's styles hold as data: URLs become files: the content security policy refuses data: URLs.

import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "vite";

const INLINE = /url\(("?)data:image\/([a-z]+)(?:\+xml)?(?:;charset=utf-8)?(;base64)?,(.*?)\1\)(?=[;}\s,])/g;
const FOLDER = join(import.meta.dirname, "node_modules", ".images");

export function imagesInStyles(): Plugin {
  return {
    name: "images-in-styles",
    enforce: "pre",
    transform(code, id) {
      if (!id.endsWith(".css") || !code.includes("data:image/")) return null;
      mkdirSync(FOLDER, { recursive: true });
      return code.replace(INLINE, (_, _quote: string, kind: string, base64: string | undefined, data: string) => {
        const content = base64 ? Buffer.from(data, "base64") : Buffer.from(decoded(data));
        const path = join(FOLDER, `${createHash("sha256").update(content).digest("hex").slice(0, 12)}.${kind}`);
        writeFileSync(path, content);
        return `url("${path}")`;
      });
    },
  };
}

function decoded(data: string): string {
  return decodeURIComponent(data.replaceAll('\\"', '"').replace(/%(?![0-9a-f]{2})/gi, "%25"));
}
