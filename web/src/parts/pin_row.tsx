import { useEffect } from "preact/hooks";
import { usePins } from "../pins";
import { usePoll } from "../poll";
import type { Experiment } from "../schemas";
import { ended } from "../states";
import { Name } from "./name";
import { Outcome } from "./outcome";

const EVERY_S = 10;
const GONE = 404;

/** The pinned experiments. */
export function PinRow() {
  const [pins, toggle] = usePins();
  return (
    <ul class="pins" aria-label="Pinned experiments">
      {pins.map((id) => (
        <Pin key={id} id={id} onGone={() => toggle(id)} />
      ))}
    </ul>
  );
}

function Pin({ id, onGone }: { id: string; onGone: () => void }) {
  const { value, status } = usePoll<Experiment>(`/v1/experiments/${id}`, (found) => ended(found.state), EVERY_S);
  useEffect(() => {
    if (status === GONE) onGone();
  }, [status]);
  return (
    <li>
      <a href={`#/experiments/${id}`} class="plain">
        <Name text={value?.name ?? id} />
      </a>
      {value && <Outcome of={{ ...value, waiting: null }} />}
    </li>
  );
}
