// One site for the tests of a file: they are steps of one story, in their order, as the life of an installation is.
import { afterAll } from "vitest";

/** What was given to `atEnd` is done when the file's tests are over, last first. */
export const atEndOfFile = (): ((work: () => unknown) => void) => {
  const works: (() => unknown)[] = [];
  afterAll(async () => {
    for (const work of works.reverse()) await work();
  });
  return (work) => void works.push(work);
};
