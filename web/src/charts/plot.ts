// The options of uPlot for a chart: axes, bands, levels and marks, and a crosshair that all charts of a page share.

import uPlot from "uplot";
import { type Band, type Level, logFloor, type Mark, type RangeWish, rangeOf, type Series, smoothed } from "./series";

export const HEIGHT = 236;
const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3], [5, 2, 5, 8], [1, 6]];
const WHOLE_STEPS = [1, 10, 100, 1_000, 10_000, 100_000].flatMap((size) => [size, 2 * size, 5 * size]);
const FONT = "11px system-ui, sans-serif";
/** Where two names of levels would lie on each other. */
const LABEL_HEIGHT = 13;

export type XAxis = "step" | "epoch" | "time" | "rate";

export interface Drawing {
  series: Series[];
  bands: Band[];
  levels: Level[];
  marks: Mark[];
  xAxis: XAxis;
  range: RangeWish;
  /** Weight of what came before, 0 without smoothing. */
  smoothing: number;
  /** The part of x that is shown; null: all. */
  window: [number, number] | null;
}

export interface Drawn {
  options: uPlot.Options;
  /** Places of the seeds' series, which show on hover. */
  seeds: number[];
}

interface Row {
  x: number[];
  values: number[];
  options: uPlot.Series;
  isSeed?: boolean;
}

export interface Hooks {
  onCursor: (x: number | null) => void;
  onZoom: (window: [number, number] | null) => void;
  syncKey: string;
}

export function dashOf(dash: number): number[] {
  return DASHES[dash % DASHES.length] ?? [];
}

/** Return what uPlot draws of a drawing. */
export function dataOf(drawing: Drawing): uPlot.AlignedData {
  return joined(rowsOf(drawing, () => "").rows, floorOf(drawing));
}

/** Return what the options of a plot depend on: of two drawings with the same shape one can take the other's place. */
export function shapeOf(drawing: Drawing): string {
  const { rows, bands } = rowsOf(drawing, (name) => name);
  const { xAxis, range, window } = drawing;
  return JSON.stringify([rows.map((row) => row.options), bands, xAxis, range.log, window]);
}

/**
 * Return what uPlot needs to draw into this element.
 *
 * @param shown Returns what is to be drawn now: any drawing with the shape of the first.
 */
export function drawn(element: HTMLElement, shown: () => Drawing, hooks: Hooks): Drawn {
  const drawing = shown();
  const style = getComputedStyle(element);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const log = drawing.range.log;
  const { rows, bands } = rowsOf(drawing, colour);
  const axis: uPlot.Axis = {
    stroke: colour("--quiet"),
    font: FONT,
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { stroke: colour("--line"), width: 1, size: 4 },
  };
  const logX = drawing.xAxis === "rate";
  const options: uPlot.Options = {
    width: element.clientWidth || 320,
    height: HEIGHT,
    legend: { show: false },
    cursor: {
      drag: { x: !logX, y: false, setScale: false },
      points: { size: 6 },
      sync: { key: hooks.syncKey, scales: ["x", null] },
    },
    scales: {
      x: { time: false, ...(logX ? { distr: 3 } : {}), ...windowOf(drawing.window) },
      y: { distr: log ? 3 : 1, range: (self) => visibleRange(self, shown()) },
    },
    axes: [
      {
        ...axis,
        size: 28,
        ...(drawing.xAxis === "step" ? { incrs: WHOLE_STEPS } : {}),
        values: (_, ticks) => ticks.map((tick) => xText(tick, drawing.xAxis)),
      },
      {
        ...axis,
        size: 54,
        // On a logarithmic axis only powers of ten have a line.
        ...(log ? { grid: { ...axis.grid, filter: decades } } : {}),
        values: (_, ticks) => {
          const zero = log && hasZero(shown()) ? floorOf(shown()) : null;
          return ticks.map((tick) => (tick === zero && zero !== null ? "0" : tickText(tick)));
        },
      },
    ],
    series: [{}, ...rows.map((row) => row.options)],
    bands,
    hooks: {
      setCursor: [(self) => hooks.onCursor(self.cursor.idx == null ? null : (self.data[0][self.cursor.idx] ?? null))],
      setSelect: [(self) => select(self, hooks.onZoom)],
      draw: [(self) => drawLevels(self, shown().levels, colour), (self) => drawMarks(self, shown().marks, colour)],
    },
  };
  const seeds = rows.flatMap((row, place) => (row.isSeed ? [place + 1] : []));
  return { options, seeds };
}

/** Where zero is drawn on a logarithmic axis. */
function floorOf(drawing: Drawing): number | null {
  return drawing.range.log ? logFloor(valuesOf(drawing)) : null;
}

/** Every value that a drawing may show. */
export function valuesOf({ series, bands }: Pick<Drawing, "series" | "bands">): number[] {
  return [...series.flatMap((one) => one.values), ...bands.flatMap((one) => [...one.low, ...one.high])];
}

function rowsOf(drawing: Drawing, colour: (name: string) => string): { rows: Row[]; bands: uPlot.Band[] } {
  const rows: Row[] = [];
  const bands: uPlot.Band[] = [];
  const add = (line: { x: number[] }, values: number[], options: uPlot.Series, isSeed = false): number =>
    rows.push({ x: line.x, values, options: { spanGaps: true, points: { show: false }, ...options }, isSeed });
  for (const band of drawing.bands) {
    const stroke = colour(band.colour);
    const high = add(band, band.high, { stroke: "transparent" });
    const low = add(band, band.low, { stroke: "transparent" });
    bands.push({ series: [high, low], fill: faint(stroke, 0.16) });
    for (const seed of band.seeds) {
      add(seed, seed.values, { stroke: faint(stroke, 0.75), width: 1, dash: dashOf(seed.dash), show: false }, true);
    }
    addLine(band, stroke);
  }
  for (const line of drawing.series) addLine(line, colour(line.colour));

  function addLine(line: Series, stroke: string): void {
    const few = line.x.length < 25;
    const style = { stroke, width: 1.75, dash: dashOf(line.dash), points: { show: few, size: 4, fill: stroke } };
    if (drawing.smoothing > 0 && !few) {
      // The measured values stay in sight behind the smoothed ones.
      add(line, line.values, { stroke: faint(stroke, 0.28), width: 1 });
      add(line, smoothed(line.values, drawing.smoothing), style);
    } else add(line, line.values, style);
  }

  return { rows, bands };
}

function joined(rows: Row[], floor: number | null): uPlot.AlignedData {
  if (rows.length === 0) return [[]];
  const onAxis = (values: number[]) => (floor === null ? values : values.map((value) => (value > 0 ? value : floor)));
  return uPlot.join(rows.map((row) => [row.x, onAxis(row.values)] as uPlot.AlignedData));
}

/** The range of y for the part of x that is shown; the floor of a log axis stays where it is. */
function visibleRange(self: uPlot, drawing: Drawing): [number, number] {
  const { min = -Infinity, max = Infinity } = self.scales["x"] ?? {};
  const inside = (line: { x: number[] }, values: number[]) =>
    values.filter((_, place) => {
      const at = line.x[place] as number;
      return at >= (min ?? -Infinity) && at <= (max ?? Infinity);
    });
  const seen = drawing.series.flatMap((one) => inside(one, one.values));
  for (const band of drawing.bands) seen.push(...inside(band, band.low), ...inside(band, band.high));
  const shows = [...(drawing.range.shows ?? []), ...drawing.levels.map((level) => level.at)];
  const wish = { ...drawing.range, shows };
  if (!drawing.range.log) return rangeOf(seen, wish);
  return [logFloor(valuesOf(drawing)), rangeOf(seen, wish)[1]];
}

function decades(_: uPlot, splits: number[]): (number | null)[] {
  return splits.map((value) => (Math.abs(Math.log10(value) - Math.round(Math.log10(value))) < 1e-9 ? value : null));
}

function hasZero(drawing: Drawing): boolean {
  return valuesOf(drawing).some((value) => value <= 0);
}

function windowOf(window: [number, number] | null): uPlot.Scale {
  return window === null ? {} : { range: () => window };
}

function select(self: uPlot, onZoom: Hooks["onZoom"]): void {
  const { left, width } = self.select;
  if (width < 5) return;
  onZoom([self.posToVal(left, "x"), self.posToVal(left + width, "x")]);
  self.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
}

function drawLevels(self: uPlot, levels: Level[], colour: (name: string) => string): void {
  const { ctx, bbox } = self;
  const scale = devicePixelRatio;
  ctx.save();
  ctx.font = `${11 * scale}px system-ui, sans-serif`;
  ctx.fillStyle = ctx.strokeStyle = colour("--quiet");
  ctx.lineWidth = scale;
  ctx.textAlign = "right";
  ctx.textBaseline = "bottom";
  const placed: { y: number; names: string[] }[] = [];
  for (const level of [...levels].sort((one, other) => other.at - one.at)) {
    const y = self.valToPos(level.at, "y", true);
    const name = `${level.name} ${level.at.toFixed(2)}`;
    const near = placed.at(-1);
    if (near && y - near.y < LABEL_HEIGHT * scale) near.names.push(name);
    else placed.push({ y, names: [name] });
    ctx.setLineDash([4 * scale, 4 * scale]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
  }
  for (const { y, names } of placed) ctx.fillText(names.join(", "), bbox.left + bbox.width - 4 * scale, y - 2 * scale);
  ctx.restore();
}

function drawMarks(self: uPlot, marks: Mark[], colour: (name: string) => string): void {
  const { ctx, bbox } = self;
  const scale = devicePixelRatio;
  ctx.save();
  ctx.font = `${11 * scale}px system-ui, sans-serif`;
  ctx.textBaseline = "alphabetic";
  for (const mark of marks) {
    const x = self.valToPos(mark.x, "x", true);
    if (x < bbox.left - 1 || x > bbox.left + bbox.width + 1) continue;
    ctx.fillStyle = ctx.strokeStyle = colour(`--${mark.tone}`);
    ctx.lineWidth = 1.5 * scale;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.textAlign = x > bbox.left + bbox.width * 0.7 ? "right" : "left";
    ctx.fillText(mark.name, x + (ctx.textAlign === "left" ? 4 : -4) * scale, bbox.top + 11 * scale);
  }
  ctx.restore();
}

/** A colour of the theme, let through. */
function faint(colour: string, alpha: number): string {
  const hex = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(colour);
  if (!hex) return colour;
  const [red, green, blue] = hex.slice(1).map((part) => parseInt(part, 16));
  return `rgb(${red} ${green} ${blue} / ${alpha})`;
}

function xText(value: number | null, axis: XAxis): string {
  if (value === null) return "";
  if (axis === "rate") return tickText(value);
  if (axis !== "time") return value.toLocaleString("en");
  if (value < 120) return `${Number(value.toPrecision(3))} s`;
  return value < 7200 ? `${Number((value / 60).toPrecision(3))} min` : `${Number((value / 3600).toPrecision(3))} h`;
}

function tickText(value: number | null): string {
  if (value === null) return "";
  const size = Math.abs(value);
  return size !== 0 && (size < 0.001 || size >= 100_000)
    ? value.toExponential(0).replace("e-", "e−").replace("e+", "e")
    : String(Number(value.toPrecision(4)));
}
