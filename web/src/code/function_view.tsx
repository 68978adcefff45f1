// A function's source with its graph drawn over it: control flow as arcs at the left margin, data flow where one points.

import { useMemo, useState } from "preact/hooks";
import { count } from "../format";
import type { FunctionGraph } from "../schemas";
import { type Arc, arcsOf, isFlow, LANE, LINE_HEIGHT, type Spot, spotsOf, spread } from "./layout";

export interface FunctionViewProps {
  source: string;
  graph: FunctionGraph | null;
  /** Why there is no graph to show. */
  missing: string | null;
  name: string;
}

export function FunctionView({ source, graph, missing, name }: FunctionViewProps) {
  const [pointed, setPointed] = useState<number | null>(null);
  const [control, setControl] = useState(true);
  const [all, setAll] = useState(false);
  const lines = useMemo(() => source.split("\n"), [source]);
  const arcs = useMemo(() => (graph ? arcsOf(graph) : []), [graph]);
  const spots = useMemo(() => (graph ? spotsOf(source, graph) : new Map<number, Spot>()), [source, graph]);
  const lanes = Math.max(-1, ...arcs.map((arc) => arc.lane)) + 1;
  const gutter = control ? (lanes + 1) * LANE + 6 : 6;
  const height = lines.length * LINE_HEIGHT;
  return (
    <div class="function-view">
      {graph ? (
        <div class="view-controls">
          <label class="check">
            <input type="checkbox" checked={control} onChange={(event) => setControl(event.currentTarget.checked)} />
            <span class="key control" /> Control flow
          </label>
          <label class="check">
            <input type="checkbox" checked={all} onChange={(event) => setAll(event.currentTarget.checked)} />
            <span class="key data" /> All data flow
          </label>
          <span class="quiet hint">
            {count(graph.nodes.length)} nodes, {count(graph.edges.length)} edges{graph.truncated && ", the end is left out"}; point at
            an underlined name to follow its data
          </span>
        </div>
      ) : (
        <p class="quiet">{missing ?? "It has no graph to show."}</p>
      )}
      <div class="code scroll" tabIndex={0} role="group" aria-label={`Source of ${name}`}>
        <div class="code-sheet" style={{ height: `${height}px`, paddingLeft: `${gutter}px` }}>
          <svg class="arcs" width={gutter} height={height} aria-hidden="true">
            {control && arcs.map((arc) => <path key={`${arc.from}-${arc.to}`} class={arc.back ? "back" : undefined} d={arcPath(arc, gutter)} />)}
          </svg>
          <ol>
            {lines.map((line, place) => (
              <li key={place}>
                <code>{spread(line) || " "}</code>
              </li>
            ))}
          </ol>
          {graph && <Flow graph={graph} spots={spots} all={all} pointed={pointed} onPoint={setPointed} left={gutter} height={height} />}
        </div>
      </div>
    </div>
  );
}

/** From the middle of one line out to the arc's lane and back to the middle of the other, with a head. */
function arcPath({ from, to, lane }: Arc, gutter: number): string {
  const [y0, y1] = [middle(from) + 3, middle(to) - 3];
  const edge = gutter - 4;
  const out = edge - 6 - lane * LANE;
  return `M${edge} ${y0}H${out + 3}Q${out} ${y0} ${out} ${y0 + Math.sign(y1 - y0) * 3}V${y1 - Math.sign(y1 - y0) * 3}Q${out} ${y1} ${out + 3} ${y1}H${edge}m-3 -2.5l3 2.5l-3 2.5`;
}

function middle(line: number): number {
  return (line - 0.5) * LINE_HEIGHT;
}

interface FlowProps {
  graph: FunctionGraph;
  spots: Map<number, Spot>;
  all: boolean;
  pointed: number | null;
  onPoint: (node: number | null) => void;
  left: number;
  height: number;
}

/** Width of a column and of the numbers of lines, in the unit of the sheet's font: the drawing is scaled to it. */
const COLUMN = 10;
const NUMBERS_CH = 6;

function Flow({ graph, spots, all, pointed, onPoint, left, height }: FlowProps) {
  const edges = graph.edges.filter(
    (edge) =>
      isFlow(edge.kind) &&
      spots.has(edge.from) &&
      spots.has(edge.to) &&
      ((all && edge.kind === "dfg") || edge.from === pointed || edge.to === pointed),
  );
  const touched = new Set(edges.flatMap((edge) => [edge.from, edge.to]));
  const widest = Math.max(1, ...[...spots.values()].map((spot) => spot.column + spot.width)) + 2;
  // Columns are as wide as a character of the sheet, which only CSS knows: the drawing's box is set in that unit.
  return (
    <svg
      class="flow"
      viewBox={`0 0 ${widest * COLUMN} ${height}`}
      preserveAspectRatio="none"
      style={{ left: `calc(${left}px + ${NUMBERS_CH}ch)`, width: `${widest}ch`, height: `${height}px` }}
      aria-hidden="true"
    >
      {edges.map((edge) => (
        <path
          key={`${edge.kind}-${edge.from}-${edge.to}`}
          class={`${edge.kind} ${edge.from === pointed || edge.to === pointed ? "near" : ""}`}
          d={flowPath(spots.get(edge.from) as Spot, spots.get(edge.to) as Spot)}
        />
      ))}
      {[...spots.values()].map((spot) => (
        <line
          key={`under-${spot.node}`}
          class="under"
          x1={spot.column * COLUMN}
          x2={(spot.column + spot.width) * COLUMN}
          y1={spot.line * LINE_HEIGHT - 2.5}
          y2={spot.line * LINE_HEIGHT - 2.5}
        />
      ))}
      {[...spots.values()].map((spot) => (
        <rect
          key={spot.node}
          class={spot.node === pointed ? "spot pointed" : touched.has(spot.node) ? "spot touched" : "spot"}
          x={spot.column * COLUMN}
          y={(spot.line - 1) * LINE_HEIGHT + 2}
          width={spot.width * COLUMN}
          height={LINE_HEIGHT - 4}
          onPointerEnter={() => onPoint(spot.node)}
          onPointerLeave={() => onPoint(null)}
        />
      ))}
    </svg>
  );
}

function flowPath(from: Spot, to: Spot): string {
  const x0 = (from.column + from.width / 2) * COLUMN;
  const x1 = (to.column + to.width / 2) * COLUMN;
  const down = to.line >= from.line ? 1 : -1;
  const y0 = middle(from.line) + 8 * down;
  const y1 = middle(to.line) - (from.line === to.line ? -8 : 8 * down);
  if (from.line === to.line) return `M${x0} ${y0}C${x0} ${y0 + 10} ${x1} ${y0 + 10} ${x1} ${y1}`;
  const bend = Math.max(12, Math.abs(y1 - y0) / 2);
  return `M${x0} ${y0}C${x0} ${y0 + bend * down} ${x1} ${y1 - bend * down} ${x1} ${y1}`;
}
