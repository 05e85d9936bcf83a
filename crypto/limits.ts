// Every named maximum of the files directly in crypto/, each with its reason. The Olm and Megolm limits live in their own folders.

/** Nesting of a JSON value that is signed. serde_json, beneath most peers, gives up at 128; a cycle must end somewhere. */
export const CANONICAL_JSON_DEPTH_MAX = 128;
