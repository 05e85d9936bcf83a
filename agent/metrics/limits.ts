// Bounds of the metrics, each with its reason.

/** Values of one label: each is a time series that a Prometheus keeps for weeks. A device has tens of channels; MQTT topics may make thousands. */
export const LABEL_VALUES_MAX = 200;

/** Characters of a label's value: channel names are up to 256. */
export const LABEL_CHARS_MAX = 256;

/** Scrapers at once: a Prometheus, its replica, a person. */
export const CONNECTIONS_MAX = 8;

/** A request's head and answer take no longer: a scraper's own limit is 10 s by default. */
export const REQUEST_MS = 10_000;

/** How often the loop is looked at: ten wake-ups a second cost next to nothing, a delay of 100 ms is what an operator would want to know of. */
export const LOOP_RESOLUTION_MS = 100;

/** The loop's delays are those of at least the last so long, and of no more than the time between two scrapes beyond it. */
export const LOOP_WINDOW_MS = 60_000;
