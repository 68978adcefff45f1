// An experiment as somebody else would submit it: YAML, curl, Python.

import type { Experiment } from "../../schemas";

type Json = unknown;

/** The request that makes the same experiment: its spec without what is null. */
export function requestOf(experiment: Experiment): Record<string, Json> {
  const { name, dataset, labels, spec } = experiment;
  return compacted({ name, dataset, ...(Object.keys(labels).length > 0 ? { labels } : {}), ...spec }) as Record<string, Json>;
}

export function asYaml(value: Json, indent = ""): string {
  if (Array.isArray(value)) return `[${value.map((one) => scalar(one)).join(", ")}]`;
  if (value === null || typeof value !== "object") return scalar(value);
  return Object.entries(value)
    .map(([name, inner]) => {
      const nested = inner !== null && typeof inner === "object" && !Array.isArray(inner) && Object.keys(inner).length > 0;
      const empty = inner !== null && typeof inner === "object" && !Array.isArray(inner) && Object.keys(inner).length === 0;
      const text = nested ? `\n${asYaml(inner, `${indent}  `)}` : ` ${empty ? "{}" : asYaml(inner)}`;
      return `${indent}${name}:${text}`;
    })
    .join("\n");
}

export function asCurl(experiment: Experiment, origin: string): string {
  const body = JSON.stringify(requestOf(experiment)).replaceAll("'", "'\\''");
  return [
    `curl -X POST ${origin}/v1/experiments \\`,
    "  -H 'Content-Type: application/json' -H \"Idempotency-Key: $(uuidgen)\" \\",
    '  -H "Authorization: Bearer $CELLGATE_TOKEN" \\',
    `  -d '${body}'`,
  ].join("\n");
}

export function asPython(experiment: Experiment, origin: string): string {
  const body = python(requestOf(experiment), "    ");
  return `from cellgate import Client\n\nwith Client(${JSON.stringify(origin)}) as client:\n    experiment = client.submit_experiment(${body})\n`;
}

function python(value: Json, indent: string): string {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value)) return `[${value.map((one) => python(one, indent)).join(", ")}]`;
  if (typeof value !== "object") return JSON.stringify(value);
  const entries = Object.entries(value).map(([name, inner]) => `${indent}    ${JSON.stringify(name)}: ${python(inner, `${indent}    `)},`);
  return entries.length === 0 ? "{}" : `{\n${entries.join("\n")}\n${indent}}`;
}

/** JSON's strings are YAML's; plain words need no quotes. */
function scalar(value: Json): string {
  if (typeof value === "string" && /^[A-Za-z_][\w./-]*$/.test(value) && !/^(true|false|null|yes|no|on|off|y|n)$/i.test(value)) return value;
  return JSON.stringify(value);
}

function compacted(value: Json): Json {
  if (Array.isArray(value) || value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== null)
      .map(([name, inner]) => [name, compacted(inner)]),
  );
}
