// Where nodes of a function's graph lie on its source, and where the arcs of control flow run beside it. Plain values.

import type { FunctionGraph } from "../schemas";

export const LINE_HEIGHT = 20;
export const LANE = 7;
const MOST_LANES = 12;
const TAB = 4;
/** So much of a node's text the API gives at least, its white space evened out. */
const SHOWN = 40;

export interface Spot {
  /** Place of the node in the graph. */
  node: number;
  /** From 1. */
  line: number;
  /** In characters, tabs spread out. */
  column: number;
  width: number;
}

export interface Arc {
  from: number;
  to: number;
  /** From the source outwards, 0 is the nearest. */
  lane: number;
  back: boolean;
}

/** A line as it is shown: tabs spread out to columns of four. */
export function spread(line: string): string {
  let column = 0;
  return [...line]
    .map((character) => {
      const width = character === "\t" ? TAB - (column % TAB) : 1;
      column += width;
      return character === "\t" ? " ".repeat(width) : character;
    })
    .join("");
}

/**
 * Return where nodes with data flow lie: those with a name of their own, on one line.
 *
 * A node whose text is not where the graph says it is has no spot: a character that the page shows as an escape moves
 * what follows.
 */
export function spotsOf(source: string, graph: FunctionGraph): Map<number, Spot> {
  const characters = [...source];
  const starts = [0];
  characters.forEach((character, place) => {
    if (character === "\n") starts.push(place + 1);
  });
  const flows = new Set(graph.edges.filter((edge) => isFlow(edge.kind)).flatMap((edge) => [edge.from, edge.to]));
  const spots = new Map<number, Spot>();
  for (const node of flows) {
    const found = graph.nodes[node];
    const begin = found === undefined ? undefined : starts[found.start_line - 1];
    if (found === undefined || begin === undefined || found.start_line !== found.end_line) continue;
    const text = characters.slice(found.start, found.end).join("");
    if (text.trim() === "" || !found.text.startsWith(text.trim().split(/\s+/).join(" ").slice(0, SHOWN))) continue;
    const before = spread(characters.slice(begin, found.start).join(""));
    spots.set(node, { node, line: found.start_line, column: before.length, width: Math.max(1, [...text].length) });
  }
  return spots;
}

export function isFlow(kind: string): boolean {
  return kind === "dfg" || kind === "last_use";
}

/** Return the arcs of control flow between lines, each in the innermost lane that is free over its length. */
export function arcsOf(graph: FunctionGraph): Arc[] {
  const pairs = new Map<string, { from: number; to: number }>();
  for (const edge of graph.edges) {
    if (edge.kind !== "cfg") continue;
    const [from, to] = [graph.nodes[edge.from]?.start_line, graph.nodes[edge.to]?.start_line];
    if (from === undefined || to === undefined || from === to) continue;
    pairs.set(`${from}-${to}`, { from, to });
  }
  const busy: [number, number][][] = [];
  return [...pairs.values()]
    .sort((one, other) => Math.abs(one.to - one.from) - Math.abs(other.to - other.from) || one.from - other.from)
    .map(({ from, to }) => {
      const [top, bottom] = [Math.min(from, to), Math.max(from, to)];
      let lane = 0;
      while (lane < MOST_LANES - 1 && busy[lane]?.some(([begin, end]) => begin < bottom && end > top)) lane += 1;
      (busy[lane] ??= []).push([top, bottom]);
      return { from, to, lane, back: to < from };
    });
}
