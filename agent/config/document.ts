// A YAML 1.2 file with the place of each of its nodes, so that every complaint can name line and column.
import { type Document, isAlias, isMap, isSeq, LineCounter, type Node, parseDocument, visit } from "yaml";

export type Path = readonly (string | number)[];

export interface Place {
  /** Both from 1. */
  readonly line: number;
  readonly column: number;
}

export interface ConfigDocument {
  readonly file: string;
  readonly value: unknown;
  /** Where the value at `path` stands; for a missing one, where its nearest parent does. */
  placeOf(path: Path): Place;
  /** Where the key at the end of `path` stands. */
  keyPlaceOf(path: Path): Place;
}

/** Something wrong with the configuration, at a place. */
export interface Problem {
  readonly file: string;
  readonly place: Place;
  /** Dotted path, empty for the whole file. */
  readonly path: string;
  readonly expected: string;
  readonly found: string;
  readonly hint?: string;
}

export const renderProblem = ({ file, place, path, expected, found, hint }: Problem): string =>
  `${file}:${place.line}:${place.column}: ${path === "" ? "" : `${path}: `}expected ${expected}, found ${found}${hint === undefined ? "" : ` (${hint})`}`;

export class ConfigError extends Error {
  readonly problems: readonly Problem[];
  constructor(problems: readonly Problem[]) {
    super(problems.map(renderProblem).join("\n"));
    this.name = "ConfigError";
    this.problems = problems;
  }
}

export const dotted = (path: Path): string => path.map(String).join(".");

/** A configuration repeats itself a few times; a "billion laughs" file does so without end. */
const ALIASES_MAX = 100;

const START: Place = { line: 1, column: 1 };

const placeAt = (counter: LineCounter, offset: number): Place => {
  const { line, col } = counter.linePos(offset);
  return line === 0 ? START : { line, column: col };
};

const startOf = (node: unknown): number | null => {
  const range = (node as Node | null)?.range; // yaml types pairs' members as unknown; every node it parsed has a range
  return range?.[0] ?? null;
};

const scalarText = (key: unknown): string => String((key as { value?: unknown } | null)?.value ?? key);

interface Step {
  readonly key: unknown;
  readonly value: unknown;
}

const stepInto = (node: unknown, segment: string | number): Step | null => {
  if (isMap(node)) {
    const pair = node.items.find((item) => scalarText(item.key) === String(segment));
    return pair === undefined ? null : { key: pair.key, value: pair.value };
  }
  if (isSeq(node)) {
    const item = node.items[Number(segment)];
    return item === undefined ? null : { key: item, value: item };
  }
  return null;
};

/** The nodes along `path`, as far as it exists. */
const follow = (root: unknown, path: Path): Step[] => {
  const steps: Step[] = [{ key: root, value: root }];
  for (const segment of path) {
    const here = steps.at(-1)?.value;
    const next = isAlias(here) ? null : stepInto(here, segment);
    if (next === null) break;
    steps.push(next);
  }
  return steps;
};

/** The parser's own words, without the place and without advice for programmers. */
const syntaxFault = (message: string): string => {
  const [first = ""] = message.split("\n");
  return first.replace(/ at line \d+.*$/, "").replace(/; please use YAML\..*$/, "");
};

/** The value; an alias without an anchor, or one that unfolds into millions of nodes, is found only here. */
const contentOf = (file: string, document: Document.Parsed): unknown => {
  try {
    return document.toJS({ maxAliasCount: ALIASES_MAX });
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error;
    const found = error.message;
    throw new ConfigError([
      { file, place: START, path: "", expected: "aliases that can be followed", found },
    ]);
  }
};

/** The one key that a plain object does not take: what stands below it would be left out without a word. */
const FORBIDDEN_KEY = "__proto__";

const forbiddenKeys = (document: Document.Parsed): number[] => {
  const offsets: number[] = [];
  visit(document, {
    Pair: (_, { key }) => {
      if (scalarText(key) === FORBIDDEN_KEY) offsets.push(startOf(key) ?? 0);
    },
  });
  return offsets;
};

/** Parses the text of a file. Throws `ConfigError` with the place of each syntax error. */
export const parseConfigDocument = (file: string, text: string): ConfigDocument => {
  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter, uniqueKeys: true, version: "1.2" });
  if (document.errors.length > 0) {
    const problems = document.errors.map((error) => ({
      file,
      place: placeAt(counter, error.pos[0]),
      path: "",
      expected: "YAML 1.2",
      found: syntaxFault(error.message),
    }));
    throw new ConfigError(problems);
  }
  const forbidden = forbiddenKeys(document).map((offset) => ({
    file,
    place: placeAt(counter, offset),
    path: "",
    expected: "another name",
    found: `"${FORBIDDEN_KEY}"`,
  }));
  if (forbidden.length > 0) throw new ConfigError(forbidden);
  const lastPlace = (path: Path, part: "key" | "value"): Place => {
    const steps = follow(document.contents, path);
    const offset = startOf(steps.at(-1)?.[part]) ?? startOf(steps.at(-1)?.key);
    return offset === null ? START : placeAt(counter, offset);
  };
  return {
    file,
    value: contentOf(file, document),
    placeOf: (path) => lastPlace(path, "value"),
    keyPlaceOf: (path) => lastPlace(path, "key"),
  };
};
