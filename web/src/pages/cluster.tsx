// Who does the work: whether every queue is served, what each worker did in the last hour, and how to change that.

import { useState } from "preact/hooks";
import { Ask, type Request } from "../parts/ask";
import { Command } from "../parts/command";
import { Trouble } from "../parts/state";
import { count, duration } from "../format";
import { usePoll } from "../poll";
import { useTitle } from "../router";
import type { Page, Queue, Run, Worker } from "../schemas";
import { Lanes } from "./cluster/lanes";

const EVERY_S = 5;
const WORKERS = "/v1/workers";
const AT_WORK = ["starting", "running", "pausing", "cancelling", "recovering"].map((state) => `&state=${state}`).join("");
const ENDED = ["succeeded", "failed", "cancelled", "paused"].map((state) => `&state=${state}`).join("");

export function ClusterPage() {
  const never = () => false;
  const { value: workers, trouble } = usePoll<Worker[]>(WORKERS, never, EVERY_S);
  const { value: queues } = usePoll<Queue[]>("/v1/queues", never, EVERY_S);
  const { value: held } = usePoll<Page<Run>>(`/v1/runs?limit=500${AT_WORK}`, never, EVERY_S);
  const { value: done } = usePoll<Page<Run>>(`/v1/runs?limit=200${ENDED}`, never, 2 * EVERY_S);
  const [asked, setAsked] = useState<Request | null>(null);
  useTitle("Cluster");
  if (workers === null && trouble) return <Trouble text={trouble} />;
  return (
    <>
      <div class="page-head">
        <h1>Cluster</h1>
        <p class="quiet">{workers === null || queues === null ? "Loading…" : sentenceOf(workers, queues)}</p>
      </div>
      <section class="card" aria-labelledby="queues">
        <h2 id="queues">Queues</h2>
        {queues && <Queues items={queues} workers={workers ?? []} />}
      </section>
      <section class="card" aria-labelledby="workers">
        <h2 id="workers">Workers in the last hour</h2>
        {workers?.length === 0 && (
          <>
            <p class="quiet">No worker has reported. On a machine that should train:</p>
            <Command text="cellgate run-worker" />
          </>
        )}
        {workers && workers.length > 0 && (
          <Lanes workers={workers} runs={[...(held?.items ?? []), ...(done?.items ?? [])]} onAsk={setAsked} />
        )}
      </section>
      {asked && <Ask request={asked} shownBy={WORKERS} onClose={() => setAsked(null)} />}
    </>
  );
}

function sentenceOf(workers: Worker[], queues: Queue[]): string {
  const alone = queues.filter((queue) => queue.queued > 0 && queue.workers === 0);
  if (alone.length > 0) {
    const names = alone.map(({ name }) => name).join(", ");
    return `Nobody serves ${alone.length === 1 ? "queue" : "the queues"} ${names}: start a worker.`;
  }
  const alive = workers.filter((worker) => worker.alive);
  if (alive.length === 0) return "No worker is alive: nothing can run.";
  const slots = alive.reduce((sum, worker) => sum + worker.slots, 0);
  const busy = alive.reduce((sum, worker) => sum + worker.runs.length, 0);
  const waiting = queues.reduce((sum, queue) => sum + queue.queued, 0);
  return (
    `All is well: ${alive.length} ${alive.length === 1 ? "worker" : "workers"}, ${busy} of ${slots} slots at work, ` +
    `${waiting === 0 ? "nothing waits" : `${count(waiting)} ${waiting === 1 ? "run waits" : "runs wait"}`}.`
  );
}

const FIGURES: { title: string; of: (queue: Queue) => string }[] = [
  { title: "Waiting", of: ({ queued }) => count(queued) },
  { title: "Oldest waits", of: ({ oldest_wait_s }) => duration(oldest_wait_s) },
  { title: "Running", of: ({ running }) => count(running) },
  { title: "Paused", of: ({ paused }) => count(paused) },
  { title: "Workers", of: ({ workers }) => count(workers) },
  { title: "Free slots", of: ({ free_slots, slots }) => `${count(free_slots)} of ${count(slots)}` },
];

function Queues({ items, workers }: { items: Queue[]; workers: Worker[] }) {
  if (items.length === 0) return <p class="quiet">No run waits, and no worker serves a queue.</p>;
  return (
    <div class="scroll" tabIndex={0} role="group" aria-labelledby="queues">
      <table class="queues">
        <thead>
          <tr>
            <th scope="col">Queue</th>
            {FIGURES.map(({ title }) => (
              <th key={title} scope="col" class="number">
                {title}
              </th>
            ))}
            <th scope="col">What to do</th>
          </tr>
        </thead>
        <tbody>
          {items.map((queue) => (
            <tr key={queue.name}>
              <th scope="row">{queue.name}</th>
              {FIGURES.map(({ title, of }) => (
                <td key={title} class="number" data-name={title}>
                  {of(queue)}
                </td>
              ))}
              <td class="todo">
                <Todo queue={queue} workers={workers} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Todo({ queue, workers }: { queue: Queue; workers: Worker[] }) {
  if (queue.workers === 0 && queue.queued + queue.paused > 0) {
    return <Command text={`CELLGATE_QUEUES='["${queue.name}"]' cellgate run-worker`} />;
  }
  const serving = workers.filter(({ alive, queues }) => alive && queues.includes(queue.name));
  if (queue.queued > 0 && serving.length > 0 && serving.every((worker) => worker.draining)) {
    return <span class="warn">Its workers drain: resume one, or start another</span>;
  }
  if (queue.queued > 0 && queue.free_slots === 0) return <span class="quiet">Waits for a free slot; more workers are faster</span>;
  return <span class="quiet">Nothing</span>;
}
