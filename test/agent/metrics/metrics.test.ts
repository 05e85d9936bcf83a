// A running agent's metrics, over HTTP, over a UNIX socket and through `petrel metrics`, read by a parser that takes nothing but what the formats allow.
import { statSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { makeSite, type Petrel, type Site } from "../cli/petrel.ts";
import { type ReadFamily, readExposition } from "./parse.ts";

interface Got {
  readonly status: number | undefined;
  readonly type: string | undefined;
  readonly text: string;
}

const get = (where: object, path = "/metrics", headers = {}, method = "GET"): Promise<Got> =>
  new Promise((resolve, reject) => {
    const sent = request({ ...where, path, headers, method, agent: false }, (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (chunk: string) => (text += chunk));
      answer.on("end", () =>
        resolve({ status: answer.statusCode, type: answer.headers["content-type"], text }),
      );
    });
    sent.on("error", reject);
    sent.end();
  });

let site: Site;
let agent: Petrel;
let port: number;

beforeAll(async () => {
  site = await makeSite({ encrypted: true, more: 'metrics: { listen: "127.0.0.1:0" }' });
  agent = site.start(["run"]);
  await agent.says(/metrics are served/);
  await agent.says(/the homeserver is reachable/);
  port = Number(/"address":"127\.0\.0\.1:(\d+)"/.exec(agent.stderr() + agent.stdout())?.[1]);
});

const value = (families: readonly ReadFamily[], name: string, labels: object = {}): number | undefined =>
  families
    .flatMap(({ samples }) => samples)
    .find((sample) => sample.name === name && JSON.stringify(sample.labels) === JSON.stringify(labels))
    ?.value;

const scrape = async (): Promise<ReadFamily[]> => readExposition((await get({ port })).text);

const until = async (is: (families: readonly ReadFamily[]) => boolean): Promise<ReadFamily[]> => {
  for (;;) {
    const families = await scrape();
    if (is(families)) return families;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};

describe("the metrics of a running agent", () => {
  it("show what is read, sent and kept", async () => {
    const families = await until(
      (all) => (value(all, "petrel_events_sent_total", { lane: "bulk" }) ?? 0) > 0,
    );
    expect(value(families, "petrel_homeserver_reachable")).toBe(1);
    expect(value(families, "petrel_driver_up", { driver: "sim" })).toBe(1);
    expect(value(families, "petrel_driver_readings_total", { driver: "sim" })).toBeGreaterThan(0);
    expect(value(families, "petrel_channel_readings_total", { channel: "battery/voltage" })).toBeGreaterThan(
      0,
    );
    expect(value(families, "petrel_send_attempts_total", { lane: "bulk" })).toBeGreaterThan(0);
    expect(value(families, "petrel_budget_limited")).toBe(0);
    expect(value(families, "petrel_journal_readings")).toBeGreaterThanOrEqual(0);
    expect(value(families, "petrel_outbox_events", { lane: "alarm" })).toBe(0);
    expect(value(families, "petrel_disk_written_bytes_total")).toBeGreaterThanOrEqual(0);
    expect(value(families, "process_resident_memory_bytes")).toBeGreaterThan(1e7);
    expect(families.some(({ name }) => name === "petrel_undecryptable_events")).toBe(false);
  });

  it("have the loop's delay from the second look on, and follow /sync", async () => {
    const families = await until(
      (all) =>
        value(all, "petrel_event_loop_delay_max_seconds") !== undefined &&
        value(all, "petrel_sync_state", { state: "online" }) === 1,
    );
    expect(value(families, "petrel_event_loop_delay_max_seconds")).toBeGreaterThanOrEqual(0);
    expect(value(families, "petrel_sync_answers_total")).toBeGreaterThan(0);
  });

  it("come as OpenMetrics for who asks, and at no other address", async () => {
    const got = await get({ port }, "/metrics", { accept: "application/openmetrics-text; version=1.0.0" });
    expect(got).toMatchObject({
      status: 200,
      type: "application/openmetrics-text; version=1.0.0; charset=utf-8",
    });
    expect(readExposition(got.text, true).length).toBeGreaterThan(20);
    expect(await get({ port }, "/")).toMatchObject({ status: 404 });
    expect(await get({ port }, "/metrics", {}, "POST")).toMatchObject({ status: 405 });
  });

  it("are printed by petrel metrics", async () => {
    const ran = await site.petrel(["metrics"]);
    expect(ran).toMatchObject({ code: 0, stderr: "" });
    expect(value(readExposition(ran.stdout), "petrel_homeserver_reachable")).toBe(1);
    const open = await site.petrel(["metrics", "--openmetrics"]);
    expect(readExposition(open.stdout, true).length).toBeGreaterThan(20);
  });

  it("are printed only while an agent runs", async () => {
    const other = await makeSite();
    expect(await other.petrel(["metrics"])).toMatchObject({
      code: 10,
      stdout: "",
      stderr: "petrel: no agent runs with this configuration; `petrel run` starts one\n",
    });
  });
});

it("are served on a UNIX socket for the agent's group; an address that cannot be had holds up nothing", async () => {
  const other = await makeSite();
  const socketPath = join(other.folder, "m.sock");
  other.configure({ more: `metrics: { listen: "${socketPath}" }` });
  const running = other.start(["run"]);
  await running.says(/metrics are served/);
  expect(statSync(socketPath).mode & 0o777).toBe(0o660);
  expect(readExposition((await get({ socketPath })).text).length).toBeGreaterThan(20);
  running.signal("SIGTERM");
  expect((await running.ended).code).toBe(0);
  other.configure({ more: `metrics: { listen: "127.0.0.1:${port}" }` });
  const second = other.start(["run"]);
  await second.says(/metrics\.listen: no metrics at 127\.0\.0\.1:\d+ \(.*EADDRINUSE/);
  await second.says(/the homeserver is reachable/);
});
