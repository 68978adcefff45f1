// How curves are looked at: by step, epoch or time, smoothed or not, all or a part; one row of controls for all charts.

import type { CurveAxis } from "../metrics";

export interface View {
  axis: CurveAxis;
  /** Logarithmic values where nothing is below zero. */
  log: boolean;
  /** Weight of what came before; 0 draws what was measured. */
  smoothing: number;
  /** Each seed as a line of its own, instead of their mean and band. */
  each: boolean;
  /** The part of x that is shown; null: all. */
  window: [number, number] | null;
}

export const FIRST_VIEW: View = { axis: "step", log: false, smoothing: 0, each: false, window: null };

const NAMES: Record<CurveAxis, string> = { step: "Step", epoch: "Epoch", time: "Time" };

export interface ViewControlsProps {
  view: View;
  axes: CurveAxis[];
  onView: (view: View) => void;
  /** Whether there are seeds to be drawn one by one. */
  seeds?: boolean;
}

export function ViewControls({ view, axes, onView, seeds = false }: ViewControlsProps) {
  return (
    <div class="view-controls">
      <Choice
        name="Horizontal"
        options={(["step", "epoch", "time"] as const).map((axis) => ({ value: axis, text: NAMES[axis], disabled: !axes.includes(axis) }))}
        chosen={view.axis}
        onChoose={(axis) => onView({ ...view, axis, window: null })}
      />
      {seeds && (
        <Choice
          name="Seeds"
          options={[
            { value: "band", text: "Mean and band", disabled: false },
            { value: "each", text: "Each", disabled: false },
          ]}
          chosen={view.each ? "each" : "band"}
          onChoose={(how) => onView({ ...view, each: how === "each" })}
        />
      )}
      <label class="check">
        <input type="checkbox" checked={view.log} onChange={(event) => onView({ ...view, log: event.currentTarget.checked })} />
        Log losses
      </label>
      <label class="slider">
        Smoothing
        <input
          type="range"
          min="0"
          max="0.98"
          step="0.02"
          value={view.smoothing}
          onInput={(event) => onView({ ...view, smoothing: Number(event.currentTarget.value) })}
        />
        <output>{view.smoothing === 0 ? "off" : view.smoothing.toFixed(2)}</output>
      </label>
      <button type="button" class="link" disabled={view.window === null} onClick={() => onView({ ...view, window: null })}>
        Whole range
      </button>
      <span class="quiet hint">Drag over a chart to zoom in</span>
    </div>
  );
}

interface ChoiceProps<T extends string> {
  name: string;
  options: { value: T; text: string; disabled: boolean }[];
  chosen: T;
  onChoose: (value: T) => void;
}

/** Buttons of which one is pressed. */
export function Choice<T extends string>({ name, options, chosen, onChoose }: ChoiceProps<T>) {
  return (
    <div class="choice" role="group" aria-label={name}>
      {options.map(({ value, text, disabled }) => (
        <button key={value} type="button" aria-pressed={value === chosen} disabled={disabled} onClick={() => onChoose(value)}>
          {text}
        </button>
      ))}
    </div>
  );
}
