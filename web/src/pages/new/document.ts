// The request for an experiment while it is being written: one document, which the form and the editor both change.

export type Document = Record<string, unknown>;

export type ModelKind = "scratch" | "full" | "lora";

const CHECKPOINT = "microsoft/unixcoder-base";
const MAX_TOKENS = 512;
const LORA_RANK = 8;

export const MODELS: { kind: ModelKind; title: string; text: string }[] = [
  { kind: "scratch", title: "Small, from scratch", text: "Minutes on a CPU: a first answer, and a baseline" },
  { kind: "full", title: "Pretrained, fine-tuned", text: "Hours on a GPU: the strongest text model" },
  { kind: "lora", title: "Pretrained, LoRA", text: "A GPU with less memory: few weights are trained" },
];

/** Where a document starts. */
export function emptyDocument(dataset: string): Document {
  return { name: "", dataset, seeds: [0, 1, 2] };
}

/** The value at a JSON pointer. */
export function at(document: unknown, pointer: string): unknown {
  return partsOf(pointer).reduce<unknown>((found, part) => (isObject(found) ? found[part] : undefined), document);
}

/** The document with a value at a JSON pointer; undefined removes it, with parents that are empty then. */
export function withValue(document: Document, pointer: string, value: unknown): Document {
  const [part = "", ...rest] = partsOf(pointer);
  const copy = { ...document };
  const below = rest.length === 0 ? value : withValue(child(document, part), `/${rest.join("/")}`, value);
  const empty = below === undefined || (rest.length > 0 && isObject(below) && Object.keys(below).length === 0);
  if (empty) delete copy[part];
  else copy[part] = below;
  return copy;
}

export function modelOf(document: Document): ModelKind {
  if (at(document, "/transformer/model/checkpoint") == null) return "scratch";
  return at(document, "/transformer/model/lora") == null ? "full" : "lora";
}

/** The document with another text model; what was set for the one before goes. */
export function withModel(document: Document, kind: ModelKind): Document {
  if (kind === "scratch") return withValue(document, "/transformer", undefined);
  const known = at(document, "/transformer/model/checkpoint");
  const model = { checkpoint: typeof known === "string" ? known : CHECKPOINT, max_tokens: MAX_TOKENS };
  return withValue(document, "/transformer", { model: kind === "lora" ? { ...model, lora: { rank: LORA_RANK } } : model });
}

/** Seeds as they are typed: `0, 1, 2` or `0-4`; null where the text is something else. */
export function seedsOf(text: string): number[] | null {
  const seeds: number[] = [];
  for (const part of text.split(/[\s,;]+/).filter(Boolean)) {
    const [, from = "", to] = /^(\d{1,9})(?:[-–](\d{1,9}))?$/.exec(part) ?? [];
    if (from === "") return null;
    const last = to === undefined ? Number(from) : Number(to);
    if (last < Number(from) || last - Number(from) > 100) return null;
    for (let seed = Number(from); seed <= last; seed += 1) seeds.push(seed);
  }
  return seeds;
}

export function seedsText(document: Document): string {
  const seeds = document["seeds"];
  return Array.isArray(seeds) ? seeds.join(", ") : "";
}

function partsOf(pointer: string): string[] {
  return pointer.split("/").slice(1);
}

function child(document: Document, part: string): Document {
  const found = document[part];
  return isObject(found) ? found : {};
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
