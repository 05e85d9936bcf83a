// Lanes: what leaves first when not everything can (DESIGN 5). One event of a lane is under way at a time, so order within a lane and room holds.
export type Lane = "alarm" | "reply" | "state" | "bulk";

/** Most urgent first. */
export const LANES: readonly Lane[] = ["alarm", "reply", "state", "bulk"];
