// Encrypted attachments over a homeserver: what was sealed comes back, a bad link does not matter, what is not as it was sent is refused.
import { describe, expect, it } from "vitest";
import {
  downloadAttachment,
  sealAttachment,
  uploadAttachment,
  uploadSealed,
} from "#agent/media/attachment.ts";
import { SLICE_BYTES } from "#agent/media/limits.ts";
import { CryptoError } from "#crypto/errors.ts";
import { failureOf, PROFILES, pairInARoom } from "#test/agent/matrix/support.ts";
import { accessOf, same, someBytes } from "./support.ts";

const codeOf = async (call: Promise<unknown>): Promise<string> => {
  try {
    await call;
  } catch (error) {
    if (error instanceof CryptoError) return error.code;
    throw error;
  }
  throw new Error("expected a CryptoError, but the call succeeded");
};

describe.each(PROFILES)("on %s", (profile) => {
  it("what one uploads another downloads", async () => {
    const { other, rig } = await pairInARoom({ profile });
    const content = someBytes(2 * SLICE_BYTES + 1);
    const file = await uploadAttachment(accessOf(rig.client), content);
    const found = await downloadAttachment(accessOf(other.client), file, content.length);
    expect(same(found, content)).toBe(true);
  });

  it("the server holds neither the bytes nor a name or a type of them", async () => {
    const { rig, server } = await pairInARoom({ profile });
    const content = someBytes(1000);
    const { url } = await uploadAttachment(accessOf(rig.client), content);
    const kept = server.world.media.get(url.split("/").at(-1) ?? "");
    expect(kept).toMatchObject({ contentType: "application/octet-stream", name: null });
    expect(kept?.bytes.length).toBe(content.length);
    expect(same(kept?.bytes ?? content, content)).toBe(false);
  });

  it("a file over the server's limit is refused before a byte is sent, and the limit can be asked", async () => {
    const { rig, server } = await pairInARoom({ profile });
    const limit = server.world.profile.mediaBytesMax;
    expect(await rig.client.uploadBytesMax()).toBe(limit);
    const error = await failureOf(uploadAttachment(accessOf(rig.client), new Uint8Array(limit + 1)));
    expect(error).toMatchObject({ kind: "local", errcode: "M_TOO_LARGE" });
    expect(error.message).toContain(`at most ${limit} bytes`);
    expect(server.countRequests({ method: "POST", path: /upload/ })).toBe(0);
  });
});

describe("an upload", () => {
  it.each([
    { kind: "answer-lost" },
    { kind: "refused" },
    { kind: "cut" },
    { kind: "html", status: 502 },
    { kind: "limited", retryAfterMs: 50 },
    { kind: "status", status: 503 },
  ] as const)("that meets $kind is made again with the same ciphertext", async (fault) => {
    const { rig, server } = await pairInARoom();
    const access = accessOf(rig.client);
    const hit = server.fault({ ...fault, match: { method: "POST", path: /upload/ }, times: 2 });
    const content = someBytes(3000);
    const file = await uploadAttachment(access, content);
    expect(hit.hits()).toBe(2);
    expect(same(await downloadAttachment(access, file, 3000), content)).toBe(true);
    const kept = [...server.world.media.values()].map(({ bytes }) => Buffer.from(bytes).toString("hex"));
    expect(new Set(kept).size).toBe(1);
  });

  it("that the server forbids is not repeated", async () => {
    const { rig, server } = await pairInARoom();
    const body = { errcode: "M_FORBIDDEN", error: "no files here" };
    server.fault({ kind: "status", status: 403, body, match: { path: /upload/ }, times: 100 });
    const error = await failureOf(uploadAttachment(accessOf(rig.client), someBytes(10)));
    expect(error).toMatchObject({ kind: "refused", errcode: "M_FORBIDDEN" });
    expect(server.countRequests({ method: "POST", path: /upload/ })).toBe(1);
  });

  it("ends with the signal", async () => {
    const { rig, server } = await pairInARoom();
    const access = accessOf(rig.client);
    const hit = server.fault({ kind: "refused", match: { path: /upload/ }, times: 1_000_000 });
    const failed = failureOf(uploadAttachment(access, someBytes(10)));
    await expect.poll(() => hit.hits(), { timeout: 20_000 }).toBeGreaterThan(1);
    access.stop();
    expect((await failed).kind).toBe("network");
  });

  it("ends with the signal while it encrypts", async () => {
    const { rig } = await pairInARoom();
    const access = accessOf(rig.client);
    const failed = failureOf(sealAttachment(access, new Uint8Array(3 * SLICE_BYTES)));
    access.stop();
    expect((await failed).kind).toBe("aborted");
  });

  it("can be tried once, by who has a policy of its own", async () => {
    const { rig, server } = await pairInARoom();
    const access = accessOf(rig.client);
    const sealed = await sealAttachment(access, someBytes(500));
    server.fault({ kind: "refused", match: { path: /upload/ } });
    expect((await failureOf(uploadSealed(rig.client, sealed))).kind).toBe("network");
    const file = await uploadSealed(rig.client, sealed);
    expect(file["hashes"]).toEqual(sealed.info.hashes);
  });
});

describe("a download", () => {
  it("through a bad link is made again", async () => {
    const { rig, server } = await pairInARoom();
    const access = accessOf(rig.client);
    const content = someBytes(4000);
    const file = await uploadAttachment(access, content);
    server.fault({ kind: "cut", match: { path: /download/ }, times: 2 });
    expect(same(await downloadAttachment(access, file, 4000), content)).toBe(true);
  });

  it("goes to the authenticated endpoint", async () => {
    const { rig, server } = await pairInARoom();
    const access = accessOf(rig.client);
    await downloadAttachment(access, await uploadAttachment(access, someBytes(10)), 10);
    expect(server.countRequests({ path: /client\/v1\/media\/download/ })).toBe(1);
    expect(server.countRequests({ path: /media\/v3\/download/ })).toBe(0);
  });

  it("of bytes that somebody changed at the server is refused", async () => {
    const { rig, server } = await pairInARoom();
    const access = accessOf(rig.client);
    const file = await uploadAttachment(access, someBytes(4000));
    const kept = server.world.media.get(file.url.split("/").at(-1) ?? "");
    if (kept === undefined) throw new Error("expected the file at the server");
    kept.bytes[2000] = (kept.bytes[2000] ?? 0) ^ 1;
    expect(await codeOf(downloadAttachment(access, file, 4000))).toBe("MAC");
  });

  it("of more than was asked for is ended", async () => {
    const { rig } = await pairInARoom();
    const access = accessOf(rig.client);
    const file = await uploadAttachment(access, someBytes(4000));
    const error = await failureOf(downloadAttachment(access, file, 3999));
    expect(error).toMatchObject({ kind: "local", errcode: "M_TOO_LARGE" });
    expect(error.message).toContain("larger than 3999 bytes");
  });

  it("of a file that the server no longer has says so, once", async () => {
    const { rig, server } = await pairInARoom();
    const access = accessOf(rig.client);
    const file = await uploadAttachment(access, someBytes(40));
    server.world.media.clear();
    expect(await failureOf(downloadAttachment(access, file, 40))).toMatchObject({ errcode: "M_NOT_FOUND" });
  });

  it("of a file without a usable key or url asks for nothing", async () => {
    const { rig, server } = await pairInARoom();
    const access = accessOf(rig.client);
    const file = await uploadAttachment(access, someBytes(40));
    expect(await codeOf(downloadAttachment(access, { ...file, v: "v3" }, 40))).toBe("VERSION");
    expect(await codeOf(downloadAttachment(access, { ...file, iv: "AAAA" }, 40))).toBe("FORMAT");
    expect(await codeOf(downloadAttachment(access, { ...file, url: 7 }, 40))).toBe("FORMAT");
    expect(await codeOf(downloadAttachment(access, null, 40))).toBe("FORMAT");
    expect((await failureOf(downloadAttachment(access, { ...file, url: "https://a/b" }, 40))).kind).toBe(
      "local",
    );
    expect(server.countRequests({ path: /download/ })).toBe(0);
  });
});
