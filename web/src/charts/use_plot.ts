// A plot that lives as long as its chart: new points are given to it, and only another shape makes a new one.

import { type RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { dataOf, type Drawing, drawn, HEIGHT, type Hooks, shapeOf } from "./plot";
import { extent } from "./series";

/** A chart is drawn before it is scrolled into view by so much. */
const NEAR = "200px";

/**
 * Draw into an element, while it is in view: at most once per frame of the screen, and never in a hidden tab.
 *
 * @param drawing What to draw; null: nothing.
 * @param look Changes when a new plot is needed though the drawing's shape is the same, such as for other colours.
 * @returns A function that shows or hides the single seeds.
 */
export function usePlot(
  holder: RefObject<HTMLDivElement | null>,
  drawing: Drawing | null,
  look: string,
  hooks: Omit<Hooks, "onZoom"> & { onZoom: Hooks["onZoom"] | undefined },
): (show: boolean) => void {
  const plot = useRef<Plot | null>(null);
  const latest = useRef(hooks);
  latest.current = hooks;

  useEffect(() => {
    const element = holder.current;
    if (element === null) return undefined;
    const made = new Plot(element, {
      onCursor: (x) => latest.current.onCursor(x),
      onZoom: (window) => latest.current.onZoom?.(window),
      syncKey: hooks.syncKey,
    });
    plot.current = made;
    return () => made.end();
  }, [look]);
  useEffect(() => plot.current?.show(drawing), [drawing, look]);
  return (show) => plot.current?.showSeeds(show);
}

class Plot {
  #drawing: Drawing | null = null;
  #made: uPlot | null = null;
  #shape = "";
  #seeds: number[] = [];
  #inView = false;
  #stale = false;
  #frame = 0;
  readonly #seen: IntersectionObserver;
  readonly #printed = new AbortController();
  readonly #sized: ResizeObserver;

  constructor(
    readonly element: HTMLElement,
    readonly hooks: Hooks,
  ) {
    this.#seen = new IntersectionObserver(
      (entries) => {
        this.#inView = entries.at(-1)?.isIntersecting ?? false;
        this.#drawSoon();
      },
      { rootMargin: NEAR },
    );
    this.#seen.observe(element);
    this.#sized = new ResizeObserver(() => this.#made?.setSize({ width: element.clientWidth, height: HEIGHT }));
    this.#sized.observe(element);
    const print = () => this.#stale && this.#draw();
    window.addEventListener("beforeprint", print, { signal: this.#printed.signal });
  }

  /** Draw this as soon as it can be seen. */
  show(drawing: Drawing | null): void {
    if (this.#drawing === drawing) return;
    this.#drawing = drawing;
    this.#stale = true;
    this.#drawSoon();
  }

  showSeeds(show: boolean): void {
    const made = this.#made;
    made?.batch(() => {
      for (const place of this.#seeds) made.setSeries(place, { show });
    });
  }

  end(): void {
    cancelAnimationFrame(this.#frame);
    this.#seen.disconnect();
    this.#sized.disconnect();
    this.#printed.abort();
    this.#remove();
  }

  #drawSoon(): void {
    if (!this.#stale || !this.#inView || this.#frame !== 0) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #draw(): void {
    const { element } = this;
    this.#stale = false;
    const drawing = this.#drawing;
    if (drawing === null) return this.#remove();
    const shape = shapeOf(drawing);
    if (this.#made !== null && shape === this.#shape) this.#made.setData(dataOf(drawing));
    else this.#make(drawing, shape);
    // What is drawn, for who checks it against what was measured.
    element.dataset["highest"] = String(highestOf(this.#made?.data ?? [[]]));
  }

  #make(drawing: Drawing, shape: string): void {
    this.#remove();
    const { options, seeds } = drawn(this.element, () => this.#drawing ?? drawing, this.hooks);
    this.#made = new uPlot(options, dataOf(drawing), this.element);
    this.#shape = shape;
    this.#seeds = seeds;
    if (this.element.matches(":hover")) this.showSeeds(true);
  }

  #remove(): void {
    this.#made?.destroy();
    this.#made = null;
  }
}

function highestOf([, ...rows]: uPlot.AlignedData): number {
  return extent(rows.map((row) => extent([...row].filter((value): value is number => typeof value === "number"))[1]))[1];
}
