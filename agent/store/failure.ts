// The end of trust: the first error after which nothing that the store says would be worth anything. It happens once and is never taken back.
import type { StoreError } from "./store.ts";

export interface Failure {
  /** Aborted with the error; its listeners run before `fail` returns. */
  readonly signal: AbortSignal;
  readonly error: StoreError | null;
  fail(error: StoreError): void;
}

export const createFailure = (): Failure => {
  const controller = new AbortController();
  let first: StoreError | null = null;
  return {
    signal: controller.signal,
    get error() {
      return first;
    },
    fail: (error) => {
      if (first !== null) return;
      first = error;
      controller.abort(error);
    },
  };
};
