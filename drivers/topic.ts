// MQTT topic names and filters: their grammar and their matching (MQTT 3.1.1 and 5, section 4.7). Shared by the mqtt and the broker driver.

/** Topics are UTF-8 strings of at most 65,535 bytes (section 1.5.4); ours become names of readings, so a far lower bound serves. */
const TOPIC_BYTES_MAX = 1_024;
/** A bound on levels keeps matching cheap. */
const LEVELS_MAX = 64;

const wellFormed = (text: string): boolean =>
  text.length > 0 &&
  !text.includes("\0") &&
  Buffer.byteLength(text) <= TOPIC_BYTES_MAX &&
  text.split("/").length <= LEVELS_MAX;

/** Whether a text can be published to: no wildcards (section 4.7.1, [MQTT-3.3.2-2]). */
export const isTopic = (text: string): boolean => wellFormed(text) && !/[+#]/.test(text);

/** Whether a text can be subscribed to: `+` alone on its level, `#` alone on the last ([MQTT-4.7.1-2], [MQTT-4.7.1-3]). */
export const isTopicFilter = (text: string): boolean => {
  if (!wellFormed(text)) return false;
  const levels = text.split("/");
  return levels.every((level, index) => {
    if (level === "#") return index === levels.length - 1;
    return level === "+" || !/[+#]/.test(level);
  });
};

export type TopicMatcher = (topic: string) => boolean;

/** Compiles a filter. A leading wildcard does not match topics that begin with `$` ([MQTT-4.7.2-1]); `a/#` matches `a` too (section 4.7.1.2). */
export const compileFilter = (filter: string): TopicMatcher => {
  const levels = filter.split("/");
  const tail = levels.at(-1) === "#";
  const heads = tail ? levels.slice(0, -1) : levels;
  const wildFirst = levels[0] === "+" || levels[0] === "#";
  return (topic) => {
    if (wildFirst && topic.startsWith("$")) return false;
    const given = topic.split("/");
    if (tail ? given.length < heads.length : given.length !== heads.length) return false;
    return heads.every((level, index) => level === "+" || level === given[index]);
  };
};

/** Whether everything that `inner` can match is matched by `outer` too: for topic rules, where a client asks for a filter. */
export const filterCovers = (outer: string, inner: string): boolean => {
  const allowed = outer.split("/");
  const asked = inner.split("/");
  if (/^[+#]/.test(outer) && inner.startsWith("$")) return false;
  for (const [index, level] of allowed.entries()) {
    if (level === "#") return true;
    const other = asked[index];
    if (other === undefined || other === "#") return false;
    if (level !== "+" && level !== other) return false;
  }
  return asked.length === allowed.length;
};

/** The values that a topic offers to the names of readings: `topic` whole, `topic[0]`, `topic[1]`, ... its levels. */
export const topicVariables = (topic: string): Record<string, string> => {
  const variables: Record<string, string> = { topic };
  for (const [index, level] of topic.split("/").entries()) variables[`topic[${index}]`] = level;
  return variables;
};
