import { usePins } from "../pins";
import { lazily } from "./lazy";

const PinRow = lazily(() => import("./pin_row").then((found) => found.PinRow), "pins-place");

/** A row of the experiments that a person has pinned; nothing without any. */
export function Pins() {
  const [pins] = usePins();
  return pins.length === 0 ? null : <PinRow />;
}

/** A button that pins an experiment, or lets it go. */
export function PinButton({ id }: { id: string }) {
  const [pins, toggle] = usePins();
  const pinned = pins.includes(id);
  return (
    <button type="button" aria-pressed={pinned} title="Shown above all others, in this browser" onClick={() => toggle(id)}>
      {pinned ? "Pinned" : "Pin"}
    </button>
  );
}
