// One chart. Colour shows the cell or the key, dashes show the seed, the legend names both and reads the crosshair.

import { useEffect, useId, useMemo, useRef, useState } from "preact/hooks";
import { count } from "../format";
import { dashOf, valuesOf, type XAxis } from "./plot";
import { type Band, extent, type Level, type Mark, type RangeWish, type Series, valueAt } from "./series";
import { usePlot } from "./use_plot";

export interface ChartProps {
  title: string;
  /** What is drawn; a chart without a point keeps its place and says so. */
  series?: Series[];
  /** Seeds drawn as mean and band; each shows while the pointer is over the chart. */
  bands?: Band[];
  levels?: Level[];
  marks?: Mark[];
  xAxis?: XAxis;
  range?: Partial<RangeWish>;
  smoothing?: number;
  window?: [number, number] | null;
  /** Part of x that was selected; null: all of it again. */
  onZoom?: (window: [number, number] | null) => void;
  /** Charts with the same key share one crosshair. */
  syncKey?: string;
  /** Decimals in the legend. */
  digits?: number;
}

const NONE: never[] = [];

export function Chart(props: ChartProps) {
  const { title, digits = 3, xAxis = "step", smoothing = 0, window: shown = null, onZoom } = props;
  const { series = NONE, bands = NONE, levels = NONE, marks = NONE, range = {} } = props;
  const log = range.log ?? false;
  const holder = useRef<HTMLDivElement>(null);
  const [cursor, setCursor] = useState<number | null>(null);
  const own = useId();
  const dark = useDark();
  const lines = useMemo(() => series.filter((one) => one.x.length > 0), [series]);
  const wide = useMemo(() => bands.filter((one) => one.x.length > 0), [bands]);
  const drawing = useMemo(
    () => ({ series: lines, bands: wide, levels, marks, xAxis, range: { ...range, log }, smoothing, window: shown }),
    [lines, wide, levels, marks, xAxis, log, smoothing, shown],
  );
  const empty = lines.length === 0 && wide.length === 0;
  const look = `${dark} ${props.syncKey ?? own}`;
  const showSeeds = usePlot(holder, empty ? null : drawing, look, { onCursor: setCursor, onZoom, syncKey: props.syncKey ?? own });

  return (
    <figure class="chart">
      <figcaption>
        <h3>{title}</h3>
        {shown !== null && onZoom && (
          <button type="button" class="link" onClick={() => onZoom(null)}>
            Show all
          </button>
        )}
        <span class="quiet">{thinning([...lines, ...wide.flatMap((band) => band.seeds)])}</span>
      </figcaption>
      <div
        ref={holder}
        class="plot"
        role="img"
        aria-label={spoken(title, lines, wide, digits)}
        onPointerEnter={() => showSeeds(true)}
        onPointerLeave={() => showSeeds(false)}
        onDblClick={() => onZoom?.(null)}
      >
        {empty && <p class="quiet nothing">Nothing measured yet.</p>}
      </div>
      <ul class="legend">
        {[...wide, ...lines].map((line) => (
          <li key={line.label}>
            <Sample colour={line.colour} dash={line.dash} />
            {line.label}
            <span class="number">{readAt(line, cursor, digits)}</span>
          </li>
        ))}
      </ul>
    </figure>
  );
}

function Sample({ colour, dash }: { colour: string; dash: number }) {
  return (
    <svg class="sample" viewBox="0 0 26 6" aria-hidden="true">
      <line x1="0" y1="3" x2="26" y2="3" style={{ stroke: `var(${colour})` }} stroke-dasharray={dashOf(dash).join(" ")} />
    </svg>
  );
}

/** Say how many of the measured points are drawn, where that is not all of them. */
function thinning(lines: Series[]): string {
  const longest = lines.reduce<Series | null>((most, line) => (line.points > (most?.points ?? 0) ? line : most), null);
  if (longest === null || longest.values.length >= longest.points) return "";
  return `${count(longest.values.length)} of ${count(longest.points)} points a curve: lowest and highest of each stretch`;
}

function readAt(line: Series | Band, cursor: number | null, digits: number): string {
  const read = (values: number[]) => (cursor === null ? (values.at(-1) ?? null) : valueAt(line.x, values, cursor));
  const value = read(line.values);
  if (value === null) return "";
  if (!("low" in line) || line.seeds.length < 2) return shortly(value, digits);
  const [low, high] = [read(line.low), read(line.high)];
  if (low === null || high === null || low === high) return shortly(value, digits);
  return `${shortly(value, digits)} (${shortly(low, digits)} to ${shortly(high, digits)})`;
}

function shortly(value: number, digits: number): string {
  return value !== 0 && Math.abs(value) < 0.01 ? value.toExponential(2).replace("e-", "e−") : value.toFixed(digits);
}

function spoken(title: string, series: Series[], bands: Band[], digits: number): string {
  const values = valuesOf({ series, bands });
  if (values.length === 0) return `${title}: nothing measured yet`;
  const [low, high] = extent(values);
  const last = [...bands, ...series].map((line) => `${line.label} ${shortly(line.values.at(-1) ?? 0, digits)}`);
  return `${title}. Lowest ${shortly(low, digits)}, highest ${shortly(high, digits)}. Last values: ${last.join(", ")}`;
}

export function useDark(): boolean {
  const [dark, setDark] = useState(() => matchMedia("(prefers-color-scheme: dark)").matches);
  useEffect(() => {
    const query = matchMedia("(prefers-color-scheme: dark)");
    const onChange = () => setDark(query.matches);
    query.addEventListener("change", onChange);
    return () => query.removeEventListener("change", onChange);
  }, []);
  return dark;
}
