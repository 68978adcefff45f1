import { usePoll } from "../poll";
import type { Worker } from "../schemas";

const READ_EVERY_S = 15;

/** How many workers are there, in the header. */
export function Workers() {
  const { value } = usePoll<Worker[]>("/v1/workers", () => true, READ_EVERY_S);
  if (value === null) return <span class="workers" />;
  const workers = value.filter((worker) => worker.alive);
  const slots = workers.reduce((sum, worker) => sum + worker.slots, 0);
  const text = workers.length
    ? `${workers.length} ${workers.length === 1 ? "worker" : "workers"}, ${slots} ${slots === 1 ? "slot" : "slots"}`
    : "no worker is alive";
  return <span class={workers.length ? "workers" : "workers bad"}>{text}</span>;
}
