import { TokenForm } from "../parts/token";
import { State, Trouble, VerdictMark } from "../parts/state";
import { age, between, duration, moment, outcomeName } from "../format";
import { useLive } from "../poll";
import type { ExperimentSummary, Page } from "../schemas";

export function ExperimentsPage() {
  const { value, trouble, status } = useLive<Page<ExperimentSummary>>("/v1/experiments?limit=100");
  if (status === 401) return <TokenForm />;
  if (value === null) return trouble ? <Trouble text={trouble} /> : <p class="quiet pad">Loading…</p>;
  return (
    <section class="card">
      <div class="head">
        <h1>Experiments</h1>
        <span class="quiet">{value.items.length}, newest first</span>
      </div>
      {value.items.length === 0 ? <Empty /> : <List items={value.items} />}
    </section>
  );
}

function Empty() {
  return (
    <div class="empty">
      <p>No experiment yet. Prepare a data set and submit an experiment on it:</p>
      <pre>
        cellgate dataset add functions.jsonl --name mine --wait{"\n"}cellgate submit examples/demo.yaml --dataset mine
        --watch
      </pre>
    </div>
  );
}

function List({ items }: { items: ExperimentSummary[] }) {
  return (
    <div class="scroll">
      <table class="list">
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">State</th>
            <th scope="col">Runs</th>
            <th scope="col">Gate</th>
            <th scope="col">Decision</th>
            <th scope="col" class="number">
              Took
            </th>
            <th scope="col" class="number">
              Age
            </th>
          </tr>
        </thead>
        <tbody>
          {items.map((item) => (
            <tr key={item.id}>
              <th scope="row">
                <a href={`#/experiments/${item.id}`}>{item.name}</a>
                <small>{item.id}</small>
              </th>
              <td>
                <State state={item.state} />
              </td>
              <td>
                <div class="runs">
                  <progress max={item.runs_total || 1} value={item.runs_done} aria-label={`Runs of ${item.name}`} />
                  <span>
                    {item.runs_done}/{item.runs_total}
                  </span>
                </div>
              </td>
              <td>
                <VerdictMark verdict={item.gate_verdict} />
              </td>
              <td>{item.outcome ? outcomeName(item.outcome) : <span class="quiet">–</span>}</td>
              <td class="number">{duration(between(item.created_at, item.finished_at))}</td>
              <td class="number" title={moment(item.created_at)}>
                {age(item.created_at)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
