// What a chart draws, as plain values: every drawn point was measured, or lies between measured ones.

/** One curve: of a run, or the mean of several. */
export interface Series {
  label: string;
  /** Name of a CSS variable that holds its colour. */
  colour: string;
  /** Which dash pattern: 0 is a full line. */
  dash: number;
  /** Ascending, as many as values. */
  x: number[];
  values: number[];
  /** Points that were measured; `values` holds fewer where the server has thinned the curve. */
  points: number;
}

/** The seeds of one cell: their mean, and the band from the lowest to the highest of them. */
export interface Band extends Series {
  low: number[];
  high: number[];
  seeds: Series[];
}

/** A horizontal line: a threshold, or what something without understanding reaches. */
export interface Level {
  at: number;
  name: string;
}

/** A vertical line: something that happened. */
export interface Mark {
  x: number;
  name: string;
  tone: "bad" | "warn" | "idle";
}

/** Return x made strictly ascending: equal times are told apart by a millionth, so that no point hides another. */
export function ascending(x: number[]): number[] {
  let last = -Infinity;
  return x.map((value) => (last = value > last ? value : last + 1e-6));
}

/** Return where a curve is at x: between its neighbours on a straight line, null outside of it. */
export function valueAt(x: number[], values: number[], at: number): number | null {
  const next = lowerBound(x, at);
  if (next === x.length) return null;
  if (x[next] === at) return values[next] ?? null;
  if (next === 0) return null;
  const [x0, x1, v0, v1] = [x[next - 1], x[next], values[next - 1], values[next]] as [number, number, number, number];
  return v0 + ((v1 - v0) * (at - x0)) / (x1 - x0);
}

/**
 * Return the mean of seeds with the band that holds all of them.
 *
 * Seeds are thinned at different steps, so each is taken at the steps of all. The band's highest value is the highest
 * measured one; where a seed has ended the others go on without it.
 */
export function bandOf(label: string, colour: string, seeds: Series[], dash = 0): Band {
  const x = [...new Set(seeds.flatMap((seed) => seed.x))].sort((one, other) => one - other);
  const low: number[] = [];
  const high: number[] = [];
  const values: number[] = [];
  const kept: number[] = [];
  for (const at of x) {
    const found = seeds.map((seed) => valueAt(seed.x, seed.values, at)).filter((value) => value !== null);
    if (found.length === 0) continue;
    kept.push(at);
    const [least, most] = extent(found);
    low.push(least);
    high.push(most);
    values.push(found.reduce((sum, value) => sum + value, 0) / found.length);
  }
  const points = Math.max(0, ...seeds.map((seed) => seed.points));
  return { label, colour, dash, x: kept, values, points, low, high, seeds };
}

/**
 * Return a curve smoothed by an exponential moving average.
 *
 * @param weight Of what came before, from 0 to below 1.
 *
 * Source: Kingma and Ba 2015, arXiv 1412.6980, section 3 (the correction of the first values' bias).
 */
export function smoothed(values: number[], weight: number): number[] {
  let average = 0;
  let share = 1;
  return values.map((value) => {
    average = weight * average + (1 - weight) * value;
    share *= weight;
    return average / (1 - share);
  });
}

export interface RangeWish {
  log: boolean;
  /** Values that the axis must show whatever is measured. */
  shows?: number[];
  /** The axis never spans less; default: a tenth of the largest value. */
  span?: number;
  /** What no value can leave, such as 0 and 1 of a score. */
  bounds?: [number, number];
}

/** Return the axis' ends for these values: never so narrow that noise fills the chart. */
export function rangeOf(values: number[], { log, shows = [], span, bounds }: RangeWish): [number, number] {
  if (log) {
    const floor = logFloor(values);
    return [floor, Math.max(floor * 10, extent(values)[1]) * 1.3];
  }
  const [lowest, highest] = values.length > 0 ? extent([...values, ...shows]) : [0, 1];
  let [low, high] = [lowest, highest];
  const least = span ?? 0.1 * Math.max(Math.abs(low), Math.abs(high), Number.MIN_VALUE);
  const missing = Math.max(0, least - (high - low)) / 2 + 0.06 * Math.max(high - low, least);
  [low, high] = [low - missing, high + missing];
  if (bounds) return shifted(low, high, bounds);
  return [low < 0 && lowest >= 0 ? 0 : low, high];
}

/** Keep an axis within what is possible, and as wide as it was. */
function shifted(low: number, high: number, [least, most]: [number, number]): [number, number] {
  const margin = 0.02 * (most - least);
  const down = Math.max(0, high - most - margin);
  const up = Math.max(0, least - margin - low);
  return [Math.max(least - margin, low - down), Math.min(most + margin, high + up)];
}

/** Return the power of ten below the smallest positive value: where zero is drawn on a logarithmic axis. */
export function logFloor(values: number[]): number {
  const positive = values.filter((value) => value > 0);
  if (positive.length === 0) return 0.1;
  const below = 10 ** Math.floor(Math.log10(extent(positive)[0]));
  // Only where something is zero the floor must lie below all that is not.
  return values.some((value) => value <= 0) ? below / 10 : below;
}

/** Return the lowest and the highest of many values; Math.min takes only so many. */
export function extent(values: number[]): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

/** Return the first place whose x is not below `at`. */
function lowerBound(x: number[], at: number): number {
  let [low, high] = [0, x.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((x[middle] as number) < at) low = middle + 1;
    else high = middle;
  }
  return low;
}
