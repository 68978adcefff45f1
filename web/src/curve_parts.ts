// Curves that grow: what was measured meanwhile is added to what is held, so that only that travels.

import type { Curve } from "./schemas";

/**
 * Return a curve with the points of a later part; the same object where the part has nothing new.
 *
 * A step that is held already has the part's value: of two attempts at a step the later one counts. A step between
 * those of a thinned curve has no place in it.
 */
export function extended(held: Curve, part: Curve): Curve {
  const last = held.steps.at(-1) ?? -Infinity;
  const first = part.steps.findIndex((step) => step > last);
  const fresh = first < 0 ? part.steps.length : first;
  const measuredAgain = part.steps.slice(0, fresh).flatMap((step, place) => {
    const at = held.steps.lastIndexOf(step);
    return at >= 0 && held.values[at] !== part.values[place] ? [[at, part.values[place] as number] as const] : [];
  });
  if (fresh === part.steps.length && measuredAgain.length === 0) return held;
  const values = [...held.values, ...part.values.slice(fresh)];
  for (const [at, value] of measuredAgain) values[at] = value;
  return {
    ...held,
    values,
    steps: [...held.steps, ...part.steps.slice(fresh)],
    times_s: [...(held.times_s ?? []), ...(part.times_s ?? []).slice(fresh)],
    epochs: held.epochs && part.epochs ? [...held.epochs, ...part.epochs.slice(fresh)] : null,
    points: held.points + part.steps.length - fresh,
  };
}

/** Return all curves with the points of a later answer; the same array where there is nothing new. */
export function allExtended(held: Curve[], parts: Curve[]): Curve[] {
  const byKey = new Map(parts.map((part) => [part.key, part]));
  const grown = held.map((curve) => {
    const part = byKey.get(curve.key);
    byKey.delete(curve.key);
    return part === undefined ? curve : extended(curve, part);
  });
  if (byKey.size === 0 && grown.every((curve, place) => curve === held[place])) return held;
  // The server's order: by key.
  return [...grown, ...byKey.values()].sort((one, other) => (one.key < other.key ? -1 : 1));
}

/** Whether a later answer knows the epochs of steps of which they were not known: then all must be read anew. */
export function knowsEpochs(held: Curve[], parts: Curve[]): boolean {
  const known = new Set(parts.filter((part) => part.epochs != null).map((part) => part.key));
  return held.some((curve) => curve.epochs == null && known.has(curve.key));
}

/** Until when a run's points are held, in seconds since its first attempt began. */
export function heldUntilS(curves: Curve[]): number {
  return Math.max(0, ...curves.map((curve) => curve.times_s?.at(-1) ?? 0));
}
