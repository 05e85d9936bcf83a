// Managing delayed events (MSC4140): in the old form with an action in the path, or in the body; in the accepted one in the path.
import { param, type Route, type SignedCall, signed } from "../call.ts";
import { listDelayed, manageDelayed } from "../delayed.ts";
import { type JsonObject, stringAt } from "../json.ts";
import { Refusal } from "../refusal.ts";

const requireSupport = ({ params, path, world }: SignedCall): void => {
  const isAccepted = path.startsWith(ACCEPTED);
  const isKnown =
    isAccepted === (world.delayedEventForm === "accepted") &&
    !(world.delayedEventForm === "body" && params["action"] !== undefined);
  if (!world.profile.delayedEvents || !isKnown)
    throw new Refusal(404, "M_UNRECOGNIZED", "Unrecognized request");
};

const manage = (call: SignedCall): JsonObject => {
  requireSupport(call);
  const action = call.params["action"] ?? stringAt(call.body(), "action") ?? "";
  return manageDelayed(call.world, param(call, "delayId"), action);
};

const list = (call: SignedCall): JsonObject => {
  requireSupport(call);
  return listDelayed(call.world, call.user.userId);
};

const DELAYED = "/_matrix/client/unstable/org.matrix.msc4140/delayed_events";
const ACCEPTED = "/_matrix/client/v1/delayed_events";

export const delayedRoutes: readonly Route[] = [
  signed("GET", DELAYED, list),
  signed("POST", `${DELAYED}/:delayId`, manage),
  signed("POST", `${DELAYED}/:delayId/:action`, manage),
  signed("GET", ACCEPTED, list),
  signed("POST", `${ACCEPTED}/:delayId/:action`, manage),
];
