// User-interactive authentication with a password (Client-Server API, "User-Interactive Authentication API").
import type { SignedCall } from "./call.ts";
import { objectAt, stringAt } from "./json.ts";
import { Refusal } from "./refusal.ts";
import { freshId } from "./world.ts";

/** Returns when the body's `auth` proves the password; otherwise throws the 401 that asks for it. */
export const passInteractive = (call: SignedCall): void => {
  const auth = objectAt(call.body(), "auth");
  const session = auth === null ? null : stringAt(auth, "session");
  const isOpen = session !== null && call.world.userInteractive.get(session) === call.user.userId;
  if (auth !== null && isOpen && stringAt(auth, "password") === call.user.password) {
    call.world.userInteractive.delete(session);
    return;
  }
  const fresh = isOpen ? session : freshId(call.world, "uia").slice(0, 24);
  call.world.userInteractive.set(fresh, call.user.userId);
  const why = auth !== null && isOpen ? { errcode: "M_FORBIDDEN", error: "Invalid password" } : {};
  throw new Refusal(401, null, "", {
    ...why,
    session: fresh,
    flows: [{ stages: ["m.login.password"] }],
    params: {},
  });
};
