// The native half of onoff, compiled for the Node that runs this: an `npm ci` compiles it for the Node that npm itself ran on, or not at all.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

export const compileEpoll = (): Uint8Array => {
  const folder = mkdtempSync(join(tmpdir(), "petrel-epoll-"));
  const out = join(folder, "epoll.node");
  const headers = join(dirname(process.execPath), "../include/node");
  const flags = [
    "-shared",
    "-fPIC",
    "-O1",
    "-std=c++20",
    "-DNODE_GYP_MODULE_NAME=epoll",
    "-DBUILDING_NODE_EXTENSION",
  ];
  try {
    execFileSync("g++", [
      ...flags,
      "-I",
      headers,
      "-I",
      "node_modules/nan",
      "node_modules/epoll/src/epoll.cc",
      "-o",
      out,
    ]);
    return readFileSync(out);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
