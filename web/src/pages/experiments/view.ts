// What of the experiments is shown, and how: all of it stands in the address.

export const COLUMNS = ["outcome", "f1", "steps", "dataset", "labels", "owner", "took", "age"] as const;
export type Column = (typeof COLUMNS)[number];

export const TITLES: Record<Column, string> = {
  outcome: "Outcome",
  f1: "Best F1",
  steps: "Steps",
  dataset: "Data set",
  labels: "Labels",
  owner: "Owner",
  took: "Took",
  age: "Age",
};

/** Columns that the server sorts by, with its name for them; the name itself sorts too. */
export const SORTS: Partial<Record<Column | "name", string>> = { name: "name", f1: "f1", took: "took", age: "created" };
export const NEWEST_FIRST = "-created";

const GOING_ON = ["waiting", "preflight", "training", "deciding", "fusing", "concluding"];
const ENDED = ["succeeded", "failed", "cancelled"];

/** What the filter of outcomes offers: its name in the address, its text, and the API's parameters. */
export const SHOWN: { name: string; text: string; wanted: [string, string][] }[] = [
  { name: "running", text: "On the way", wanted: GOING_ON.map((state) => ["state", state]) },
  { name: "ended", text: "Ended", wanted: ENDED.map((state) => ["state", state]) },
  { name: "ships", text: "Ships, clear", wanted: [["outcome", "ships"]] },
  { name: "borderline", text: "Borderline", wanted: [["outcome", "borderline"]] },
  { name: "improve", text: "Improve", wanted: [["outcome", "improve"]] },
  { name: "broken", text: "Broken or failed", wanted: [["outcome", "broken"], ["outcome", "failed"]] },
  { name: "stopped", text: "Stopped", wanted: [["outcome", "stopped"]] },
];

export interface View {
  search: string;
  show: string;
  dataset: string;
  label: string;
  owner: string;
  archived: boolean;
  sort: string;
  /** `dataset`, or `label:` with its key; else the rows are one list. */
  group: string;
  hidden: Set<string>;
  selected: string[];
}

export function viewOf(query: URLSearchParams): View {
  const text = (name: string) => query.get(name) ?? "";
  const list = (name: string) => text(name).split(",").filter(Boolean);
  return {
    search: text("q"),
    show: text("show"),
    dataset: text("dataset"),
    label: text("label"),
    owner: text("owner"),
    archived: query.get("archived") === "true",
    sort: text("sort") || NEWEST_FIRST,
    group: text("group"),
    hidden: new Set(list("hide")),
    selected: list("selected"),
  };
}

/** The path that answers the view's first page. */
export function pathOf(view: View, limit: number): string {
  const wanted = new URLSearchParams({ limit: String(limit), total: "true" });
  if (view.search) wanted.set("q", view.search);
  for (const [name, value] of SHOWN.find(({ name }) => name === view.show)?.wanted ?? []) wanted.append(name, value);
  if (view.dataset) wanted.set("dataset", view.dataset);
  for (const label of view.label.split(/[\s,]+/)) if (isLabel(label)) wanted.append("label", label);
  if (view.owner) wanted.set("owner", view.owner);
  if (view.archived) wanted.set("archived", "true");
  if (view.sort !== NEWEST_FIRST) wanted.set("sort", view.sort);
  return `/v1/experiments?${wanted}`;
}

/** Whether the text is a whole `key:value`: half of one would be refused while it is typed. */
function isLabel(text: string): boolean {
  return /^[a-z0-9]([a-z0-9._/-]{0,61}[a-z0-9])?:[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$/.test(text);
}

/** Whether anything is left out that the list has. */
export function isFiltered({ search, show, dataset, label, owner, archived }: View): boolean {
  return [search, show, dataset, label, owner].some(Boolean) || archived;
}

/** What of the address makes a view: all but the selection. */
export function savedPart(query: URLSearchParams): string {
  const kept = new URLSearchParams(query);
  kept.delete("selected");
  kept.delete("search");
  return kept.toString();
}
