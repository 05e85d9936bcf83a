// The habits of three servers, one field per habit. Source: the project's observations of Synapse 1.163.2, Dendrite 0.15.2 and Conduit 0.11
// ("how servers differ"); test/contract states each row and is run against the real ones where they can be had.

export type ProfileName = "synapse" | "dendrite" | "conduit";

export interface Profile {
  readonly name: ProfileName;
  readonly versions: readonly string[];
  readonly defaultRoomVersion: string;
  /** createRoom, version 12, creator listed in `power_levels.users`. */
  readonly creatorInPowerLevels: { readonly status: number; readonly errcode: string };
  readonly powerLevels: "full" | "as-given";
  readonly unstableFeatures: Readonly<Record<string, boolean>>;
  readonly notJson: string;
  /** `*` in the types of a filter. */
  readonly filterWildcards: boolean;
  /** `room.rooms` of a filter is obeyed. */
  readonly filterRooms: boolean;
  /** Joining a room that is not there, an alias that is not there. */
  readonly joinUnknown: {
    readonly status: number;
    readonly room: string | null;
    readonly alias: string | null;
  };
  /** Empty sections of /sync are left out. */
  readonly omitsEmpty: boolean;
  /** An initial sync counts one-time keys; where it does not, absent is not zero. */
  readonly initialKeyCounts: boolean;
  /**
   * A state change that the timeline's filter drops comes in `state` instead: always, or unless the events that are shown follow the last
   * sync without a hole (then it never comes).
   */
  readonly filteredState: "shown" | "lost-behind-a-whole-timeline";
  /** Redacting an event that is not there: null sends it all the same. */
  readonly redactUnknown: { readonly status: number; readonly errcode: string } | null;
  /** Leaving a room that one has left by oneself; null does nothing. */
  readonly leaveAgain: { readonly status: number; readonly errcode: string } | null;
  /** /keys/query gives everybody's user-signing key to everybody. */
  readonly userSigningKeysPublic: boolean;
  /** Lazy loading of a room without a name: the members that name it come too. */
  readonly heroesInState: boolean;
  /** /messages without `dir`: the direction taken, or null for a refusal. */
  readonly directionDefault: "f" | null;
  /** m.room.message must have string `msgtype` and `body`. */
  readonly checksMessages: boolean;
  /** Cross-signing keys and uploaded signatures are verified (device keys and one-time keys nowhere). */
  readonly verifiesCrossSigning: boolean;
  readonly refreshTokens: boolean;
  readonly reloginKeepsOldToken: boolean;
  /** What a transaction ID is remembered under, beside itself. */
  readonly transactionScope: "device-and-path" | "token-and-path" | "device";
  readonly transactionsSurviveRestart: boolean;
  readonly redactIsIdempotent: boolean;
  /** "live-session": to all the sender's devices, as long as the session that sent it is not replaced. */
  readonly transactionIdShownTo: "device" | "live-session" | "user";
  readonly age: "real" | "absent" | "one";
  readonly timestampParameter: boolean;
  readonly badNumber: string;
  readonly tooLarge: string;
  readonly refusesDuplicateReaction: boolean;
  readonly unknownRoom: { readonly status: number; readonly errcode: string };
  /** null: the filter's limit is obeyed. */
  readonly timelineLimit: number | null;
  /**
   * How /messages ends. "empty": an empty chunk without `end` at the bound. "overshoots": the bound `to` is passed by one event a page, the
   * first event of the room comes twice, and forward paging needs a `from`.
   */
  readonly messagesEnd: "empty" | "overshoots";
  readonly badSince: string | null;
  readonly unknownFilterRefused: boolean;
  readonly longPollWakesEmpty: boolean;
  /** Which answers to an old `since` are repeated as they were. */
  readonly syncCache: "two-minutes" | "none" | "latest";
  readonly toDeviceBatch: number;
  readonly zeroKeyCount: boolean;
  readonly fallbackKeys: "kept" | "discarded" | "absent";
  readonly oneTimeKeyClash: { readonly status: number; readonly errcode: string | null } | null;
  readonly identityKeysReplaced: boolean;
  readonly keysChangesNull: boolean;
  readonly bundledRelations: readonly ("m.replace" | "m.thread")[];
  readonly threads: "yes" | "needs-parameters" | "no";
  /** timestamp_to_event, room_summary, custom profile fields, media v1/create. */
  readonly extras: boolean;
  readonly emptyReceiptRefused: boolean;
  readonly mediaBytesMax: number;
  readonly mediaTooLarge: "cut" | { readonly errcode: string };
  readonly legacyMediaPublic: boolean;
  readonly delayedEvents: boolean;
  readonly softLogoutField: boolean;
  readonly logoutEndsLongPoll: boolean;
  /** "null-500-once": its sync part learns of the leave a moment later, until then `null` with 500. */
  readonly messagesAfterLeave: "allowed" | "null-500-once";
  readonly limited: "retry-after" | "body-only" | "none";
}

const upTo = (minor: number): string[] => Array.from({ length: minor }, (_, index) => `v1.${index + 1}`);

const synapse: Profile = {
  name: "synapse",
  versions: ["r0.6.1", ...upTo(15)],
  unstableFeatures: { "org.matrix.e2e_cross_signing": true, "org.matrix.msc3916.stable": true },
  notJson: "M_NOT_JSON",
  filterWildcards: true,
  filterRooms: true,
  joinUnknown: { status: 404, room: "M_UNKNOWN", alias: "M_NOT_FOUND" },
  omitsEmpty: true,
  initialKeyCounts: true,
  filteredState: "lost-behind-a-whole-timeline",
  redactUnknown: null,
  leaveAgain: null,
  userSigningKeysPublic: false,
  heroesInState: true,
  directionDefault: "f",
  checksMessages: true,
  verifiesCrossSigning: true,
  defaultRoomVersion: "12",
  creatorInPowerLevels: { status: 400, errcode: "M_UNKNOWN" },
  powerLevels: "full",
  refreshTokens: true,
  reloginKeepsOldToken: true,
  transactionScope: "device-and-path",
  transactionsSurviveRestart: true,
  redactIsIdempotent: true,
  transactionIdShownTo: "device",
  age: "real",
  timestampParameter: false,
  badNumber: "M_BAD_JSON",
  tooLarge: "M_TOO_LARGE",
  refusesDuplicateReaction: true,
  unknownRoom: { status: 403, errcode: "M_FORBIDDEN" },
  timelineLimit: null,
  messagesEnd: "empty",
  badSince: "M_UNKNOWN",
  unknownFilterRefused: true,
  longPollWakesEmpty: false,
  syncCache: "two-minutes",
  toDeviceBatch: 100,
  zeroKeyCount: true,
  fallbackKeys: "kept",
  oneTimeKeyClash: { status: 400, errcode: "M_UNKNOWN" },
  identityKeysReplaced: true,
  keysChangesNull: false,
  bundledRelations: ["m.replace", "m.thread"],
  threads: "yes",
  extras: true,
  emptyReceiptRefused: true,
  mediaBytesMax: 50 * 1024 * 1024,
  mediaTooLarge: "cut",
  legacyMediaPublic: false,
  delayedEvents: true,
  softLogoutField: true,
  logoutEndsLongPoll: true,
  messagesAfterLeave: "allowed",
  limited: "retry-after",
};

const dendrite: Profile = {
  ...synapse,
  name: "dendrite",
  versions: ["r0.6.1", "v1.0", ...upTo(2)],
  notJson: "M_BAD_JSON",
  filterWildcards: false,
  filterRooms: false,
  joinUnknown: { status: 500, room: null, alias: null },
  initialKeyCounts: false,
  filteredState: "shown",
  redactUnknown: { status: 400, errcode: "M_NOT_FOUND" },
  leaveAgain: { status: 400, errcode: "M_UNKNOWN" },
  userSigningKeysPublic: true,
  heroesInState: false,
  directionDefault: null,
  checksMessages: false,
  verifiesCrossSigning: false,
  defaultRoomVersion: "10",
  creatorInPowerLevels: { status: 400, errcode: "M_FORBIDDEN" },
  refreshTokens: false,
  reloginKeepsOldToken: false,
  transactionScope: "token-and-path",
  transactionsSurviveRestart: false,
  transactionIdShownTo: "live-session",
  age: "absent",
  timestampParameter: true,
  tooLarge: "M_BAD_JSON",
  refusesDuplicateReaction: false,
  unknownRoom: { status: 400, errcode: "M_UNKNOWN" },
  messagesEnd: "overshoots",
  badSince: "M_INVALID_PARAM",
  unknownFilterRefused: false,
  syncCache: "none",
  toDeviceBatch: Number.POSITIVE_INFINITY,
  zeroKeyCount: false,
  fallbackKeys: "discarded",
  oneTimeKeyClash: { status: 400, errcode: null },
  keysChangesNull: true,
  bundledRelations: [],
  threads: "no",
  extras: false,
  emptyReceiptRefused: false,
  mediaBytesMax: 10 * 1024 * 1024,
  mediaTooLarge: { errcode: "M_UNKNOWN" },
  legacyMediaPublic: true,
  delayedEvents: false,
  softLogoutField: false,
  messagesAfterLeave: "null-500-once",
  limited: "body-only",
};

const conduit: Profile = {
  ...synapse,
  name: "conduit",
  versions: ["r0.6.0", ...upTo(12)],
  unstableFeatures: { "org.matrix.e2e_cross_signing": true },
  omitsEmpty: false,
  filteredState: "shown",
  redactUnknown: { status: 400, errcode: "M_NOT_FOUND" },
  heroesInState: false,
  checksMessages: false,
  verifiesCrossSigning: false,
  creatorInPowerLevels: { status: 403, errcode: "M_FORBIDDEN" },
  powerLevels: "as-given",
  refreshTokens: false,
  reloginKeepsOldToken: false,
  transactionScope: "device",
  redactIsIdempotent: false,
  transactionIdShownTo: "user",
  age: "one",
  badNumber: "M_INVALID_PARAM",
  refusesDuplicateReaction: false,
  unknownRoom: { status: 500, errcode: "M_UNKNOWN" },
  timelineLimit: 10,
  badSince: null,
  unknownFilterRefused: false,
  longPollWakesEmpty: true,
  syncCache: "latest",
  toDeviceBatch: Number.POSITIVE_INFINITY,
  zeroKeyCount: false,
  fallbackKeys: "absent",
  oneTimeKeyClash: null,
  identityKeysReplaced: false,
  bundledRelations: ["m.thread"],
  threads: "needs-parameters",
  extras: false,
  emptyReceiptRefused: false,
  mediaBytesMax: 20_000_000,
  mediaTooLarge: { errcode: "M_TOO_LARGE" },
  delayedEvents: false,
  softLogoutField: false,
  logoutEndsLongPoll: false,
  limited: "none",
};

export const profiles: Readonly<Record<ProfileName, Profile>> = { synapse, dendrite, conduit };
