// Files: the limit asked first, the token for downloads, the older paths where a server knows no others.
import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { parseMxc } from "#agent/matrix/media.ts";
import { failureOf, PROFILES, pairInARoom } from "./support.ts";

const UNRECOGNIZED = { errcode: "M_UNRECOGNIZED", error: "Unrecognized request" };

describe.each(PROFILES)("on %s", (profile) => {
  it("a file comes back as it went", async () => {
    const { rig } = await pairInARoom({ profile });
    const content = randomBytes(50_000);
    const uri = await rig.client.upload(content, "application/octet-stream", "log 1.bin");
    expect(Buffer.from(await rig.client.download(uri, 60_000)).equals(content)).toBe(true);
  });

  it("a file over the server's limit is refused here, and not sent", async () => {
    const { rig, server } = await pairInARoom({ profile });
    const limit = server.world.profile.mediaBytesMax;
    const error = await failureOf(rig.client.upload(new Uint8Array(limit + 1), "image/png"));
    expect(error).toMatchObject({ kind: "local", errcode: "M_TOO_LARGE" });
    expect(error.message).toContain(`at most ${limit} bytes`);
    expect(server.countRequests({ method: "POST", path: /upload/ })).toBe(0);
  });
});

describe("a download", () => {
  it("is bounded", async () => {
    const { rig } = await pairInARoom();
    const uri = await rig.client.upload(new Uint8Array(5000), "image/png");
    expect((await failureOf(rig.client.download(uri, 4999))).message).toContain("larger than 4999 bytes");
  });

  it("takes the older path on a server that knows no other", async () => {
    const { rig, server } = await pairInARoom({ profile: "dendrite" });
    const uri = await rig.client.upload(new Uint8Array([1, 2]), "image/png");
    const path = /client\/v1\/media/;
    server.fault({ kind: "status", status: 404, body: UNRECOGNIZED, match: { path }, times: 10 });
    expect([...(await rig.client.download(uri, 10))]).toEqual([1, 2]);
  });

  it("of what is not there says so", async () => {
    const { rig } = await pairInARoom();
    const error = await failureOf(rig.client.download("mxc://localhost/nothing", 10));
    expect(error).toMatchObject({ kind: "refused", status: 404 });
  });

  it.each(["https://x/y", "mxc://x", "mxc://x/../y", "mxc://x/y/z", "mxc://x/y?z", ""])(
    "of %j is refused here",
    async (uri) => {
      const { rig } = await pairInARoom();
      expect((await failureOf(rig.client.download(uri, 10))).kind).toBe("local");
    },
  );
});

describe("an upload", () => {
  it("asks for the limit once, at the older path where need be, and goes ahead where there is none", async () => {
    const { rig, server } = await pairInARoom();
    server.fault({
      kind: "status",
      status: 404,
      body: UNRECOGNIZED,
      match: { path: /media\/.*config/ },
      times: 2,
    });
    await rig.client.upload(new Uint8Array(1), "image/png");
    await rig.client.upload(new Uint8Array(1), "image/png");
    expect(server.countRequests({ path: /media\/.*config/ })).toBe(2);
  });
});

it("an mxc URI is a server name and an ID of a few letters", () => {
  expect(parseMxc("mxc://example.org:8448/Ab_-9")).toEqual({ server: "example.org:8448", mediaId: "Ab_-9" });
  expect(parseMxc("mxc://[::1]:8448/a")?.server).toBe("[::1]:8448");
});
