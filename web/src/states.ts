const TERMINAL = new Set(["succeeded", "failed", "cancelled", "ready"]);

/** Whether nothing can follow this state. */
export function ended(state: string): boolean {
  return TERMINAL.has(state);
}
