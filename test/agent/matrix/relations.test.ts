// Contents that speak about other events, as the specification's examples have them.
import { describe, expect, it } from "vitest";
import {
  edit,
  inThread,
  mentionedUsers,
  notice,
  reaction,
  relationOf,
  reply,
  text,
  withHtml,
  withMentions,
} from "#agent/matrix/relations.ts";

describe("an edit", () => {
  it("holds the new content whole, and for old clients the text with a star", () => {
    expect(edit(notice("state: up"), "$card")).toEqual({
      msgtype: "m.notice",
      body: "* state: up",
      "m.mentions": {},
      "m.new_content": { msgtype: "m.notice", body: "state: up" },
      "m.relates_to": { rel_type: "m.replace", event_id: "$card" },
    });
  });

  it("keeps the formatted text in both", () => {
    const edited = edit(withHtml(notice("up"), "<b>up</b>"), "$card");
    expect(edited["formatted_body"]).toBe("* <b>up</b>");
    expect(edited["m.new_content"]).toMatchObject({ formatted_body: "<b>up</b>" });
  });

  it("does not ring again for those mentioned before, only for the new ones", () => {
    const content = withMentions(notice("fire"), ["@a:x", "@b:x"]);
    const edited = edit(content, "$alarm", ["@b:x"]);
    expect(edited["m.mentions"]).toEqual({ user_ids: ["@b:x"] });
    expect(edited["m.new_content"]).toMatchObject({ "m.mentions": { user_ids: ["@a:x", "@b:x"] } });
  });

  it("of a reply or a thread message names no relation in the new content", () => {
    const edited = edit(reply(notice("x"), "$q"), "$mine");
    expect(edited["m.new_content"]).toEqual({ msgtype: "m.notice", body: "x" });
    expect(relationOf(edited)).toEqual({ type: "m.replace", eventId: "$mine", inReplyTo: null });
  });
});

describe("a thread", () => {
  it("falls back to a reply to its last message", () => {
    expect(inThread(text("x"), "$root", "$last")["m.relates_to"]).toEqual({
      rel_type: "m.thread",
      event_id: "$root",
      is_falling_back: true,
      "m.in_reply_to": { event_id: "$last" },
    });
  });

  it("keeps a reply that was meant as one", () => {
    expect(inThread(reply(text("x"), "$q"), "$root", "$last")["m.relates_to"]).toEqual({
      rel_type: "m.thread",
      event_id: "$root",
      is_falling_back: false,
      "m.in_reply_to": { event_id: "$q" },
    });
  });
});

describe("mentions", () => {
  it("of nobody say so", () => {
    expect(withMentions(text("@room"), [])).toMatchObject({ "m.mentions": {} });
  });

  it("of users and of the room are read back, odd ones are not", () => {
    const content = withMentions(text("x"), ["@a:x"], true);
    expect(content["m.mentions"]).toEqual({ user_ids: ["@a:x"], room: true });
    expect(mentionedUsers(content)).toEqual(["@a:x"]);
    expect(mentionedUsers({ "m.mentions": { user_ids: [1, "@b:x"] } })).toEqual(["@b:x"]);
    expect(mentionedUsers({ "m.mentions": "x" })).toEqual([]);
    expect(mentionedUsers({})).toEqual([]);
  });
});

describe("a relation", () => {
  it("of a reaction, of a plain reply, of none, of nonsense", () => {
    expect(relationOf(reaction("$e", "👍"))).toEqual({
      type: "m.annotation",
      eventId: "$e",
      inReplyTo: null,
    });
    expect(relationOf(reply(text("x"), "$q"))).toEqual({ type: null, eventId: null, inReplyTo: "$q" });
    expect(relationOf(text("x"))).toBeNull();
    expect(relationOf({ "m.relates_to": { rel_type: 1, event_id: {}, "m.in_reply_to": [] } })).toEqual({
      type: null,
      eventId: null,
      inReplyTo: null,
    });
  });
});
