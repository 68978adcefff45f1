// Who the user is, and what may be changed; the server decides in the end. All tabs share the session.

import { type Away, type Refused, send } from "./api";
import { ME, type Polled, startOver } from "./poller";
import { usePoll } from "./poll";
import type { Whoami } from "./schemas";

/** Whether the user may make a thing, change one, or do what is for admins. */
export type Deed = "make" | "change" | "administer";

/** Whose a thing is, as every answer has it. */
export interface Owned {
  owner_id?: string | null;
}

const SESSION = "/v1/session";
const otherTabs = new BroadcastChannel("cellgate-session");
otherTabs.onmessage = startOver;

/** Sign in with a token, in every tab; returns why that was refused, null when it was not. */
export async function signIn(token: string): Promise<Refused | Away | null> {
  const answer = await send<Whoami>("POST", SESSION, { body: { token } });
  if (answer.kind !== "done") return answer;
  somebodyElse();
  return null;
}

/** Sign out in every tab. */
export async function signOut(): Promise<Refused | Away | null> {
  const answer = await send<void>("DELETE", SESSION);
  if (answer.kind !== "done") return answer;
  somebodyElse();
  return null;
}

function somebodyElse(): void {
  otherTabs.postMessage(null);
  startOver();
}

/** Who the user is, as it was read once; `status` 401 where a token is wanted. */
export function useWhoami(): Polled<Whoami> {
  return usePoll<Whoami>(ME, () => true, Infinity);
}

/** Who the user is; null until that is known, and where nobody is signed in. */
export function useMe(): Whoami | null {
  const { value, status } = useWhoami();
  return status === null ? value : null;
}

/**
 * Return whether the user may do something: `read` only looks, `submit` makes things and changes its own, `admin` does
 * everything. The same as in service/domain/rights.py.
 *
 * @param me From `useMe`; nobody may do anything.
 * @param deed What to do.
 * @param thing For `change`: the experiment, run, data set or bundle.
 */
export function may(me: Whoami | null, deed: Deed, thing?: Owned): boolean {
  if (me === null || me.scope === "read") return false;
  if (me.scope === "admin") return true;
  if (deed === "make") return true;
  return deed === "change" && thing?.owner_id != null && thing.owner_id === me.principal_id;
}
