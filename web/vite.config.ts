import { readFileSync } from "node:fs";
import { defineConfig, type Plugin } from "vite";
import { compressed } from "./compressed";
import { imagesInStyles } from "./images_in_styles";

const MOST_COUNTED = 9;

/** Favicons with a count or a mark in the corner, one file each: the content security policy refuses data: URLs. */
function favicons(): Plugin {
  const plain = readFileSync(new URL("./public/favicon.svg", import.meta.url), "utf8");
  const corner = (mark: string) => plain.replace("</svg>", `${mark}</svg>`);
  const counted = (text: string) =>
    corner(
      `<circle cx="23" cy="9" r="9" fill="#b3261e"/><text x="23" y="14" fill="#fff" font-family="sans-serif" ` +
        `font-size="14" font-weight="700" text-anchor="middle">${text}</text>`,
    );
  const icons: [string, string][] = [["running", corner('<circle cx="25" cy="25" r="6" fill="#5fd08f"/>')]];
  for (let count = 1; count <= MOST_COUNTED; count += 1) icons.push([String(count), counted(String(count))]);
  icons.push(["many", counted("+")]);
  return {
    name: "favicons",
    apply: "build",
    generateBundle() {
      for (const [suffix, source] of icons) this.emitFile({ type: "asset", fileName: `favicon-${suffix}.svg`, source });
    },
  };
}

export default defineConfig({
  base: "/static/",
  build: {
    outDir: "../service/dashboard/static",
    emptyOutDir: true,
    // Inlined files would be data: URLs, which the content security policy refuses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    // The reference has a page of its own: the dashboard does not load what draws it.
    rollupOptions: {
      input: ["index.html", "docs.html"],
      // What every page needs is one file: each further one costs the headers of a request and of its answer.
      output: {
        advancedChunks: {
          groups: [{ name: "base", test: /node_modules\/preact|src\/[a-z_]+\.ts$|src\/parts\/(?:tabs|code_text|state|name|outcome|strip)\.tsx$/ }],
        },
      },
    },
  },
  plugins: [favicons(), imagesInStyles(), compressed()],
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  server: { proxy: { "/v1": "http://127.0.0.1:8451" } },
});
