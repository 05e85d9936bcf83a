// The namespace of the agent's own events (DESIGN 4).
export const NAMESPACE = "dev.petrel";
