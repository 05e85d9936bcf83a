// Messages that are files: what stands in them, in an encrypted room and in a plain one, and how they are read.
import { describe, expect, it } from "vitest";
import { downloadMedia, type MediaItem, mediaMessage } from "#agent/media/message.ts";
import { failureOf, pairInARoom } from "#test/agent/matrix/support.ts";
import { accessOf, same, someBytes } from "./support.ts";

const photo = (): MediaItem => ({
  kind: "image",
  name: "photo.jpg",
  caption: "the field",
  bytes: someBytes(5000),
  mimetype: "image/jpeg",
  width: 640,
  height: 480,
  thumbnail: { bytes: someBytes(300), mimetype: "image/jpeg", width: 64, height: 48 },
});

describe("in an encrypted room", () => {
  it("an image and its thumbnail stand in files of their own, and no url is in clear", async () => {
    const { other, rig } = await pairInARoom();
    const item = photo();
    const content = await mediaMessage(accessOf(rig.client), item, true);
    expect(content).toMatchObject({
      msgtype: "m.image",
      body: "the field",
      filename: "photo.jpg",
      file: { v: "v2", key: { alg: "A256CTR" } },
      info: {
        mimetype: "image/jpeg",
        size: 5000,
        w: 640,
        h: 480,
        thumbnail_file: { v: "v2" },
        thumbnail_info: { size: 300, w: 64, h: 48 },
      },
    });
    expect(content).not.toHaveProperty("url");
    expect(content["info"]).not.toHaveProperty("thumbnail_url");
    const found = await downloadMedia(accessOf(other.client), content, 5000);
    expect(same(found, item.bytes)).toBe(true);
  });

  it("a url beside the file is not looked at", async () => {
    const { rig } = await pairInARoom();
    const access = accessOf(rig.client);
    const item = photo();
    const content = await mediaMessage(access, item, true);
    const forged = { ...content, url: await rig.client.upload(someBytes(9), "image/jpeg") };
    expect(same(await downloadMedia(access, forged, 5000), item.bytes)).toBe(true);
  });
});

describe("in a plain room", () => {
  it("a file has its url, its type and its length in time", async () => {
    const { other, rig } = await pairInARoom();
    const bytes = someBytes(700);
    const item: MediaItem = {
      kind: "audio",
      name: "hum.ogg",
      bytes,
      mimetype: "audio/ogg",
      durationMs: 1500,
    };
    const content = await mediaMessage(accessOf(rig.client), item, false);
    expect(content).toMatchObject({
      msgtype: "m.audio",
      body: "hum.ogg",
      info: { duration: 1500, size: 700 },
    });
    expect(content).not.toHaveProperty("file");
    expect(same(await downloadMedia(accessOf(other.client), content, 700), bytes)).toBe(true);
  });
});

it("a message without a file says so", async () => {
  const { rig } = await pairInARoom();
  const error = await failureOf(downloadMedia(accessOf(rig.client), { msgtype: "m.text", body: "x" }, 9));
  expect(error.message).toBe("message: expected a file or a url, found neither");
});
