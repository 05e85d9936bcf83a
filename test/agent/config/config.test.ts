import { describe, expect, it } from "vitest";
import * as z from "zod";
import { type Config, parseConfig } from "#agent/config/config.ts";
import { ConfigError } from "#agent/config/document.ts";
import type { KindLoader } from "#agent/ingest/registry.ts";

const line: KindLoader = () =>
  Promise.resolve({
    kind: "line",
    schema: z.strictObject({ path: z.string(), baud: z.int().min(50) }),
    create: () => ({ start: () => Promise.resolve(), stop: () => Promise.resolve() }),
  });

const parse = (text: string): Promise<Config> => parseConfig("petrel.yaml", text, { line });

const complaintsOf = async (text: string): Promise<string[]> => {
  const error = await parse(text).then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ConfigError)) throw new Error(`expected a ConfigError, got ${String(error)}`);
  return error.message.split("\n");
};

const MINIMAL = `version: 1
device:
  name: drone-1
homeserver:
  server: example.org
  user: drone
`;

describe("a configuration", () => {
  it("needs little and has defaults for the rest", async () => {
    const config = await parse(MINIMAL);
    expect(config.commands.prefix).toBe("!petrel");
    expect(config.commands.valid_for).toBe(60_000);
    expect(config.delivery.batch).toEqual({ max_age: 5000, max_count: 1000, plain_max: 32 });
    expect(config.rooms.status_every).toBe(30_000);
  });

  it("hands each driver's options to the kind that it names", async () => {
    const config = await parse(
      `${MINIMAL}drivers:\n  gps:\n    type: line\n    path: /dev/ttyUSB0\n    baud: 9600\n`,
    );
    expect(config.drivers.get("gps")?.options).toEqual({ path: "/dev/ttyUSB0", baud: 9600 });
  });

  it("refuses an unknown key, names its place and the nearest known one", async () => {
    expect(await complaintsOf(`${MINIMAL}chanels: {}\n`)).toEqual([
      'petrel.yaml:7:1: chanels: expected one of channels, commands, delivery, device, drivers, encryption, homeserver, log, metrics, rooms, subscriptions, time, version, found "chanels" (did you mean "channels"?)',
    ]);
  });

  it("tells what is wrong with the drivers together with what is wrong elsewhere", async () => {
    const complaints = await complaintsOf(
      `${MINIMAL}chanels: {}\ndrivers:\n  gps: { type: lyne }\n  door: { type: line, path: 3, baud: 9600 }\n  odd: 7\n`,
    );
    expect(complaints.map((complaint) => complaint.split(" ").slice(0, 2).join(" "))).toEqual([
      "petrel.yaml:11:8: drivers.odd:",
      "petrel.yaml:7:1: chanels:",
      "petrel.yaml:9:16: drivers.gps.type:",
      "petrel.yaml:10:29: drivers.door.path:",
    ]);
  });

  it("refuses an unknown key of a driver by that driver's own schema", async () => {
    const complaints = await complaintsOf(
      `${MINIMAL}drivers:\n  gps:\n    type: line\n    path: /dev/x\n    buad: 9600\n`,
    );
    expect(complaints[0]).toContain("petrel.yaml:9:5: drivers.gps.baud: expected a number, found nothing");
    expect(complaints[1]).toContain(
      'petrel.yaml:11:5: drivers.gps.buad: expected one of baud, path, found "buad" (did you mean "baud"?)',
    );
  });

  it("names every problem at once, each with line and column", async () => {
    const complaints = await complaintsOf("version: 2\ndevice:\n  name: a b\nhomeserver:\n  user: x\n");
    expect(complaints).toEqual([
      "petrel.yaml:1:10: version: expected 1, found 2",
      'petrel.yaml:3:9: device.name: expected a name of letters, digits, ".", "_" and "-", 64 at most, found "a b"',
      'petrel.yaml:5:3: homeserver: expected exactly one of "url" and "server", found a mapping',
    ]);
  });

  it("refuses a secret written into the file, and says where it may lie", async () => {
    const complaints = await complaintsOf(
      MINIMAL.replace("  user: drone", "  user: drone\n  password: hunter2"),
    );
    expect(complaints[0]).toContain(
      "petrel.yaml:7:13: homeserver.password: expected a reference to a secret",
    );
    expect(complaints.join()).not.toContain("hunter2");
  });

  it("refuses a wrong duration with an example of a right one", async () => {
    const complaints = await complaintsOf(`${MINIMAL}commands:\n  valid_for: 60\n`);
    expect(complaints[0]).toContain(
      'petrel.yaml:8:14: commands.valid_for: expected a duration such as "500ms"',
    );
  });

  it("refuses an unknown kind of driver and lists the known ones", async () => {
    const complaints = await complaintsOf(`${MINIMAL}drivers:\n  gps:\n    type: lime\n`);
    expect(complaints[0]).toContain(
      'drivers.gps.type: expected one of line, found "lime" (did you mean "line"?)',
    );
  });

  it("refuses a command that writes to a driver that is not there", async () => {
    const command = "commands:\n  list:\n    relay:\n      write: { driver: gps, payload: x }\n";
    expect((await complaintsOf(MINIMAL + command))[0]).toContain(
      "petrel.yaml:10:24: commands.list.relay.write.driver",
    );
  });

  it("places a YAML syntax error", async () => {
    expect((await complaintsOf("version: 1\ndevice: {\n"))[0]).toMatch(
      /^petrel\.yaml:3:1: expected YAML 1\.2, found /,
    );
  });

  it("refuses an empty file by saying what is missing", async () => {
    expect((await complaintsOf("")).join("\n")).toContain(
      "petrel.yaml:1:1: device: expected a mapping, found nothing",
    );
  });
});
