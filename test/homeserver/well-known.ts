// Server discovery (Client-Server API, "Well-known URIs"): found here, elsewhere, behind redirects, missing or broken.
import { type Reply, reply } from "./refusal.ts";

export type WellKnown =
  | { readonly kind: "self" }
  | { readonly kind: "base-url"; readonly baseUrl: string }
  /** So many 302s, then the answer (MSC4402). */
  | { readonly kind: "redirect"; readonly hops: number }
  | { readonly kind: "missing" }
  | { readonly kind: "broken" };

const PATH = "/.well-known/matrix/client";

const found = (baseUrl: string): Reply =>
  reply(200, { "m.homeserver": { base_url: baseUrl } }, { "access-control-allow-origin": "*" });

/** The answer to a discovery request; null for any other. */
export const wellKnownReply = (wellKnown: WellKnown, url: URL, self: string): Reply | null => {
  if (url.pathname !== PATH && !url.pathname.startsWith("/redirected/")) return null;
  const hop = Number(url.pathname.split("/redirected/")[1] ?? 0);
  switch (wellKnown.kind) {
    case "self":
      return found(self);
    case "base-url":
      return found(wellKnown.baseUrl);
    case "missing":
      return reply(404, { errcode: "M_NOT_FOUND", error: "Not found" });
    case "broken":
      return reply(200, Buffer.from("<html>not here</html>"), { "content-type": "text/html" });
    case "redirect":
      return hop < wellKnown.hops ? reply(302, {}, { location: `/redirected/${hop + 1}` }) : found(self);
  }
};
