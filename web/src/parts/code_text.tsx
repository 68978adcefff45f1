import type { ComponentChildren } from "preact";

/** Text of which every part between backquotes is a command or a name. */
export function withCode(text: string): ComponentChildren[] {
  return text.split("`").map((part, place) => (place % 2 ? <code key={place}>{part}</code> : part));
}
