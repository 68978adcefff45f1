// How values read on screen.

import type { CellName, Option, Outcome } from "./schemas";

const CELLS: Record<string, string> = {
  prepare: "Prepare",
  preflight: "Pre-flight",
  51: "51 transformer",
  52: "52 gnn",
  53: "53 fusion",
  54: "54 evidence",
  pack: "Pack",
  score: "Score",
};

const OPTIONS: Record<Option, string> = {
  transformer: "Transformer",
  gnn: "Graph network",
  ensemble: "Ensemble",
  ensemble_tuned: "Ensemble, tuned",
  fusion: "Fusion",
  linear: "Linear model",
};

const OUTCOMES: Record<Outcome, string> = {
  ensemble: "Ship the ensemble",
  single: "Ship a single model",
  fusion: "Ship fusion",
  train_fusion: "Train fusion",
  improve: "Improve 51 and 52",
};

export function cellName(cell: CellName): string {
  return CELLS[String(cell)] ?? String(cell);
}

export function optionName(option: Option, textWeight: number | null = null): string {
  const weights = textWeight === null ? "" : ` ${textWeight.toFixed(2)} / ${(1 - textWeight).toFixed(2)}`;
  return OPTIONS[option] + weights;
}

export function outcomeName(outcome: Outcome, option: Option | null = null): string {
  if (outcome === "single" && option) return `Ship the ${OPTIONS[option].toLowerCase()} alone`;
  if (option === "ensemble_tuned") return "Ship the tuned ensemble";
  return OUTCOMES[outcome];
}

/** What is shipped, as an order: `Ship the ensemble`. */
export function shipWords(option: Option | null): string {
  if (option === null) return "Ship";
  const article = option === "fusion" ? "" : "the ";
  return `Ship ${article}${option === "ensemble_tuned" ? "tuned ensemble" : OPTIONS[option].toLowerCase()}`;
}

export function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}

export function seedsName(seeds: number[]): string {
  if (seeds.length === 0) return "";
  return seeds.length === 1 ? `seed ${seeds[0]}` : `seeds ${seeds.join(", ")} together`;
}

export function score(value: number | null | undefined, digits = 4): string {
  return value === null || value === undefined ? "–" : value.toFixed(digits);
}

export function signed(value: number, digits = 4): string {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;
}

export function pValue(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  return value < 0.0001 ? "< 0.0001" : value.toFixed(4);
}

export function scientific(value: number | null | undefined): string {
  return value === null || value === undefined ? "–" : value.toExponential(1).replace("e-", "e−").replace("e+", "e");
}

export function count(value: number | null | undefined): string {
  return value === null || value === undefined ? "–" : value.toLocaleString("en");
}

export function bytes(size: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = Math.min(units.length - 1, size < 1 ? 0 : Math.floor(Math.log10(size) / 3));
  return `${(size / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}

export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  if (hours >= 48) return `${Math.floor(hours / 24)} d ${hours % 24} h`;
  return hours ? `${hours} h ${minutes} min` : `${minutes} min ${whole % 60} s`;
}

export function between(from: string | null, to: string | null, now = Date.now()): number | null {
  if (from === null) return null;
  return ((to === null ? now : Date.parse(to)) - Date.parse(from)) / 1000;
}

export function age(at: string, now = Date.now()): string {
  const seconds = (now - Date.parse(at)) / 1000;
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} d ago`;
}

/** How long ago, in a column: `4 min`. */
export function shortAge(at: string, now = Date.now()): string {
  const seconds = Math.max(0, (now - Date.parse(at)) / 1000);
  if (seconds < 60) return "now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

export function clock(at: string): string {
  return new Date(at).toLocaleTimeString("en-GB");
}

export function moment(at: string): string {
  return new Date(at).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
}
