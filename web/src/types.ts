// What the API answers; the same words as in cellgate/contract/api/schemas.py, which says what they mean.

export type CellName = "prepare" | "preflight" | 51 | 52 | 53 | 54 | "pack" | "score";
export type Verdict = "pending" | "pass" | "fail" | "warn" | "waived";
export type Option = "transformer" | "gnn" | "ensemble" | "ensemble_tuned" | "fusion";
export type Outcome = "ensemble" | "single" | "fusion" | "train_fusion" | "improve";

export interface Page<T> {
  items: T[];
  next: string | null;
}

export interface ExperimentSummary {
  id: string;
  name: string;
  dataset: string;
  state: string;
  gate_verdict: Verdict;
  outcome: Outcome | null;
  runs_done: number;
  runs_total: number;
  created_at: string;
  finished_at: string | null;
}

export interface Progress {
  phase: string | null;
  steps_done: number | null;
  steps_total: number | null;
  epoch: number | null;
  epochs: number | null;
  eta_s: number | null;
}

export interface Waiting {
  reason: "behind" | "busy" | "next" | "no_worker" | "paused" | "quota";
  detail: string;
  ahead: number | null;
}

export interface Run {
  id: string;
  job: string;
  experiment: string | null;
  cell: CellName;
  seed: number;
  state: string;
  waiting: Waiting | null;
  attempt: number;
  superseded_by: string | null;
  worker: string | null;
  queue: string;
  progress: Progress;
  f1: number | null;
  exit_code: number | null;
  failure_reason: string | null;
  failure_detail: string | null;
  result: Result | null;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
}

export interface Metrics {
  rows: number;
  positives: number;
  loss: number;
  accuracy: number;
  precision: number;
  recall: number;
  f1: number;
  mcc: number;
  auroc: number | null;
  auprc: number | null;
  ece: number;
}

export interface Result {
  metrics: Record<string, Metrics>;
  best_epoch: number | null;
  epochs: number | null;
  steps: number | null;
  parameters: number | null;
  threshold: number | null;
  temperature: number | null;
  learning_rate: { learning_rate: number; source: string; reason: string } | null;
  timings_s: Record<string, number>;
  memory: { host_bytes: number; device_bytes: number };
  environment: { device: string; precision: string; threads: number };
  warnings: string[];
  checks: { name: string; verdict: Verdict; detail: string; fix: string }[];
}

export interface Job {
  id: string;
  experiment: string | null;
  dataset: string;
  step: string | null;
  cell: CellName;
  state: string;
  seeds: number[];
  runs: Run[];
}

export interface Policy {
  gate_f1: number;
  skip_fusion_f1: number;
}

export interface Experiment {
  id: string;
  name: string;
  dataset: string;
  state: string;
  autopilot: boolean;
  seeds: number[];
  spec: { policy: Policy };
  jobs: Job[];
  gate_verdict: Verdict;
  outcome: Outcome | null;
  failure_detail: string | null;
  created_at: string;
  finished_at: string | null;
}

export interface SeedValue {
  cell: 51 | 52;
  seed: number;
  run: string;
  value: number | string | boolean | null;
}

export interface GateCheck {
  name: string;
  title: string;
  cell: 51 | 52 | null;
  blocking: boolean;
  verdict: Verdict;
  threshold: number | null;
  measured: number | null;
  interval: [number, number] | null;
  reason: string;
  seeds: SeedValue[];
  evidence: string[];
  waiver: Waiver | null;
}

/** Who let a failed check pass, and why. */
export interface Waiver {
  reason: string;
  by: string;
}

export interface GateReport {
  experiment: string;
  verdict: Verdict;
  checks: GateCheck[];
  summary: string;
}

export interface Interval {
  low: number;
  high: number;
  confidence: number;
}

export interface OptionEvidence {
  option: Option;
  seeds: number[];
  f1_per_seed: number[];
  f1: number;
  f1_sd: number;
  f1_interval: Interval;
  precision: number;
  recall: number;
  mcc: number;
  auprc: number | null;
  auroc: number | null;
  ece: number;
  vd_s: number | null;
  text_weight: number | null;
  test_f1: number | null;
}

export interface Comparison {
  first: Option;
  second: Option;
  f1_difference: number;
  f1_interval: Interval;
  mcnemar_p: number;
  holm_p: number;
}

export interface Slice {
  slice: "cwe" | "project";
  value: string;
  rows: number;
  accuracy: Partial<Record<Option, number>>;
}

export interface Evidence {
  rows: number;
  positives: number;
  groups: number;
  all_positive_f1: number;
  options: OptionEvidence[];
  comparisons: Comparison[];
  slices: Slice[];
}

export interface Decision {
  stage: "bases" | "final";
  outcome: Outcome;
  option: Option | null;
  seeds: number[];
  confidence: "clear" | "borderline";
  rule: string;
  reasons: string[];
  next_steps: string[];
  evidence: Evidence | null;
  evidence_hash: string | null;
  overrulings: Overruling[];
}

/** A person's own answer beside the computed one; the last of them counts. */
export interface Overruling {
  outcome: Outcome;
  option: Option | null;
  reason: string;
  by: string;
}

export interface DatasetSummary {
  rows: number;
  splits: Record<string, { rows: number; positives: number }>;
  warnings: string[];
  bag_of_tokens_f1: number | null;
  graph_quality: Record<string, number>;
}

export interface Dataset {
  id: string;
  name: string;
  state: string;
  source: string;
  content_hash: string | null;
  summary: DatasetSummary | null;
  failure_detail: string | null;
  run: string | null;
  created_at: string;
}

export interface Curve {
  key: string;
  steps: number[];
  values: number[];
}

export interface RunMetrics {
  run: string;
  curves: Curve[];
}

export interface RunEvent {
  id: number;
  run: string | null;
  attempt: number | null;
  kind: string;
  at: string;
  body: Record<string, unknown>;
}

export interface Worker {
  id: string;
  queues: string[];
  slots: number;
  alive: boolean;
}

export interface Bundle {
  id: string;
  kind: string;
  state: "packing" | "ready" | "failed";
  run: string;
  summary: { parts: string[]; seeds: number[]; threshold: number; size_bytes: number; functions_per_s: number | null } | null;
  failure_detail: string | null;
  created_at: string;
}

const TERMINAL = new Set(["succeeded", "failed", "cancelled", "ready"]);

/** Whether nothing can follow this state. */
export function ended(state: string): boolean {
  return TERMINAL.has(state);
}
