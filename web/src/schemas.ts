// Short names for what the API answers; the types are generated from its OpenAPI document at every build.

import type { components } from "./api-types";

type Schemas = components["schemas"];

export type Artifact = Schemas["ArtifactAnswer"];
export type Attempt = Schemas["AttemptAnswer"];
export type Bundle = Schemas["BundleAnswer"];
export type CellName = Run["cell"];
export type Comparison = Schemas["Comparison"];
export type ConfigDifference = Schemas["ConfigAnswer"];
export type ComparedRuns = Schemas["ComparisonAnswer"];
export type Conclusion = Schemas["Conclusion"];
export type Curve = Schemas["Curve"];
export type Dataset = Schemas["DatasetAnswer"];
export type DatasetSummary = Schemas["DatasetSummary"];
export type DatasetChanges = NonNullable<DatasetSummary["changes"]>;
export type SplitComposition = NonNullable<DatasetSummary["composition"]>[string];
export type Decision = Schemas["DecisionAnswer"];
export type Deletion = Schemas["DeletionAnswer"];
export type DeploymentScores = Schemas["DeploymentScores"];
export type Estimate = Schemas["Estimate"];
export type EstimateAnswer = Schemas["EstimateAnswer"];
export type Figure = Schemas["Figure"];
export type Preflight = Schemas["PreflightAnswer"];
export type ErrorsOfOptions = Schemas["ErrorsAnswer"];
export type Evidence = Schemas["Evidence"];
export type EstimateOfExperiment = Schemas["EstimateAnswer"];
export type EvaluationRun = Schemas["EvaluationAnswer"];
export type NewerFunctions = Schemas["SinceCutoff"];
export type Experiment = Schemas["ExperimentAnswer"];
export type ExperimentSummary = Schemas["ExperimentSummary"];
export type SummaryF1 = Schemas["BestF1"];
export type SummaryStep = Schemas["StepAnswer"];
export type Overview = Schemas["OverviewAnswer"];
export type Attention = Schemas["Attention"];
export type RequestAction = Schemas["RequestAction"];
export type OngoingExperiment = Schemas["OngoingExperiment"];
export type LatestExperiment = Schemas["LatestExperiment"];
export type FunctionRow = Schemas["FunctionSummary"];
export type FunctionWithGraph = Schemas["FunctionAnswer"];
export type FunctionGraph = Schemas["FunctionGraph"];
export type GateCheck = Schemas["GateCheck"];
export type GateReport = Schemas["GateReport"];
export type Invariance = Schemas["Invariance"];
export type Inspection = Schemas["Inspection"];
export type Job = Schemas["JobAnswer"];
export type Option = Schemas["OptionEvidence"]["option"];
export type LogPieces = Schemas["LogPage"];
export type LrFinderCurve = Schemas["LrFinderAnswer"];
export type OptionEvidence = Schemas["OptionEvidence"];
export type Outcome = Decision["outcome"];
export type Policy = Schemas["Policy"];
export type Queue = Schemas["QueueAnswer"];
export type Result = Schemas["RunResult"];
export type Run = Schemas["RunAnswer"];
export type RunEvent = Schemas["EventAnswer"];
export type RunMetrics = Schemas["MetricsAnswer"];
export type ScoresRun = Schemas["ScoresAnswer"];
export type SeedReport = Schemas["SeedReport"];
export type SeedValue = Schemas["SeedValue"];
export type Slice = Evidence["slices"][number];
export type Spent = Schemas["SpentAnswer"];
export type Verdict = GateCheck["verdict"] | GateReport["verdict"];
export type Waiting = Schemas["WaitingAnswer"];
export type Worker = Schemas["WorkerAnswer"];
export type Whoami = Schemas["WhoamiAnswer"];

/** A page of a list, newest first. */
export interface Page<T> {
  items: T[];
  next: string | null;
  /** How many match on all pages, where that was asked for. */
  total?: number | null;
}
