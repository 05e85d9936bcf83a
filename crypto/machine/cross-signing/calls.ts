// The machine's calls for cross-signing.
import { followBackup } from "../backup/version.ts";
import type { Run } from "../context.ts";
import { type CrossSigningState, crossSigningState } from "./state.ts";
import { prepareIdentity, wantIdentity } from "./upload.ts";

export interface CrossSigningCalls {
  /** What cross-signing is at, and so what to do. */
  crossSigning(): CrossSigningState;
  /**
   * Wants an identity for our user: made once the server has said that there is none. Call it at each start; it does nothing where there is
   * one. It also begins to follow the user's key backup.
   * `replace`: in place of the one that is there, which every verification of this user ends with. Only when a person said so.
   */
  bootstrapCrossSigning(options?: { readonly replace?: boolean }): CrossSigningState;
}

export function crossSigningCalls(run: Run): CrossSigningCalls {
  return {
    crossSigning: () => run(crossSigningState),
    bootstrapCrossSigning: (options) =>
      run((context) => {
        followBackup(context);
        wantIdentity(context, options?.replace ?? false);
        prepareIdentity(context);
        return crossSigningState(context);
      }),
  };
}
