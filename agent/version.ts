// The version that runs, and the date before which no honest clock can be. The build writes both in (scripts/build.ts); unbuilt code says so.
declare const PETREL_VERSION: string | undefined;
declare const PETREL_BUILD_MS: number | undefined;

export const VERSION: string = typeof PETREL_VERSION === "undefined" ? "0.1.0-dev" : PETREL_VERSION;

/** Milliseconds since the epoch. */
export const BUILD_MS: number =
  typeof PETREL_BUILD_MS === "undefined" ? Date.UTC(2026, 10, 1) : PETREL_BUILD_MS;
