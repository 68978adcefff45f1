// One chart: lines over optimizer steps. Colour shows the cell, dashes show the seed, the legend names both.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import uPlot from "uplot";

export interface Line {
  label: string;
  /** Name of a CSS variable that holds its colour. */
  colour: string;
  /** Which dash pattern: 0 is a full line. */
  dash: number;
  steps: number[];
  values: number[];
}

export interface ChartProps {
  title: string;
  lines: Line[];
  /** Decimals in the legend. */
  digits?: number;
  /** Logarithmic values. */
  log?: boolean;
}

const HEIGHT = 240;
const WHOLE_STEPS = [1, 10, 100, 1_000, 10_000, 100_000].flatMap((size) => [size, 2 * size, 5 * size]);
const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3], [5, 2, 5, 8], [1, 6]];

export function Chart({ title, lines, digits = 3, log = false }: ChartProps) {
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [cursor, setCursor] = useState<number | null>(null);
  const dark = useDark();
  const drawn = lines.filter((line) => line.steps.length > 0);
  const shape = JSON.stringify(drawn.map(({ label, colour, dash }) => [label, colour, dash]));
  const data = useMemo(() => joined(drawn), [lines]);

  useEffect(() => {
    const element = holder.current;
    if (!element || drawn.length === 0) return undefined;
    const made = new uPlot(options(element, drawn, log, setCursor), data, element);
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [shape, dark, log]);

  useEffect(() => {
    plot.current?.setData(data);
  }, [data]);

  if (drawn.length === 0) return null;
  return (
    <figure class="chart">
      <figcaption>{title}</figcaption>
      <div ref={holder} role="img" aria-label={spoken(title, drawn, digits)} />
      <ul class="legend">
        {drawn.map((line, index) => (
          <li key={line.label}>
            <Sample colour={line.colour} dash={line.dash} />
            {line.label}
            <span class="number">{valueAt(data, index, cursor, digits)}</span>
          </li>
        ))}
      </ul>
    </figure>
  );
}

function Sample({ colour, dash }: { colour: string; dash: number }) {
  return (
    <svg class="sample" viewBox="0 0 26 6" aria-hidden="true">
      <line x1="0" y1="3" x2="26" y2="3" style={{ stroke: `var(${colour})` }} stroke-dasharray={pattern(dash).join(" ")} />
    </svg>
  );
}

function pattern(dash: number): number[] {
  return DASHES[dash % DASHES.length] ?? [];
}

function joined(lines: Line[]): uPlot.AlignedData {
  if (lines.length === 0) return [[]];
  return uPlot.join(lines.map((line) => [line.steps, line.values] as uPlot.AlignedData));
}

function valueAt(data: uPlot.AlignedData, line: number, cursor: number | null, digits: number): string {
  const values = Array.from(data[line + 1] ?? []);
  const known = cursor === null ? values.findLast((value) => typeof value === "number") : values[cursor];
  if (typeof known !== "number") return "";
  return known !== 0 && Math.abs(known) < 0.01 ? known.toExponential(2) : known.toFixed(digits);
}

function spoken(title: string, lines: Line[], digits: number): string {
  const last = lines.map((line) => `${line.label} ${line.values.at(-1)?.toFixed(digits)}`);
  return `${title}. Last values: ${last.join(", ")}`;
}

function options(element: HTMLElement, lines: Line[], log: boolean, setCursor: (at: number | null) => void): uPlot.Options {
  const style = getComputedStyle(element);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const axis: uPlot.Axis = {
    stroke: colour("--quiet"),
    font: "11px system-ui, sans-serif",
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { stroke: colour("--line"), width: 1, size: 4 },
  };
  return {
    width: element.clientWidth || 320,
    height: HEIGHT,
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, points: { size: 6 } },
    scales: { x: { time: false }, y: log ? { distr: 3 } : {} },
    axes: [
      { ...axis, size: 28, incrs: WHOLE_STEPS },
      { ...axis, size: 52, values: (_, ticks) => ticks.map(tickText) },
    ],
    series: [
      {},
      ...lines.map((line) => ({
        label: line.label,
        stroke: colour(line.colour),
        width: 1.75,
        dash: pattern(line.dash),
        spanGaps: true,
        points: { show: line.steps.length < 25, size: 4, fill: colour(line.colour) },
      })),
    ],
    hooks: { setCursor: [(self) => setCursor(self.cursor.idx ?? null)] },
  };
}

function tickText(value: number | null): string {
  if (value === null) return "";
  const size = Math.abs(value);
  return size !== 0 && (size < 0.001 || size >= 100_000) ? value.toExponential(0) : String(Number(value.toPrecision(4)));
}

function useDark(): boolean {
  const [dark, setDark] = useState(() => matchMedia("(prefers-color-scheme: dark)").matches);
  useEffect(() => {
    const query = matchMedia("(prefers-color-scheme: dark)");
    const onChange = () => setDark(query.matches);
    query.addEventListener("change", onChange);
    return () => query.removeEventListener("change", onChange);
  }, []);
  return dark;
}
