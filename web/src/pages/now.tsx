// The first page. From top to bottom: is it fine, what needs a person and what to do about it, what runs, what came out.

import { duration, score, shortAge, signed } from "../format";
import { OVERVIEW } from "../overview";
import { Attentions } from "../parts/attention";
import { Coded } from "../parts/coded";
import { Empty } from "../parts/empty";
import { Interval } from "../parts/interval";
import { Name } from "../parts/name";
import { Outcome } from "../parts/outcome";
import { Panel } from "../parts/panel";
import { Pins } from "../parts/pins";
import { Sparkline } from "../parts/sparkline";
import { Trouble } from "../parts/state";
import { Strip } from "../parts/strip";
import { useKeptOrder } from "../kept_order";
import { ROW } from "../keys";
import { useLive } from "../poll";
import { useTitle } from "../router";
import type { LatestExperiment, Overview, OngoingExperiment } from "../schemas";

export function NowPage() {
  const { value, trouble } = useLive<Overview>(OVERVIEW);
  useTitle("Now");
  if (value === null && trouble) return <Trouble text={trouble} />;
  if (value !== null && isEmpty(value)) return <Empty />;
  return (
    <div class="now">
      <div class="top">
        <div class="page-head">
          <h1>Now</h1>
          <p class="quiet">{value === null ? "Loading…" : sentenceOf(value)}</p>
        </div>
        <Pins />
      </div>
      <Panel id="needs-you" title="Needs you" count={value?.counts.attention} loud>
        {value && <Attentions items={value.attention} total={value.counts.attention} />}
      </Panel>
      <Panel id="running" title="Running" count={value && value.counts.running + value.counts.waiting}>
        {value && <RunningList items={value.running} />}
      </Panel>
      <Panel id="latest" title="Latest answers" more={{ href: "#/experiments?lifecycle=ended", text: "All that ended" }}>
        {value && <Latest items={value.latest} />}
      </Panel>
    </div>
  );
}

function isEmpty({ counts }: Overview): boolean {
  return counts.running + counts.waiting + counts.attention + counts.ended === 0;
}

function sentenceOf({ counts: { attention, running, waiting } }: Overview): string {
  const first =
    attention === 0 ? "All is well: nothing needs you." : `${attention} ${attention === 1 ? "thing needs" : "things need"} you.`;
  const runs = `${running} ${running === 1 ? "experiment is" : "experiments are"} on the way`;
  return `${first} ${runs}${waiting > 0 ? `, ${waiting} ${waiting === 1 ? "waits" : "wait"} for data` : ""}.`;
}

function RunningList({ items }: { items: OngoingExperiment[] }) {
  const inOrder = useKeptOrder(items);
  if (items.length === 0) {
    return (
      <p class="quiet">
        Nothing is on the way. <a href="#/new">Start an experiment</a>
      </p>
    );
  }
  return (
    <ul class="running">
      {inOrder.map((item) => (
        <li key={item.id}>
          <div class="what">
            <a href={`#/experiments/${item.id}`} class="plain" {...ROW}>
              <Name text={item.name} />
            </a>
            <span class="tag" title={`Data set ${item.dataset_name}`}>
              <bdi>{item.dataset_name}</bdi>
            </span>
          </div>
          <Outcome of={item} />
          <span class="eta number">{item.eta_s === null ? "" : `${duration(item.eta_s)} left`}</span>
          <Strip of={item} labels />
          <Sparkline points={item.f1_curve} gate={item.gate_f1} name={item.name} />
          {item.waiting && <p class="why"><Coded text={item.waiting.detail} /></p>}
        </li>
      ))}
    </ul>
  );
}

function Latest({ items }: { items: LatestExperiment[] }) {
  if (items.length === 0) return <p class="quiet">Nothing has ended yet.</p>;
  return (
    <table class="latest">
      <thead>
        <tr>
          <th scope="col">Answer</th>
          <th scope="col">Experiment</th>
          <th scope="col" class="wide">
            Data set
          </th>
          <th scope="col">Best F1 against the gate</th>
          <th scope="col" class="wide">
            Against the one before
          </th>
          <th scope="col" class="number wide">
            Took
          </th>
          <th scope="col" class="number">
            Ended
          </th>
        </tr>
      </thead>
      <tbody>
        {items.map((item) => (
          <tr key={item.id}>
            <td>
              <Outcome of={item} pill />
            </td>
            <th scope="row">
              <a href={`#/experiments/${item.id}`} class="plain" {...ROW}>
                <Name text={item.name} />
              </a>
            </th>
            <td class="wide">
              <Name text={item.dataset_name} />
            </td>
            <td>
              <Interval f1={item.f1} gateF1={item.gate_f1} />
            </td>
            <td class="wide">
              <Difference of={item} />
            </td>
            <td class="number wide">{duration(item.took_s)}</td>
            <td class="number">{item.finished_at ? shortAge(item.finished_at) : ""}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Difference({ of: { id, previous, f1 } }: { of: LatestExperiment }) {
  if (previous === null || f1 === null) return <span class="quiet">–</span>;
  return (
    <a
      href={`#/compare?experiments=${id},${previous.id}`}
      class="plain difference"
      title={`${score(f1.mean, 3)} against ${score(f1.mean - previous.difference, 3)} of ${previous.name}`}
    >
      <span class="number">{signed(previous.difference, 3)}</span> <Name text={previous.name} />
    </a>
  );
}
