// Which chart a key is drawn in; what belongs to none appears under "Other".

import type { RangeWish } from "./series";

export interface Group {
  title: string;
  wanted: (key: string) => boolean;
  range: Partial<RangeWish>;
  digits: number;
  /** Whether its steps are seconds, whatever the other curves are drawn by. */
  seconds?: boolean;
  /** What a value is multiplied with, for the title's unit. */
  scale?: number;
}

const SCORE: Partial<RangeWish> = { span: 0.1, bounds: [0, 1] };
const under =
  (...prefixes: string[]) =>
  (key: string): boolean =>
    prefixes.some((prefix) => key.startsWith(prefix));

const GROUPS: Group[] = [
  { title: "Loss", wanted: (key) => key.endsWith("/loss"), range: {}, digits: 4 },
  { title: "Scores on dev", wanted: under("dev/"), range: SCORE, digits: 4 },
  { title: "Gradient norms before clipping", wanted: under("grad_norm/"), range: { log: true }, digits: 2 },
  { title: "Learning rate", wanted: under("lr/"), range: {}, digits: 4 },
  { title: "Weight norms", wanted: under("weight_norm/"), range: { log: true }, digits: 2 },
  { title: "F1 on gate", wanted: under("gate/", "all_positive/", "bag_of_tokens/", "identifiers/", "length/"), range: SCORE, digits: 4 },
  { title: "Processor and GPU, %", wanted: (key) => /^resource\/.*percent$/.test(key), range: { shows: [0, 100] }, digits: 0, seconds: true },
  { title: "Memory, MiB", wanted: (key) => /^resource\/.*bytes$/.test(key), range: { shows: [0] }, digits: 0, scale: 2 ** -20, seconds: true },
];
const OTHER: Group = { title: "Other", wanted: () => true, range: {}, digits: 4 };

/** Return the group of a key: the first that wants it. */
export function groupOf(key: string): Group {
  return GROUPS.find((group) => group.wanted(key)) ?? OTHER;
}

/** Return the groups that hold any of these keys, in the order of the page, each with its keys. */
export function grouped(keys: string[]): { group: Group; keys: string[] }[] {
  return [...GROUPS, OTHER]
    .map((group) => ({ group, keys: keys.filter((key) => groupOf(key) === group) }))
    .filter((found) => found.keys.length > 0);
}
