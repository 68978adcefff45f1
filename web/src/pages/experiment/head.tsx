// What stands above every tab: the name, the answer or how far it is, and the steps. It keeps its height while it moves.

import { actionsOfExperiment } from "../../actions";
import { between, duration, moment } from "../../format";
import { Actions } from "../../parts/actions";
import { withCode } from "../../parts/code_text";
import { Name } from "../../parts/name";
import { Outcome } from "../../parts/outcome";
import { PinButton } from "../../parts/pins";
import { Strip } from "../../parts/strip";
import type { Dataset, Decision, Experiment, GateReport } from "../../schemas";
import { status, stepsOf, waitingRun } from "./steps";

export interface HeadProps {
  experiment: Experiment;
  dataset: Dataset | null;
  decision: Decision | undefined;
  gate: GateReport | null;
}

export function Head({ experiment, dataset, decision, gate }: HeadProps) {
  const steps = stepsOf(experiment, dataset?.state ?? null, decision);
  const first = waitingRun(experiment);
  const labels = Object.entries(experiment.labels);
  return (
    <div class="title experiment-head">
      <nav aria-label="Way here" class="crumbs">
        <a href="#/experiments">Experiments</a>
      </nav>
      <div class="page-head">
        <h1>
          <Name text={experiment.name} />
        </h1>
        <Outcome of={{ ...experiment, waiting: first?.waiting ? { ...first.waiting, queue: first.queue, since: first.created_at } : null }} pill />
        <div class="right">
          <Actions
            path={`/v1/experiments/${experiment.id}`}
            subject="experiment"
            state={experiment.state}
            of={experiment}
            actions={actionsOfExperiment(experiment)}
          />
          <PinButton id={experiment.id} />
          <a class="button" href={`#/compare?experiments=${experiment.id}`}>
            Compare
          </a>
        </div>
      </div>
      <p class="status-line" role="status">
        {withCode(status(experiment, decision, gate))}
      </p>
      <Strip of={{ steps, name: experiment.name, conclusion: experiment.conclusion }} labels />
      <p class="quiet small">
        {dataset ? <a href={`#/datasets/${dataset.id}`}>{dataset.name}</a> : experiment.dataset} · submitted{" "}
        {moment(experiment.created_at)}
        {experiment.owner && ` by ${experiment.owner}`} · took {duration(between(experiment.created_at, experiment.finished_at))} ·
        seeds {experiment.seeds.join(", ")}
        {experiment.autopilot ? "" : " · by hand, no autopilot"}
        {experiment.extends && (
          <>
            {" · extends "}
            <a href={`#/experiments/${experiment.extends}`}>an experiment with fewer seeds</a>
          </>
        )}
        {" · "}
        {experiment.id}
        {labels.map(([key, value]) => (
          <span key={key} class="tag">
            {key}: {value}
          </span>
        ))}
      </p>
    </div>
  );
}
