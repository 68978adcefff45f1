import { useState } from "preact/hooks";
import { usePoll, useLive } from "../poll";
import { lazily } from "../parts/lazy";
import { Trouble } from "../parts/state";
import { Tabs, useTab } from "../parts/tabs";
import { useTitle } from "../router";
import type { Dataset, Decision, Experiment, GateReport, Spent } from "../schemas";
import { ended } from "../states";
import { AnswerTab } from "./experiment/answer_tab";
import { GateTab } from "./experiment/gate_tab";
import { Head } from "./experiment/head";
import { SeedsTab } from "./experiment/seeds_tab";

const CurvesTab = lazily(() => import("./experiment/curves_tab").then((found) => found.CurvesTab));
const ErrorsTab = lazily(() => import("./experiment/errors_tab").then((found) => found.ErrorsTab));
const ConfigTab = lazily(() => import("./experiment/config_tab").then((found) => found.ConfigTab));

const TABS = [
  { tab: "answer", label: "Answer" },
  { tab: "curves", label: "Curves" },
  { tab: "seeds", label: "Seeds" },
  { tab: "gate", label: "Gate" },
  { tab: "errors", label: "Errors" },
  { tab: "config", label: "Config" },
] as const;
const NAMES = TABS.map(({ tab }) => tab);

export function ExperimentPage({ id }: { id: string }) {
  const path = `/v1/experiments/${id}`;
  const { value: experiment, trouble } = useLive<Experiment>(path, (found) => ended(found.state));
  const over = experiment !== null && ended(experiment.state);
  const bases = experiment?.jobs.some((job) => job.step === "51") ?? false;
  const gate = usePoll<GateReport>(
    bases ? `${path}/gate` : null,
    (report) => over || report.verdict !== "pending",
    undefined,
    experiment?.gate_verdict ?? null,
  );
  const spent = usePoll<Spent>(experiment ? `${path}/spent` : null, () => over);
  const decided = experiment?.outcome != null;
  const decisions = usePoll<Decision[]>(decided ? `${path}/decisions` : null, (found) => over || found.length > 1);
  const dataset = usePoll<Dataset>(experiment ? `/v1/datasets/${experiment.dataset}` : null, (found) => ended(found.state));
  useTitle(experiment?.name ?? null);
  // What is shown first stays: an answer that comes while somebody looks at the seeds is announced above them.
  const [first, setFirst] = useState<"answer" | "seeds" | null>(null);
  if (first === null && experiment !== null) setFirst(over || decided ? "answer" : "seeds");
  const tab = useTab(NAMES, first ?? "answer");
  if (experiment === null) return trouble ? <Trouble text={trouble} /> : <p class="quiet pad tall">Loading…</p>;
  const answers = decided ? decisions.value : [];
  const taken = answers ?? [];
  const report = bases ? gate.value : null;
  const weighed = experiment.jobs.some((job) => job.step?.startsWith("54-") && job.state === "succeeded");
  return (
    <>
      <Head experiment={experiment} dataset={dataset.value} decision={taken.at(-1)} gate={report} />
      <Tabs path={`/experiments/${id}`} name="Parts of the experiment" tabs={[...TABS]} shown={tab} />
      {tab === "answer" && <AnswerTab experiment={experiment} decisions={answers} gate={report} />}
      {tab === "curves" && <CurvesTab experiment={experiment} dataset={dataset.value} decisions={taken} />}
      {tab === "seeds" && <SeedsTab experiment={experiment} />}
      {tab === "gate" && <GateTab experiment={experiment} report={report} />}
      {tab === "errors" && <ErrorsTab experiment={experiment} weighed={weighed} />}
      {tab === "config" && <ConfigTab experiment={experiment} spent={spent.value} />}
    </>
  );
}
