// Experiments of one data set or one label together, with the best F1 over time.

import type { ExperimentSummary } from "../../schemas";

export interface Group {
  key: string;
  items: ExperimentSummary[];
  /** The one with the best F1. */
  best: ExperimentSummary | null;
  /** Number of the experiment in the order of creation, and the best F1 until then: each step was measured. */
  climb: [number, number][];
}

export type Row = { kind: "item"; item: ExperimentSummary } | { kind: "group"; group: Group; open: boolean };

/**
 * Return the rows of a list.
 *
 * @param by `dataset`, `label:` with a key, or "" for no groups.
 * @param closed Keys of the groups whose experiments are folded.
 */
export function rowsOf(items: ExperimentSummary[], by: string, closed: ReadonlySet<string>): Row[] {
  if (!by) return items.map((item) => ({ kind: "item", item }));
  return groupsOf(items, by).flatMap((group): Row[] => {
    const open = !closed.has(group.key);
    const head: Row = { kind: "group", group, open };
    return open ? [head, ...group.items.map((item): Row => ({ kind: "item", item }))] : [head];
  });
}

function groupsOf(items: ExperimentSummary[], by: string): Group[] {
  const found = new Map<string, ExperimentSummary[]>();
  for (const item of items) {
    const key = keyOf(item, by);
    found.set(key, [...(found.get(key) ?? []), item]);
  }
  return [...found].map(([key, members]) => ({ key, items: members, ...climbOf(members) }));
}

function keyOf(item: ExperimentSummary, by: string): string {
  if (by === "dataset") return item.dataset_name;
  return item.labels[by.replace(/^label:/, "")] ?? "without this label";
}

function climbOf(items: ExperimentSummary[]): Pick<Group, "best" | "climb"> {
  const climb: [number, number][] = [];
  let best: ExperimentSummary | null = null;
  const oldestFirst = [...items].sort((one, other) => one.created_at.localeCompare(other.created_at));
  oldestFirst.forEach((item, index) => {
    if (item.f1 === null) return;
    if (best === null || best.f1 === null || item.f1.mean > best.f1.mean) best = item;
    climb.push([index + 1, best?.f1?.mean ?? item.f1.mean]);
  });
  return { best, climb };
}

/** Keys of labels that the experiments have, for the choice of a group. */
export function labelKeys(items: ExperimentSummary[]): string[] {
  return [...new Set(items.flatMap(({ labels }) => Object.keys(labels)))].sort();
}
