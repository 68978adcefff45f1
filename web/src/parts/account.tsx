// Who is signed in, in the header.

import { useState } from "preact/hooks";
import { signOut, useMe } from "../me";

/** The API's reference; and the user's name and scope and a way out, where a token is needed. */
export function Account() {
  const me = useMe();
  const [trouble, setTrouble] = useState<string | null>(null);
  const reference = <a href="/docs">API</a>;
  if (me === null || me.session_expires_at == null) return <div class="account">{reference}</div>;

  async function leave(): Promise<void> {
    const refused = await signOut();
    setTrouble(refused === null ? null : `Still signed in: ${refused.detail}`);
  }

  return (
    <div class="account">
      {reference}
      <span role="alert">{trouble}</span>
      <span>
        {me.name} <span class="quiet">({me.scope})</span>
      </span>
      <button type="button" class="bare" onClick={leave}>
        Sign out
      </button>
    </div>
  );
}
